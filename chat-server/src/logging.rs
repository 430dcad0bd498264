//! Where log lines go and in which form: standard error, as JSON or for people.

use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::LogFormat;

/// Start logging; `RUST_LOG` decides what is logged.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let logs = fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Pretty => logs.with_target(false).init(),
    }
}
