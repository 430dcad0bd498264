//! Traces, sent to an OpenTelemetry collector where the environment names one; otherwise nothing of this exists. A
//! request is a span, what it does in the database are spans below it. They have names and outcomes only: no path, no
//! text, no id of a chat.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use chatapp_traces::{Refused, Service};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::oneshot;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use super::labels::OTHER_METHOD;

/// The target of spans that are sent, and of nothing else: what libraries trace stays here, the sending included.
pub(crate) const TARGET: &str = "chat_server::trace";

const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

/// Traces as the OpenTelemetry variables say, none if they name no collector.
pub(super) fn from_environment() -> Result<Option<Traces>, Refused> {
    let provider = chatapp_traces::from_environment(SERVICE)?;
    Ok(provider.map(|provider| Traces { provider }))
}

impl Traces {
    pub(super) fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE.name))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE))
            .boxed()
    }

    /// Send the spans that are left, as far as that can be done within this time.
    pub(super) async fn stop(self, limit: Duration) {
        let (done, ended) = oneshot::channel();
        // A thread, because this blocks, and none of tokio's, because tokio waits for those.
        std::thread::spawn(move || {
            let _ = self.provider.shutdown_with_timeout(limit);
            let _ = done.send(());
        });
        let _ = tokio::time::timeout(limit, ended).await;
    }
}

/// The span of a request, below that of the caller if it sent one. Disabled where no traces are sent.
pub(crate) fn server_span(method: &'static str, route: Option<&str>, headers: &HeaderMap) -> Span {
    // The conventions' words for a method that doesn't exist.
    let (named, method) = match method {
        OTHER_METHOD => ("HTTP", "_OTHER"),
        known => (known, known),
    };
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = tracing::field::Empty,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        url.scheme = "http",
        error.type = tracing::field::Empty,
    );
    if !span.is_disabled() {
        match route {
            Some(route) => span.record("otel.name", format_args!("{named} {route}")),
            None => span.record("otel.name", named),
        };
        let caller = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &TraceParent(headers));
        let _ = span.set_parent(caller);
    }
    span
}

/// The outcome of a request: only what is the server's fault is an error.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

/// The span of something done in the database.
pub(crate) fn database_span(operation: &'static str, system: &'static str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "database",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        db.system.name = system,
        db.operation.name = operation,
        error.type = tracing::field::Empty,
    )
}

/// The outcome of something done in the database that failed, by class.
pub(crate) fn database_failed(span: &Span, class: &'static str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", class);
}

/// The id that the log lines of a request are found by.
pub(crate) fn trace_id(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    let id = span.context().span().span_context().trace_id();
    (id != TraceId::INVALID).then_some(id)
}

/// What the caller says about its trace: `traceparent` only. `tracestate` is free text of other systems.
struct TraceParent<'a>(&'a HeaderMap);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent")
            .then(|| self.0.get(key)?.to_str().ok())
            .flatten()
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
