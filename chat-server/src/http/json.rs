//! A request's JSON body: read whole within limits of size and time, then understood, with errors in our shape. The status is
//! 413 for a body that is too large, 408 for one that takes too long, else 422, and the detail names the field.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;

const MAX_BYTES: usize = 64 * 1024;
/// As much of a body that is too large is still read: who is still sending might never see the answer.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;
/// The longest that a whole body takes to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct ApiJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        let body = timeout(BODY_LIMIT, read(body))
            .await
            .unwrap_or(Err(ApiError::TooSlow))?;
        if !is_json(&head.headers) {
            return Err(ApiError::Invalid(
                "the header Content-Type must be application/json, in UTF-8".to_owned(),
            ));
        }
        let Json(value) = Json::from_bytes(&body).map_err(|rejection| refusal(&rejection))?;
        // The parser takes a list of the fields' values, too.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::Invalid("the body must be an object".to_owned()));
        }
        Ok(Self(value))
    }
}

async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    if body.size_hint().lower() > MAX_DISCARDED_BYTES as u64 {
        return Err(ApiError::TooLarge);
    }
    let mut chunks = body.into_data_stream();
    let mut received = 0;
    let mut bytes = Vec::new();
    while received <= MAX_DISCARDED_BYTES
        && let Some(chunk) = chunks.next().await
    {
        let chunk = chunk.map_err(|_| ApiError::Invalid("the body couldn't be read".to_owned()))?;
        received += chunk.len();
        if received <= MAX_BYTES {
            bytes.extend_from_slice(&chunk);
        }
    }
    match received {
        ..=MAX_BYTES => Ok(bytes),
        _ => Err(ApiError::TooLarge),
    }
}

/// JSON is always UTF-8; other parameters than a charset mean nothing.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json
        && parts
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
            .all(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

fn refusal(rejection: &JsonRejection) -> ApiError {
    ApiError::Invalid(match rejection {
        JsonRejection::JsonDataError(error) => innermost(error),
        error => format!("the body isn't JSON: {}", innermost(error)),
    })
}

/// The parser's own reason, "field: what is wrong", without the framework's words around it.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
