//! One log line per request: method, route template, status, duration. Never a path (it may name a chat), a query or a
//! body. A client that left before the answer gets its line too, without a status.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

struct RequestLine {
    method: Method,
    route: String,
    started: Instant,
    status: Option<StatusCode>,
}

pub(super) async fn log(request: Request, next: Next) -> Response {
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
        match status {
            Some(status) => {
                tracing::info!(%method, route, status = status.as_u16(), duration_ms, "request")
            }
            None => tracing::info!(%method, route, duration_ms, "request given up by the client"),
        }
    }
}
