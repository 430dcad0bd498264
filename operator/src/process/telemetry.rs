//! Log lines, and traces where the environment names an OpenTelemetry collector: a pass is a span, its requests to the API server
//! are spans below it.

use std::time::Duration;

use chatapp_traces::Service;
use clap::ValueEnum;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The target of spans that are sent, and of nothing else.
pub(crate) const TRACE: &str = "chatapp_operator::trace";

const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};
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

/// To be stopped at the end.
pub struct Telemetry(Option<SdkTracerProvider>);

/// Starts logs and traces. With traces that can't be sent it goes on without them: ChatApps are looked after all the same.
#[must_use]
pub fn start(format: LogFormat) -> Telemetry {
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
    let (provider, refused) = match chatapp_traces::from_environment(SERVICE) {
        Ok(provider) => (provider, None),
        Err(refused) => (None, Some(refused)),
    };
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer::<tracing_subscriber::layer::Layered<_, Registry>>()
            .with_tracer(provider.tracer(SERVICE.name))
            .with_location(false)
            .with_threads(false)
            .with_filter(Targets::new().with_target(TRACE, LevelFilter::TRACE))
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(traces)
        .init();
    if let Some(reason) = refused {
        tracing::warn!("no traces are sent: {reason}");
    }
    Telemetry(provider)
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
