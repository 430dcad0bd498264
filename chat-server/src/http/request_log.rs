//! One log line per request: method, route template, status, duration. Never a path (it may name a chat), a query or a
//! body. A client that left before the answer gets its line too, without a status. All lines of a request carry its id,
//! which is the caller's `X-Request-Id` or a new one, and which the answer repeats.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID_LENGTH: usize = 64;

struct RequestLine {
    method: Method,
    route: String,
    started: Instant,
    status: Option<StatusCode>,
}

pub(super) async fn log(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    // An error span, so that the id is also there when only warnings are logged.
    let span = tracing::error_span!("http", request_id = %id);
    let mut response = answer(request, next).instrument(span).await;
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn answer(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str);
    let mut line = RequestLine {
        method: request.method().clone(),
        route: route.to_owned(),
        started: Instant::now(),
        status: None,
    };
    let response = next.run(request).await;
    line.status = Some(response.status());
    response
}

/// The caller's id, unless it is none that belongs into a log.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=MAX_ID_LENGTH).contains(&id.len()))
        .filter(|id| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
        .map_or_else(|| Uuid::new_v4().to_string(), ToOwned::to_owned)
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let Self {
            method,
            route,
            started,
            status,
        } = self;
        let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        let duration_ms = f64::from(micros) / 1000.0;
        if let Some(status) = status {
            tracing::info!(%method, route, status = status.as_u16(), duration_ms, "request");
        } else {
            tracing::info!(%method, route, duration_ms, "request given up by the client");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &'static str) -> String {
        request_id(&HeaderMap::from_iter([(
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
        assert!(Uuid::parse_str(&request_id(&HeaderMap::new())).is_ok());
    }
}
