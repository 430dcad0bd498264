//! What is told of each request, in a log line, in the metrics and, where traces are sent, in a span: method, route
//! template, status, duration. Never a path (it may name a chat), a query, a header or a body. A client that left before
//! the answer is told of too, without a status.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::request_id;
use crate::telemetry::labels::{Route, method_label};
use crate::telemetry::{metrics, traces};

struct Observed {
    method: &'static str,
    route: Route,
    started: Instant,
    status: Option<StatusCode>,
}

pub(super) async fn observe(request: Request, next: Next) -> Response {
    let method = method_label(request.method());
    let route = Route::new(request.extensions().get::<MatchedPath>());
    let id = request_id::of(request.headers());
    let trace = traces::server_span(method, route.template(), request.headers());
    // An error span, so that the ids are also there when only warnings are logged.
    let span = trace.in_scope(|| {
        let trace_id = traces::trace_id(&trace).map(tracing::field::display);
        tracing::error_span!("http", request_id = %id, trace_id)
    });
    let observed = Observed::begin(method, route);
    let answer = async {
        // Moved in: a client that leaves ends this, and the line is written within the span.
        let mut observed = observed;
        let response = next.run(request).await;
        observed.status = Some(response.status());
        response
    };
    let mut response = answer.instrument(span).instrument(trace.clone()).await;
    traces::answered(&trace, response.status());
    request_id::repeat_in(&mut response, id);
    response
}

impl Observed {
    fn begin(method: &'static str, route: Route) -> Self {
        metrics::request_begins();
        Self {
            method,
            route,
            started: Instant::now(),
            status: None,
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Self {
            method,
            route,
            started,
            status,
        } = self;
        let took = started.elapsed();
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let duration_ms = f64::from(micros) / 1000.0;
        let path = route.as_str();
        if let Some(status) = status {
            tracing::info!(
                method,
                route = path,
                status = status.as_u16(),
                duration_ms,
                "request"
            );
        } else {
            tracing::info!(
                method,
                route = path,
                duration_ms,
                "request given up by the client"
            );
        }
        metrics::request_ends(method, route.clone(), *status, took);
    }
}
