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

use anyhow::bail;
use tokio::task::block_in_place;

use self::report::Report;
use self::source::Source;
use self::target::Target;
use crate::cli::ImportArgs;
use crate::storage::url::DatabaseUrl;

/// Import a file, or what it has more than last time.
pub(crate) async fn sqlite(args: &ImportArgs, url: &DatabaseUrl) -> anyhow::Result<()> {
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
        bail!(
            "{} row(s) can't be taken, so nothing is imported: mend them, or set them aside with --rejects FILE",
            survey.refused
        );
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
        Some(comparison) if comparison.differing > 0 => bail!(
            "{} row(s) differ between the file and the database",
            comparison.differing
        ),
        _ => Ok(()),
    }
}
