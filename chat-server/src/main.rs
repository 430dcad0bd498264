//! The chat server: an HTTP API in front of PostgreSQL or SQLite. This file turns a command line into a run and its
//! outcome into an exit code: 0 done, 1 failed, 2 not understood, 3 refused (to try again is in vain), others where a
//! command's help says so.

mod cli;
mod content;
mod export;
mod http;
mod import;
mod message;
mod new_file;
mod outcome;
mod purge;
mod reply;
mod serve;
mod storage;
mod telemetry;
mod unanswered;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::cli::{Cli, Command, ContentCommand, DatabaseArgs, ImportCommand};
use crate::content::commands::{self, FileRefused};
use crate::outcome::Outcome;
use crate::storage::migrations::{self, MigrationError, SchemaState};
use crate::storage::url::{DatabaseUrl, UrlError};
use crate::storage::url_file::UrlFile;
use crate::telemetry::Telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let telemetry = Telemetry::start(&cli);
    let (code, outcome) = run(&cli.command).await.unwrap_or_else(|error| {
        tracing::error!("{}", one_line(&error));
        (code_of_failure(&error), Outcome::told(&reason(&error)))
    });
    if let Some(file) = &cli.outcome
        && let Err(error) = outcome.write(file)
    {
        tracing::warn!(file = %file.display(), %error, "cannot write how it ended");
    }
    telemetry.stop().await;
    ExitCode::from(code)
}

/// Runs a command to its end: an exit code, and what to tell of it.
async fn run(command: &Command) -> anyhow::Result<(u8, Outcome)> {
    let mut outcome = Outcome::default();
    match command {
        Command::Serve(args) => {
            let host = &args.database_host;
            let file = url_file(&args.database)?.map(|file| file.through(host.clone()));
            let url = match &file {
                Some(file) => url_in(file)?,
                None => database_url(&args.database)?
                    .through(host.as_ref())
                    .context("cannot use the database URL")?,
            };
            serve::serve(args, &url, file).await?;
        }
        Command::Migrate(args) if args.check => {
            let url = database_url(&args.database)?;
            let state = migrations::schema_state(&url)
                .await
                .context("cannot ask for the schema")
                .with_context(|| format!("cannot check {url}"))?;
            println!("{url}: {state}");
            return Ok((code_of(&state), Outcome::told(&state.to_string())));
        }
        Command::Migrate(args) if args.dry_run => {
            let url = database_url(&args.database)?;
            let report = migrations::dry_run(&url)
                .await
                .with_context(|| format!("cannot migrate {url}"))?;
            println!("{url}: {report}");
            outcome = report.into();
        }
        Command::Migrate(args) => {
            let url = database_url(&args.database)?;
            let report = migrations::migrate(&url)
                .await
                .with_context(|| format!("cannot migrate {url}"))?;
            println!("{url}: {report}");
            outcome = report.into();
        }
        Command::Import(ImportCommand::Sqlite(args)) => {
            outcome = import::sqlite(args, &database_url(&args.database)?).await?;
        }
        Command::Export(args) => export::export(args, &database_url(&args.database)?).await?,
        Command::Purge(args) => {
            outcome = purge::purge(args, &database_url(&args.database)?).await?;
        }
        Command::Unanswered(args) => {
            unanswered::unanswered(args, &database_url(&args.database)?).await?;
        }
        Command::Openapi => print!("{}", *http::DOCUMENT),
        Command::Content(ContentCommand::Check(file)) => commands::check(file)?,
        Command::Content(ContentCommand::Apply { file, database }) => {
            outcome = commands::apply(file, &database_url(database)?).await?;
        }
        Command::Content(ContentCommand::Clear(database)) => {
            outcome = commands::clear(&database_url(database)?).await?;
        }
        Command::Content(ContentCommand::Export(database)) => {
            commands::export(&database_url(database)?).await?;
        }
    }
    Ok((0, outcome))
}

/// How `migrate --check` ends, as its help says.
fn code_of(state: &SchemaState) -> u8 {
    match state {
        SchemaState::UpToDate => 0,
        SchemaState::Behind(_) => 3,
        SchemaState::Ahead => 4,
        SchemaState::TooNew(_) => 5,
    }
}

/// How a command that failed ends.
fn code_of_failure(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(MigrationError::Schema(state)) => code_of(state),
        _ if error.is::<FileRefused>() || import::is_refusal(error) => 3,
        _ => 1,
    }
}

/// Why a command failed, for a program that has nothing but this.
fn reason(error: &anyhow::Error) -> String {
    if let Some(refused) = error.downcast_ref::<FileRefused>() {
        return refused.problems();
    }
    match error.downcast_ref() {
        // What to do, it knows itself.
        Some(MigrationError::Schema(state)) => state.fact(),
        _ => one_line(error),
    }
}

/// The database URL, from wherever it was given. One on the command line that isn't understood is an error of usage.
fn database_url(args: &DatabaseArgs) -> anyhow::Result<DatabaseUrl> {
    if let Some(file) = url_file(args)? {
        return url_in(&file);
    }
    let url = args.database_url.as_deref().unwrap_or_default();
    url.parse().or_else(|error: UrlError| {
        Cli::command()
            .error(ErrorKind::ValueValidation, error)
            .exit()
    })
}

/// The file that holds the database URL, if it was given so.
fn url_file(args: &DatabaseArgs) -> anyhow::Result<Option<UrlFile>> {
    args.database_url_file
        .as_deref()
        .map(|file| {
            UrlFile::read(file)
                .with_context(|| format!("cannot read the database URL from {}", file.display()))
        })
        .transpose()
}

fn url_in(file: &UrlFile) -> anyhow::Result<DatabaseUrl> {
    file.url()
        .with_context(|| format!("cannot use the database URL from {}", file.path().display()))
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
