//! A request's JSON body, with errors in our shape: the status is always 422, or 413 for a body that is too large, and
//! the detail names the field.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::error::ApiError;

pub(super) struct ApiJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refusal(&rejection)),
        }
    }
}

fn refusal(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::JsonDataError(error) => ApiError::Invalid(innermost(error)),
        JsonRejection::JsonSyntaxError(error) => {
            ApiError::Invalid(format!("the body isn't JSON: {}", innermost(error)))
        }
        JsonRejection::MissingJsonContentType(_) => {
            ApiError::Invalid("the header Content-Type must be application/json".to_owned())
        }
        _ if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        _ => ApiError::Invalid("the body couldn't be read".to_owned()),
    }
}

/// The parser's own reason, "field: what is wrong", without the framework's words around it.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
