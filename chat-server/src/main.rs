//! The chat server: an HTTP API in front of PostgreSQL or SQLite. This file turns a command line into a run and its
//! outcome into an exit code: 0 done, 1 failed, 2 not understood.

mod cli;
mod content;
mod export;
mod http;
mod import;
mod logging;
mod message;
mod new_file;
mod purge;
mod reply;
mod serve;
mod storage;
mod unanswered;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::cli::{Cli, Command, DatabaseArgs, ImportCommand};
use crate::storage::migrations;
use crate::storage::url::{DatabaseUrl, UrlError};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_format);
    match run(&cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::serve(args, &database_url(&args.database)?).await,
        Command::Migrate(database) => {
            let url = database_url(database)?;
            let report = migrations::migrate(&url)
                .await
                .with_context(|| format!("cannot migrate {url}"))?;
            println!("{url}: {report}");
            Ok(())
        }
        Command::Import(ImportCommand::Sqlite(args)) => {
            import::sqlite(args, &database_url(&args.database)?).await
        }
        Command::Export(args) => export::export(args, &database_url(&args.database)?).await,
        Command::Purge(args) => purge::purge(args, &database_url(&args.database)?).await,
        Command::Unanswered(args) => {
            unanswered::unanswered(args, &database_url(&args.database)?).await
        }
    }
}

/// The database URL, from wherever it was given. One on the command line that isn't understood is an error of usage.
fn database_url(args: &DatabaseArgs) -> anyhow::Result<DatabaseUrl> {
    if let Some(file) = &args.database_url_file {
        let url = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the database URL from {}", file.display()))?;
        return url
            .parse()
            .with_context(|| format!("cannot use the database URL from {}", file.display()));
    }
    let url = args.database_url.as_deref().unwrap_or_default();
    url.parse().or_else(|error: UrlError| {
        Cli::command()
            .error(ErrorKind::ValueValidation, error)
            .exit()
    })
}

/// An error and its causes, without those that the error before them repeats.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.replace('\n', " ")
}
