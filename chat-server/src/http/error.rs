//! The one shape of all errors: a status and `{"detail": "..."}`. It decides which failure is which status, and that
//! nothing internal leaves the server: what went wrong with the database is logged, the person gets "try again".

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::message::RefusedText;
use crate::storage::StorageError;
use crate::telemetry::metrics;

/// Seconds after which to try again: about what a failover's first step takes, and no flood.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

#[derive(Debug)]
pub(crate) enum ApiError {
    UnknownChat,
    Invalid(String),
    TooLarge,
    NoSuchPath,
    MethodNotAllowed,
    Unavailable(&'static str),
}

#[derive(Serialize)]
struct Body {
    detail: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::UnknownChat => (StatusCode::NOT_FOUND, "there is no such chat".to_owned()),
            Self::Invalid(reason) => (StatusCode::UNPROCESSABLE_ENTITY, reason),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is larger than 64 KiB".to_owned(),
            ),
            Self::NoSuchPath => (
                StatusCode::NOT_FOUND,
                "there is nothing at this path".to_owned(),
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "this path doesn't take this method".to_owned(),
            ),
            Self::Unavailable(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_owned()),
        };
        let mut response = (status, Json(Body { detail })).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        if matches!(error, StorageError::UnknownChat) {
            return Self::UnknownChat;
        }
        // Only the Display form: PostgreSQL's details, which Debug has, may quote a row.
        tracing::warn!(%error, "the database failed");
        metrics::database_failed(&error);
        Self::Unavailable("the database isn't available, try again in a moment")
    }
}

impl From<RefusedText> for ApiError {
    fn from(refused: RefusedText) -> Self {
        Self::Invalid(refused.to_string())
    }
}
