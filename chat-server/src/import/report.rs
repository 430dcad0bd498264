//! What an import did, for people, on standard output.

use std::io::{self, Write as _};
use std::time::Duration;

use rusqlite::types::ValueRef;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::bot_lines;
use super::check;
use super::source::{Source, SourceError};
use super::survey::Survey;
use super::target::Written;
use super::verify::Comparison;
use crate::outcome::{Imported, Outcome};

pub(crate) struct Report {
    survey: Survey,
    dry_run: bool,
    pub(crate) written: Written,
    pub(crate) bot_lines: Option<bot_lines::Outcome>,
    pub(crate) comparison: Option<Comparison>,
}

impl Report {
    pub(crate) fn new(survey: &Survey, dry_run: bool) -> Self {
        Self {
            survey: survey.clone(),
            dry_run,
            written: Written::default(),
            bot_lines: None,
            comparison: None,
        }
    }

    /// What there is of the file in the database now, or would be. What was rejected by earlier runs is known only where
    /// file and database were compared.
    pub(crate) fn outcome(&self, chats: u64) -> Outcome {
        let survey = &self.survey;
        let (rows, rejected) = match &self.comparison {
            Some(found) => {
                let taken = found.file.messages + found.deleted + found.not_imported;
                let all = self.done() + survey.good + survey.refused;
                (found.database.messages, all.saturating_sub(taken))
            }
            None => (self.done() + survey.good, survey.refused),
        };
        let told = format!("rows {rows}, chats {chats}, can't be taken {rejected}");
        Outcome::told(&told).of_import(Imported {
            rows,
            chats,
            rejected,
        })
    }

    fn done(&self) -> u64 {
        u64::try_from(self.survey.done_before).unwrap_or(0)
    }

    pub(crate) fn print(&self, took: Duration) {
        // Nobody may be reading; what was done is done all the same.
        let _ = self.write(&mut io::stdout().lock(), took);
    }

    fn write(&self, out: &mut impl io::Write, took: Duration) -> io::Result<()> {
        let survey = &self.survey;
        let done = self.done();
        let mut line =
            |name: &str, value: &dyn std::fmt::Display| writeln!(out, "{name:18}{value}");
        line("rows in the file", &(done + survey.good + survey.refused))?;
        line("done before", &done)?;
        if self.dry_run {
            line("to import", &survey.good)?;
        } else {
            line("imported", &self.written.messages)?;
            line("new chats", &self.written.chats)?;
        }
        line("can't be taken", &survey.refused)?;
        line("chat id mapped", &format!("in {} rows", survey.mapped))?;
        if survey.backwards > 0 {
            line(
                "times backwards",
                &format!("in {} rows, which keep their place", survey.backwards),
            )?;
        }
        if let Some((first, last)) = survey.span {
            line("first message", &moment(first))?;
            line("last message", &moment(last))?;
        }
        if let Some(outcome) = &self.bot_lines {
            line("bot's lines", outcome)?;
        }
        if let Some(found) = &self.comparison {
            for (name, side) in [("file", found.file), ("database", found.database)] {
                let sum = format!(
                    "{} messages, checksum {:016x}",
                    side.messages, side.checksum
                );
                line(name, &sum)?;
            }
            line("deleted since", &found.deleted)?;
            line("not imported yet", &found.not_imported)?;
            line("differing", &found.differing)?;
        }
        line("took", &format!("{:.1} s", took.as_secs_f64()))?;
        if self.dry_run {
            writeln!(out, "this was a dry run: nothing is changed")?;
        }
        Ok(())
    }
}

/// List the names of chats that aren't UUIDs, and what became of them.
pub(crate) fn print_mapped_names(source: &Source) -> Result<(), SourceError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    source.chat_names(|name| {
        if let Ok((chat, true)) = check::chat(name) {
            let name = match name {
                ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).escape_debug().to_string(),
                ValueRef::Integer(number) => number.to_string(),
                _ => return,
            };
            let _ = writeln!(out, "{name} -> {chat}");
        }
    })
}

fn moment(micros: i64) -> String {
    let moment = OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(micros);
    // Formatting fails only for years beyond 9999, which are refused.
    moment.format(&Rfc3339).unwrap_or_default()
}
