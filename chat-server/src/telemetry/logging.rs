//! Which log lines there are and in which form: JSON or for people. `RUST_LOG` decides how much is logged of our own
//! code; of libraries, only what can't contain what people say or a secret.

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::traces;
use crate::cli::LogFormat;

/// Below this, libraries print what passes through them: bodies, headers, arguments of statements, replies of the
/// database and of the collector.
const LIBRARIES: LevelFilter = LevelFilter::INFO;
/// Statements as they are written, and how long they took: values are never part of them.
const STATEMENTS: &str = "sqlx::query";
/// Where sqlx warns of parameters of the database URL that it doesn't know, with their values: a misspelt `password`
/// must not be logged, whatever `RUST_LOG` says.
const URL_PARSER: &str = "sqlx_postgres::options";

pub(super) fn layer<S>(format: LogFormat, writer: BoxMakeWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let wanted = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let harmless = Targets::new()
        .with_default(LIBRARIES)
        .with_target(env!("CARGO_CRATE_NAME"), LevelFilter::TRACE)
        .with_target(STATEMENTS, LevelFilter::TRACE)
        .with_target(URL_PARSER, LevelFilter::OFF)
        .with_target(traces::TARGET, LevelFilter::OFF);
    let lines = fmt::layer().with_writer(writer);
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
    lines.with_filter(wanted.and(harmless)).boxed()
}
