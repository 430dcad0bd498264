//! The header `Idempotency-Key`: a UUID that the client makes for a message and sends again when it tries again.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use uuid::Uuid;

use super::error::ApiError;

const NAME: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) struct IdempotencyKey(pub(super) Option<Uuid>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(NAME).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => Uuid::try_parse_ascii(value.as_bytes())
                .map(|key| Self(Some(key)))
                .map_err(|_| {
                    ApiError::Invalid("the header Idempotency-Key must be a UUID".to_owned())
                }),
            (Some(_), Some(_)) => Err(ApiError::Invalid(
                "the header Idempotency-Key must not be sent twice".to_owned(),
            )),
        }
    }
}
