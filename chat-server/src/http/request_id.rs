//! The id that all log lines of a request carry: the caller's `X-Request-Id`, or a new one. The answer repeats it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 64;

/// The caller's id, unless it is none that belongs into a log.
pub(super) fn of(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=MAX_LENGTH).contains(&id.len()))
        .filter(|id| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
        .map_or_else(|| Uuid::new_v4().to_string(), ToOwned::to_owned)
}

pub(super) fn repeat_in(response: &mut Response, id: String) {
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &'static str) -> String {
        of(&HeaderMap::from_iter([(
            REQUEST_ID,
            HeaderValue::from_static(sent),
        )]))
    }

    #[test]
    fn a_plain_id_of_the_caller_is_kept() {
        assert_eq!(id_for("0c.5-f_A"), "0c.5-f_A");
    }

    #[test]
    fn other_ids_are_replaced() {
        const LONG: &str = "00000000001111111111222222222233333333334444444444555555555566666";
        for sent in ["", "a b", "\"", "a=1", LONG] {
            assert!(Uuid::parse_str(&id_for(sent)).is_ok(), "{sent}");
        }
        assert!(Uuid::parse_str(&of(&HeaderMap::new())).is_ok());
    }
}
