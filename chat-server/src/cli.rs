//! The command line: which commands and settings exist, each also from the environment. It decides nothing about what
//! the settings mean; that a database is named exactly once is the only rule kept here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The chat's HTTP API and its storage
#[derive(Debug, Parser)]
#[command(name = "chat-server", version)]
pub(crate) struct Cli {
    /// How log lines are written
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty, global = true)]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer HTTP requests until SIGTERM or SIGINT
    Serve(ServeArgs),
    /// Bring the database's schema to this version, then exit
    Migrate(DatabaseArgs),
    /// Write everything that is kept as JSON Lines
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// File to write, which must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Where the database is: exactly one of the two. The values of the environment are hidden from `--help`, because a
/// URL holds a password.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DatabaseArgs {
    /// `postgres://user:password@host/name` or `sqlite://path`
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,

    /// File that holds the database URL
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub(crate) database_url_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Pretty,
}
