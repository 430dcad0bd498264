//! Log lines, and traces where the environment names an OpenTelemetry collector: a pass is a span, its requests to the API server
//! are spans below it. Spans wait in a queue of a fixed length, a thread of their own sends them.

use std::{env, time::Duration};

use clap::ValueEnum;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, SdkTracerProvider, SpanData},
};
use tokio::runtime::{self, Runtime};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The target of spans that are sent, and of nothing else.
pub(crate) const TRACE: &str = "chatapp_operator::trace";

const SERVICE: &str = env!("CARGO_PKG_NAME");
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// How long the end waits for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// kube logs each failed request; who made it does so too, with a reason.
const QUIET: &str = "kube_client::client::builder=off";

/// How log lines look.
#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Why there are no traces although a collector is named.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// It can't be made of what the environment says.
    #[error("the exporter of traces: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The system has none left.
    #[error("a thread for traces: {0}")]
    Thread(#[from] std::io::Error),
}

/// To be stopped at the end.
pub struct Telemetry(Option<SdkTracerProvider>);

/// Starts logs and traces.
pub fn start(format: LogFormat) -> Result<Telemetry, TelemetryError> {
    let wanted = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{QUIET}")));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Pretty => lines.boxed(),
    };
    let no_traces = Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_target(TRACE, LevelFilter::OFF);
    let lines = lines.with_filter(wanted.and(no_traces));
    let is_named = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let provider = if ENDPOINTS.iter().any(|name| is_named(name)) {
        Some(provider()?)
    } else {
        None
    };
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer::<tracing_subscriber::layer::Layered<_, Registry>>()
            .with_tracer(provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_filter(Targets::new().with_target(TRACE, LevelFilter::TRACE))
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(traces)
        .init();
    Ok(Telemetry(provider))
}

impl Telemetry {
    /// Sends the spans that are left.
    pub async fn stop(self) {
        if let Some(provider) = self.0 {
            let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS))
                .await;
        }
    }
}

fn provider() -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let processor = BatchSpanProcessor::builder(OnItsThread { exporter, runtime }).build();
    let resource = Resource::builder().with_service_name(SERVICE);
    Ok(SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_span_processor(processor)
        .build())
}

/// The exporter with a runtime of its own: the processor's thread has none.
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
