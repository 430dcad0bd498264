//! What the server tells about itself: log lines, metrics, and traces where a collector is named. It starts and ends
//! them; none of them may slow a request down, nor keep the process from starting or stopping.

pub(crate) mod labels;
mod lines;
mod logging;
pub(crate) mod metrics;
pub(crate) mod traces;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::prelude::*;

use self::lines::Lines;
use self::traces::Traces;
use crate::cli::{Cli, Command, LogFormat};

/// What of it is set by the environment alone.
pub(crate) const HELP: &str = "\
Telemetry:
  RUST_LOG                     How much is logged [default: info]
  OTEL_EXPORTER_OTLP_ENDPOINT  Collector for traces, like http://collector:4318: http/protobuf, without TLS and
                               compression. OpenTelemetry's variables for the resource, the sampler, the batches,
                               headers and timeouts are understood, too
  GET /metrics                 Numbers for Prometheus";

/// The longest that the end waits for the last spans, and after them for the last lines. Both fit between the end of
/// draining and the moment when Kubernetes kills.
const LAST_SPANS: Duration = Duration::from_secs(2);
const LAST_LINES: Duration = Duration::from_millis(500);

pub(crate) struct Telemetry {
    traces: Option<Traces>,
    /// Only `serve` has so many lines that they are written behind its back.
    lines: Option<Arc<Lines>>,
}

impl Telemetry {
    /// Start logging, and for `serve` also traces if the environment asks for them.
    pub(crate) fn start(cli: &Cli) -> Self {
        metrics::start();
        let serves = matches!(cli.command, Command::Serve(_));
        let lines = serves
            .then(|| Lines::to(io::stderr(), metrics::log_line_lost).ok())
            .flatten();
        let writer = match &lines {
            Some(lines) => BoxMakeWriter::new(lines.clone()),
            None => BoxMakeWriter::new(io::stderr),
        };
        let traces = serves.then(|| start_traces(cli.log_format)).flatten();
        let mut layers = vec![logging::layer(cli.log_format, writer)];
        layers.extend(traces.as_ref().map(Traces::layer));
        tracing_subscriber::registry().with(layers).init();
        Self { traces, lines }
    }

    /// Send and write what is left, as far as that can be done soon.
    pub(crate) async fn stop(mut self) {
        if let Some(traces) = self.traces.take() {
            traces.stop(LAST_SPANS).await;
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(lines) = &self.lines {
            lines.flush(LAST_LINES);
        }
    }
}

/// Traces, if they are asked for. What is wrong with the settings is logged, although logging only starts once it is known
/// whether there are traces. A chat doesn't go down because of its telemetry.
fn start_traces(format: LogFormat) -> Option<Traces> {
    let layer = logging::layer(format, BoxMakeWriter::new(io::stderr));
    let for_now = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(for_now, || {
        traces::from_environment().unwrap_or_else(|reason| {
            tracing::warn!("no traces are sent: {reason}");
            None
        })
    })
}
