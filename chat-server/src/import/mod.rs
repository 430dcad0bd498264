//! `import sqlite`: the prototype's chats, from its SQLite file into the database. The story is here: check every row,
//! then copy, take over the bot's lines, compare, report. Nothing is written before every row is known to be fine or to
//! be set aside.
//!
//! What identifies a message across runs is its import and its row ([`target`]); what makes a file the same file as
//! last time is [`same_file`]'s business.

mod bot_lines;
mod check;
mod copy;
mod moment;
mod open;
mod progress;
mod rejects;
mod report;
mod same_file;
mod source;
mod survey;
mod target;
mod verify;

use std::time::Instant;

use tokio::task::block_in_place;

use self::report::Report;
use self::same_file::SameFileError;
use self::source::{Source, SourceError};
use self::target::Target;
use crate::cli::ImportArgs;
use crate::outcome::Outcome;
use crate::storage::url::DatabaseUrl;

/// What is in the file can't be taken as it is.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(
        "{refused} row(s) can't be taken, so nothing is imported: mend them, or set them aside with --rejects FILE ({})",
        first.join("; ")
    )]
    Rows { refused: u64, first: Vec<String> },
    #[error("{0} row(s) differ between the file and the database")]
    Differing(u64),
}

/// Whether an import that failed would fail again with the same file.
pub(crate) fn is_refusal(error: &anyhow::Error) -> bool {
    let by_source = matches!(
        error.downcast_ref(),
        Some(
            SourceError::NotSqlite(_)
                | SourceError::NoMessages(_)
                | SourceError::NoColumn { .. }
                | SourceError::NoRowNumbers(_)
                | SourceError::Damaged { .. }
        )
    );
    let by_earlier_import = matches!(
        error.downcast_ref(),
        Some(
            SameFileError::Renumbered
                | SameFileError::Shorter { .. }
                | SameFileError::KnownOtherwise(_)
        )
    );
    error.is::<Refused>() || by_source || by_earlier_import
}

/// Import a file, or what it has more than last time.
pub(crate) async fn sqlite(args: &ImportArgs, url: &DatabaseUrl) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let source = Source::open(&args.file)?;
    let target = Target::open(url).await?;
    let _lock = if args.dry_run {
        None
    } else {
        target.lock().await?
    };
    if source.keeps_writers_out()? {
        tracing::info!(
            "the file has no write-ahead log: programs that write to it wait for the end of this"
        );
    }

    let file = source.fingerprint()?;
    let lanes = match file {
        Some(file) => target.lanes(file).await?,
        None => Vec::new(),
    };
    same_file::check(&source, &target, &lanes).await?;

    let rejects = args.rejects.as_deref().filter(|_| !args.dry_run);
    let survey = block_in_place(|| survey::survey(&source, &lanes, rejects))?;
    let mut report = Report::new(&survey, args.dry_run);
    if survey.refused > 0 && args.rejects.is_none() {
        report.print(started.elapsed());
        return Err(Refused::Rows {
            refused: survey.refused,
            first: survey.first_refused,
        }
        .into());
    }

    let mut lanes = lanes;
    if let Some(file) = file.filter(|_| !args.dry_run) {
        lanes = target.begin(file).await?;
        report.written = copy::copy(&source, &target, &lanes, &survey).await?;
        target.finish(&lanes, survey.last_row).await?;
        lanes = target.lanes(file).await?;
    }
    report.bot_lines = Some(bot_lines::take_over(&source, url, args.dry_run).await?);
    if survey.mapped > 0 {
        block_in_place(|| report::print_mapped_names(&source))?;
    }
    if args.verify {
        report.comparison = Some(block_in_place(|| {
            verify::compare(&source, &target, &lanes)
        })?);
    }
    report.print(started.elapsed());
    match report.comparison {
        Some(comparison) if comparison.differing > 0 => {
            Err(Refused::Differing(comparison.differing).into())
        }
        _ => {
            let chats = block_in_place(|| chats(&source))?;
            Ok(report.outcome(chats))
        }
    }
}

/// How many chats the file has.
fn chats(source: &Source) -> Result<u64, SourceError> {
    let mut chats = 0;
    source.chat_names(|name| chats += u64::from(check::chat(name).is_ok()))?;
    Ok(chats)
}
