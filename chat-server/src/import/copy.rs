//! The second pass: rows that can be taken, collected into batches for each lane. The batches are large, because a
//! transaction's fixed costs are spread over them, and bounded, because memory is.

use tokio::task::block_in_place;

use super::check::check;
use super::progress::Progress;
use super::source::{Source, SourceError};
use super::survey::{Survey, done_everywhere};
use super::target::{Batch, Lane, Target, TargetError, Writer, Written, lane_of};

const BATCH_ROWS: usize = 32_768;
const BATCH_BYTES: usize = 16 << 20;

/// Why the copy ended early. What is written is whole batches; the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The writer of a lane ended, and has the reason.
    #[error("the database takes no more messages")]
    LaneEnded,
}

/// Copy what isn't done.
pub(crate) async fn copy(
    source: &Source,
    target: &Target,
    lanes: &[Lane],
    survey: &Survey,
) -> Result<Written, CopyError> {
    let mut writer = target.writer(lanes)?;
    let read = block_in_place(|| read(source, &mut writer, lanes, survey));
    match (read, writer.end().await) {
        (Err(CopyError::LaneEnded) | Ok(()), Err(error)) => Err(error.into()),
        (Err(error), _) => Err(error),
        (Ok(()), Ok(written)) => Ok(written),
    }
}

fn read(
    source: &Source,
    writer: &mut Writer,
    lanes: &[Lane],
    survey: &Survey,
) -> Result<(), CopyError> {
    let mut batches: Vec<Batch> = lanes.iter().map(|_| Batch::default()).collect();
    let mut write = |lane: usize, batch: &mut Batch, last_row: i64| {
        if writer.write(lane, std::mem::take(batch).end(last_row))? {
            Ok(())
        } else {
            Err(CopyError::LaneEnded)
        }
    };
    let mut progress = Progress::new("importing", i64::try_from(survey.good).unwrap_or(i64::MAX));
    source.rows_after(done_everywhere(lanes), |row| -> Result<(), CopyError> {
        // What can't be taken was set aside by the first pass.
        let Ok(message) = check(row) else {
            return Ok(());
        };
        let number = lane_of(message.chat, lanes.len());
        let (Some(lane), Some(batch)) = (lanes.get(number), batches.get_mut(number)) else {
            return Ok(());
        };
        if message.row <= lane.last_row {
            return Ok(());
        }
        progress.advance();
        batch.push(&message);
        if batch.len() >= BATCH_ROWS || batch.size() >= BATCH_BYTES {
            write(number, batch, row.id)?;
        }
        Ok(())
    })?;
    for (number, mut batch) in batches.into_iter().enumerate() {
        if batch.len() > 0 {
            write(number, &mut batch, survey.last_row)?;
        }
    }
    Ok(())
}
