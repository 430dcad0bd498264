//! Whether a file is the one that an earlier run read. Messages are known by their row in it, so a file whose rows were
//! numbered anew (SQLite's VACUUM does that) or whose start was cut off must not be imported on top of itself.

use super::check::{self, Row};
use super::source::{Source, SourceError};
use super::target::{Kept, Lane, Range, Target, TargetError};

/// How many messages are compared at each end.
const SAMPLE: i64 = 500;

/// Why an import doesn't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SameFileError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(
        "the rows of the file were numbered anew since the last import (did somebody run VACUUM?), so what is new can't be \
         told from what was imported: import a copy from before that"
    )]
    Renumbered,
    #[error(
        "the file ends at row {now}, but was imported up to row {before}: it is an older copy, or rows were deleted from it"
    )]
    Shorter { now: i64, before: i64 },
    #[error(
        "message {0} of the file was imported before, from a file that began differently: import that one, or a copy from \
         before its first rows were deleted"
    )]
    KnownOtherwise(i64),
}

/// Refuse a file that was numbered anew, or that is known under another name.
pub(crate) async fn check(
    source: &Source,
    target: &Target,
    lanes: &[Lane],
) -> Result<(), SameFileError> {
    let before = lanes.iter().map(|lane| lane.last_row).max().unwrap_or(0);
    if lanes.iter().all(|lane| lane.id == 0) {
        return refuse_known(source, target).await;
    }
    let now = source.last_row()?;
    if now < before {
        return Err(SameFileError::Shorter { now, before });
    }
    for &lane in lanes {
        for range in [Range::First(SAMPLE), Range::Last(SAMPLE)] {
            refuse_renumbered(source, target, lane, range).await?;
        }
    }
    Ok(())
}

/// One message that differs is one that somebody changed; that most do has another reason.
async fn refuse_renumbered(
    source: &Source,
    target: &Target,
    lane: Lane,
    range: Range,
) -> Result<(), SameFileError> {
    let mut chunks = target.kept(lane, range);
    let (mut same, mut different) = (0, 0);
    while let Some(chunk) = chunks.recv().await {
        for kept in chunk? {
            match source.row(kept.row, |row| check_is(&kept, row))? {
                Some(true) => same += 1,
                Some(false) => different += 1,
                None => {}
            }
        }
    }
    if different > same {
        return Err(SameFileError::Renumbered);
    }
    Ok(())
}

fn check_is(kept: &Kept, row: &Row<'_>) -> bool {
    check::check(row).is_ok_and(|message| kept.is(&message))
}

async fn refuse_known(source: &Source, target: &Target) -> Result<(), SameFileError> {
    let first = sample(source, i64::MIN)?;
    let last = sample(source, source.last_row()?.saturating_sub(SAMPLE))?;
    for messages in [first, last] {
        if let Some(&row) = target.known(&messages).await?.first() {
            return Err(SameFileError::KnownOtherwise(row));
        }
    }
    Ok(())
}

/// Some messages after a row.
fn sample(source: &Source, after: i64) -> Result<Vec<Kept>, SourceError> {
    enum End {
        Enough,
        Failed(SourceError),
    }
    impl From<SourceError> for End {
        fn from(error: SourceError) -> Self {
            Self::Failed(error)
        }
    }
    let mut messages = Vec::new();
    let mut room = SAMPLE;
    let end = source.rows_after(after, |row| {
        room -= 1;
        if let Ok(message) = check::check(row) {
            messages.push(Kept::of(&message));
        }
        if room == 0 { Err(End::Enough) } else { Ok(()) }
    });
    match end {
        Err(End::Failed(error)) => Err(error),
        Ok(()) | Err(End::Enough) => Ok(messages),
    }
}
