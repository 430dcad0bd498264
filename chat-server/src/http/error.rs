//! The one shape of all errors: a status and `{"detail": "..."}`. It decides which failure is which status, and that
//! nothing internal leaves the server: what went wrong with the database is logged, the person gets "try again".

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::message::RefusedText;
use crate::storage::StorageError;
use crate::telemetry::metrics;

/// Seconds after which to try again: about what a failover's first step takes, and no flood.
const RETRY_AFTER_SECONDS: u64 = 2;

#[derive(Debug)]
pub(crate) enum ApiError {
    UnknownChat,
    Invalid(String),
    /// The idempotency key belongs to another text.
    KeyInUse,
    TooLarge,
    /// The body didn't come in time.
    TooSlow,
    /// More requests than one client may send; when it may send the next.
    TooMany {
        seconds: u64,
    },
    NoSuchPath,
    MethodNotAllowed,
    Unavailable(&'static str),
}

/// What went wrong
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"detail": "there is no such chat"}))]
pub(super) struct Problem {
    /// For people
    detail: String,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownChat | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::KeyInUse => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooMany { seconds } => Some(*seconds),
            Self::Unavailable(_) => Some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }

    fn detail(self) -> String {
        let detail = match self {
            Self::Invalid(reason) => return reason,
            Self::Unavailable(reason) => reason,
            Self::UnknownChat => "there is no such chat",
            Self::KeyInUse => {
                "the header Idempotency-Key was sent with another text before: each message needs a key of its own"
            }
            Self::TooLarge => "the request is larger than 64 KiB",
            Self::TooSlow => "the request didn't arrive in time",
            Self::TooMany { .. } => "too many requests, try again in a moment",
            Self::NoSuchPath => "there is nothing at this path",
            Self::MethodNotAllowed => "this path doesn't take this method",
        };
        detail.to_owned()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status(), self.retry_after_seconds());
        let detail = self.detail();
        let mut response = (status, Json(Problem { detail })).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the body may still come.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
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
