//! Where log lines go and in which form: standard error, as JSON or for people.

use std::io::{self, IsTerminal as _};

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::LogFormat;

/// Where sqlx warns of parameters of the database URL that it doesn't know, with their values: a misspelt `password`
/// must not be logged, whatever `RUST_LOG` says.
const URL_PARSER: &str = "sqlx_postgres::options";

/// Start logging; `RUST_LOG` decides what is logged.
pub(crate) fn start(format: LogFormat) {
    let wanted = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let without_secrets = Targets::new()
        .with_default(Level::TRACE)
        .with_target(URL_PARSER, LevelFilter::OFF);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
        LogFormat::Pretty => lines
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(without_secrets))
        .with(wanted)
        .init();
}
