//! Batches into PostgreSQL: COPY, over a connection for each lane. Most of the time goes into what PostgreSQL does for each
//! row (half of it for the foreign key, a third for the indexes), so two of its processes do nearly twice as much as one.

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::postgres::{date_time, failed, has_code};
use super::{Batch, Lane, TargetError, Written};
use crate::storage::connect::connect_postgres;

/// How often a batch is tried that gets in the way of others (who delete a chat, for example).
const ATTEMPTS: u32 = 5;
/// Batches that wait for a lane, so that one that is slow for a moment keeps the others no work.
const WAITING: usize = 2;
/// How much is sent at once.
const PIECE: usize = 1 << 17;
/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const YEAR_2000: i64 = 946_684_800_000_000;

// A crash of PostgreSQL may take back the last commits, each whole: the mark and the rows. The commit that finishes the
// import waits for the disk, and with it are all before.
const BEGIN_BATCH: &str = "
    BEGIN;
    SET LOCAL synchronous_commit = off;
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0";

const MARK: &str =
    "UPDATE imports SET last_row = $3, finished_at = NULL WHERE id = $1 AND last_row = $2";

const CHATS: &str = "
    INSERT INTO chats (id, created_at) SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) ON CONFLICT DO NOTHING";

const MESSAGES: &str =
    "COPY messages (chat_id, sent_at, sender, body, import_key) FROM STDIN (FORMAT binary)";

/// A task for each lane.
pub(crate) struct LaneWriters {
    lanes: Vec<LaneWriter>,
}

struct LaneWriter {
    batches: mpsc::Sender<Batch>,
    task: JoinHandle<Result<Written, TargetError>>,
}

impl LaneWriters {
    pub(super) fn start(options: &PgConnectOptions, lanes: &[Lane]) -> Self {
        let start = |&lane: &Lane| {
            let (batches, receiver) = mpsc::channel(WAITING);
            let task = tokio::spawn(write_lane(options.clone(), lane, receiver));
            LaneWriter { batches, task }
        };
        Self {
            lanes: lanes.iter().map(start).collect(),
        }
    }

    pub(super) fn write(&mut self, lane: usize, batch: Batch) -> bool {
        self.lanes
            .get(lane)
            .is_some_and(|lane| lane.batches.blocking_send(batch).is_ok())
    }

    pub(super) async fn end(self) -> Result<Written, TargetError> {
        let mut total = Written::default();
        let mut failure = None;
        for LaneWriter { batches, task } in self.lanes {
            drop(batches);
            match task.await {
                Ok(Ok(written)) => {
                    total.messages += written.messages;
                    total.chats += written.chats;
                }
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        failure.map_or(Ok(total), Err)
    }
}

async fn write_lane(
    options: PgConnectOptions,
    mut lane: Lane,
    mut batches: mpsc::Receiver<Batch>,
) -> Result<Written, TargetError> {
    let mut connection = connect_postgres(&options).await?;
    let mut total = Written::default();
    while let Some(batch) = batches.recv().await {
        let mut attempt = 1;
        let chats = loop {
            match write(&mut connection, lane, &batch).await {
                Err(TargetError::Postgres { source, .. })
                    if attempt < ATTEMPTS && has_code(&source, &["40P01", "40001", "23503"]) =>
                {
                    tracing::info!(
                        attempt,
                        "a batch got in the way of others and is written again"
                    );
                    attempt += 1;
                    connection = connect_postgres(&options).await?;
                }
                outcome => break outcome?,
            }
        };
        lane.last_row = batch.last_row;
        total.messages += batch.len() as u64;
        total.chats += chats;
    }
    let _ = connection.close().await;
    Ok(total)
}

/// Write a batch in one transaction, and say how many chats are new. After an error the connection isn't used again.
async fn write(
    connection: &mut PgConnection,
    lane: Lane,
    batch: &Batch,
) -> Result<u64, TargetError> {
    sqlx::raw_sql(BEGIN_BATCH)
        .execute(&mut *connection)
        .await
        .map_err(failed("begin a batch"))?;
    let marked = sqlx::query(MARK)
        .bind(lane.id)
        .bind(lane.last_row)
        .bind(batch.last_row)
        .execute(&mut *connection)
        .await
        .map_err(failed("mark a batch as done"))?;
    if marked.rows_affected() != 1 {
        return Err(TargetError::Overtaken);
    }
    let (chats, times): (Vec<_>, Vec<_>) = batch
        .chats()
        .map(|(chat, sent_at)| (chat, date_time(sent_at)))
        .unzip();
    let chats = sqlx::query(CHATS)
        .bind(chats)
        .bind(times)
        .execute(&mut *connection)
        .await
        .map_err(failed("write chats"))?
        .rows_affected();
    let mut copy = connection
        .copy_in_raw(MESSAGES)
        .await
        .map_err(failed("write messages"))?;
    for piece in encode(lane, batch).chunks(PIECE) {
        copy.send(piece).await.map_err(failed("write messages"))?;
    }
    copy.finish().await.map_err(failed("write messages"))?;
    sqlx::raw_sql("COMMIT")
        .execute(&mut *connection)
        .await
        .map_err(failed("commit a batch"))?;
    Ok(chats)
}

/// The messages in the binary form of COPY.
fn encode(lane: Lane, batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(batch.size() + batch.len() * 64);
    bytes.extend(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    for (entry, body) in batch.messages() {
        bytes.extend(5i16.to_be_bytes());
        field(&mut bytes, entry.chat.as_bytes());
        field(&mut bytes, &(entry.sent_at - YEAR_2000).to_be_bytes());
        field(&mut bytes, entry.sender.as_str().as_bytes());
        field(&mut bytes, body.as_bytes());
        field(&mut bytes, &lane.key(entry.row).to_be_bytes());
    }
    bytes.extend((-1i16).to_be_bytes());
    bytes
}

fn field(bytes: &mut Vec<u8>, value: &[u8]) {
    // A value of SQLite is never as long as 2 GiB.
    bytes.extend(i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    bytes.extend(value);
}
