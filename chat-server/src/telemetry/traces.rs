//! Traces, sent to an OpenTelemetry collector where the environment names one; otherwise nothing of this exists. A
//! request is a span, what it does in the database are spans below it. They have names and outcomes only: no path, no
//! text, no id of a chat. Spans wait in a queue of a fixed length, a thread of their own sends them, and those that find
//! the queue full are dropped.

use std::env;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData};
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use super::labels::OTHER_METHOD;

/// The target of spans that are sent, and of nothing else: what libraries trace stays here, the sending included.
pub(crate) const TARGET: &str = "chat_server::trace";

const SERVICE: &str = env!("CARGO_PKG_NAME");
const SERVICE_NAME: Key = Key::from_static_str("service.name");
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];

const COMPRESSIONS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
];

/// Why no traces are sent although a collector is named. Values aren't repeated: a URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0} must be a URL like http://collector:4318, https isn't supported")]
    Endpoint(&'static str),
    #[error("{0} must be http/protobuf, which is the only protocol supported")]
    Protocol(&'static str),
    #[error("{0} must be none, compression isn't supported")]
    Compression(&'static str),
    #[error("the exporter can't be set up: are the variables OTEL_EXPORTER_OTLP_* right?")]
    Exporter,
    #[error("a thread for sending can't be started: {0}")]
    Thread(#[from] std::io::Error),
}

pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

/// Traces as the OpenTelemetry variables say, none if they name no collector.
pub(super) fn from_environment() -> Result<Option<Traces>, Refused> {
    let set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let off = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let Some(name) = [TRACES_ENDPOINT, ENDPOINT]
        .into_iter()
        .find(set)
        .filter(|_| !off)
    else {
        return Ok(None);
    };
    check_endpoint(&env::var(name).unwrap_or_default()).ok_or(Refused::Endpoint(name))?;
    let other_than = |value: &str, names: [&'static str; 2]| {
        let name = names.into_iter().find(set)?;
        (env::var(name).ok().as_deref() != Some(value)).then_some(name)
    };
    if let Some(name) = other_than("http/protobuf", PROTOCOLS) {
        return Err(Refused::Protocol(name));
    }
    if let Some(name) = other_than("none", COMPRESSIONS) {
        return Err(Refused::Compression(name));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()
        .map_err(|_| Refused::Exporter)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let processor = BatchSpanProcessor::builder(OnItsThread { exporter, runtime }).build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_span_processor(processor)
        .build();
    Ok(Some(Traces { provider }))
}

impl Traces {
    pub(super) fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
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

/// A URL that can be sent to: there is no TLS in this program's HTTP client, collectors are in the same cluster.
fn check_endpoint(url: &str) -> Option<()> {
    let url: Uri = url.parse().ok()?;
    (url.scheme_str() == Some("http") && url.host().is_some_and(|host| !host.is_empty()))
        .then_some(())
}

/// What is described: this program, unless the environment says otherwise.
fn resource() -> Resource {
    let from_environment = Resource::builder().build();
    let unnamed = from_environment
        .get(&SERVICE_NAME)
        .is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if unnamed {
        resource.with_service_name(SERVICE).build()
    } else {
        resource.build()
    }
}

/// The exporter with a runtime of its own, so that it needs nothing of the one that serves requests. Each export runs to
/// its end on the thread of the processor, which is made for that.
#[derive(Debug)]
struct OnItsThread {
    exporter: SpanExporter,
    runtime: Runtime,
}

impl opentelemetry_sdk::trace::SpanExporter for OnItsThread {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.runtime.block_on(self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
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
