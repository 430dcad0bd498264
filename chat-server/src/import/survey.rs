//! The first pass: every row that isn't done is checked, and those that can't be taken are listed or set aside. It
//! changes nothing in the database.

use std::io::{self, Write as _};
use std::path::Path;

use super::check::check;
use super::progress::Progress;
use super::rejects::{self, Rejects};
use super::source::{Source, SourceError};
use super::target::{Lane, lane_of};
use crate::new_file::NewFileError;

/// How many rows that can't be taken an error in one line tells of.
const TOLD: usize = 3;

/// What the rows of a file are like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Rows of earlier runs.
    pub(crate) done_before: i64,
    /// Rows to import.
    pub(crate) good: u64,
    pub(crate) refused: u64,
    /// A few of them, as they are listed.
    pub(crate) first_refused: Vec<String>,
    /// Rows to import whose chat isn't named by a UUID.
    pub(crate) mapped: u64,
    /// Rows to import that are older than the one before.
    pub(crate) backwards: u64,
    /// The times of the earliest and the latest message to import, in microseconds since 1970.
    pub(crate) span: Option<(i64, i64)>,
    pub(crate) last_row: i64,
}

/// Why the pass ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SurveyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Rejects(#[from] NewFileError),
    #[error("cannot write the rows that can't be taken")]
    Write(#[from] io::Error),
}

/// Check the rows that aren't done in some lane. Those that can't be taken go to the file, or are listed.
pub(crate) fn survey(
    source: &Source,
    lanes: &[Lane],
    rejects: Option<&Path>,
) -> Result<Survey, SurveyError> {
    let done = done_everywhere(lanes);
    let last_row = source.last_row()?;
    let mut survey = Survey {
        done_before: source.count_up_to(if done > 0 { done } else { i64::MIN })?,
        last_row,
        ..Survey::default()
    };
    let mut rejects = rejects.map(Rejects::begin).transpose()?;
    let mut out = io::stdout().lock();
    let mut progress = Progress::new("checking", last_row - done);
    let mut previous = 0;
    // The rows with the numbers 0 and less, which nobody wants, are refused by name as well.
    let after = if done > 0 { done } else { i64::MIN };
    source.rows_after(after, |row| {
        progress.advance();
        match check(row) {
            Ok(message) => {
                let lane = lanes.get(lane_of(message.chat, lanes.len()));
                if lane.is_some_and(|lane| message.row <= lane.last_row) {
                    survey.done_before += 1;
                    return Ok(());
                }
                survey.good += 1;
                survey.mapped += u64::from(message.is_mapped);
                survey.backwards += u64::from(message.sent_at < previous);
                previous = message.sent_at;
                let (first, last) = survey.span.unwrap_or((previous, previous));
                survey.span = Some((first.min(previous), last.max(previous)));
                Ok(())
            }
            Err(refusal) => {
                survey.refused += 1;
                if survey.first_refused.len() < TOLD {
                    survey.first_refused.push(rejects::line(row, &refusal));
                }
                match &mut rejects {
                    Some(rejects) => rejects.write(row, &refusal)?,
                    // Nobody may be reading; the exit code tells all the same.
                    None => drop(writeln!(out, "{}", rejects::line(row, &refusal))),
                }
                Ok::<_, SurveyError>(())
            }
        }
    })?;
    let _ = out.flush();
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }
    Ok(survey)
}

/// The row up to which all lanes are done.
pub(crate) fn done_everywhere(lanes: &[Lane]) -> i64 {
    lanes.iter().map(|lane| lane.last_row).min().unwrap_or(0)
}
