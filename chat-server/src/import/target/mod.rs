//! The database that messages are imported into: what a batch is, and how far an import got. PostgreSQL and SQLite write
//! their batches each in their own way, but both keep a batch's rows and the mark "done up to this row" in one
//! transaction, so an import that is killed anywhere goes on where it ended and doubles nothing.
//!
//! An import has one or more lanes. A chat is always in the same one, so that its order holds, and each lane has a mark of
//! its own, so that lanes need not wait for one another.

mod lane_writers;
mod postgres;
mod sqlite;

use tokio::sync::mpsc;
use tokio::task::block_in_place;
use uuid::Uuid;

use self::lane_writers::LaneWriters;
use self::postgres::Postgres;
use self::sqlite::{Sqlite, SqliteWriter};
use super::check::{Message, ROW_BITS};
use crate::storage::Sender;
use crate::storage::connect::{self, ConnectError};
use crate::storage::url::DatabaseUrl;

/// Rows that are read from the database at once.
const CHUNK: usize = 4096;

/// Why the database didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("another import into this database is running: wait for its end")]
    Locked,
    #[error(
        "another import of this file went on meanwhile: wait for its end, then run this one again"
    )]
    Overtaken,
    #[error("the database failed to {doing}")]
    Postgres {
        doing: &'static str,
        source: sqlx::Error,
    },
    #[error("the database failed to {doing}")]
    Sqlite {
        doing: &'static str,
        source: rusqlite::Error,
    },
}

/// One of an import's streams of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// The row of `imports`; 0 if the lane hasn't begun.
    pub(crate) id: i64,
    /// All rows of the file up to this one are done.
    pub(crate) last_row: i64,
}

/// Messages to write at once, ordered by chat and row, and the last row of the file that was read for them.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) last_row: i64,
    entries: Vec<Entry>,
    bodies: String,
}

struct Entry {
    chat: Uuid,
    row: i64,
    sent_at: i64,
    sender: Sender,
    /// Where the body ends in `bodies`, and how long it is.
    end: usize,
    length: usize,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) messages: u64,
    pub(crate) chats: u64,
}

/// An imported message as the database keeps it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) row: i64,
    pub(crate) chat: Uuid,
    pub(crate) sent_at: i64,
    pub(crate) sender: String,
    pub(crate) body: String,
}

/// Which imported messages are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Range {
    All,
    First(i64),
    Last(i64),
}

pub(crate) type KeptChunks = mpsc::Receiver<Result<Vec<Kept>, TargetError>>;

pub(crate) enum Target {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// Where batches go.
pub(crate) enum Writer {
    Postgres(LaneWriters),
    Sqlite(SqliteWriter),
}

impl Target {
    /// A database whose schema is up to date.
    pub(crate) async fn open(url: &DatabaseUrl) -> Result<Self, TargetError> {
        connect::require_schema(url).await?;
        Ok(match url {
            DatabaseUrl::Postgres(options) => Self::Postgres(Postgres::new(options)),
            DatabaseUrl::Sqlite(path) => Self::Sqlite(Sqlite::new(path)),
        })
    }

    /// Keep other imports out until the result is dropped. SQLite has no such lock: there, one that is overtaken notices.
    pub(crate) async fn lock(&self) -> Result<Option<sqlx::PgConnection>, TargetError> {
        match self {
            Self::Postgres(database) => database.lock().await.map(Some),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// How far the import of a file got in each lane.
    pub(crate) async fn lanes(&self, file: Uuid) -> Result<Vec<Lane>, TargetError> {
        match self {
            Self::Postgres(database) => database.lanes(file).await,
            Self::Sqlite(database) => block_in_place(|| database.lane(file)),
        }
    }

    /// As [`Self::lanes`], and each of them is begun.
    pub(crate) async fn begin(&self, file: Uuid) -> Result<Vec<Lane>, TargetError> {
        match self {
            Self::Postgres(database) => database.begin(file).await?,
            Self::Sqlite(database) => block_in_place(|| database.begin(file))?,
        }
        self.lanes(file).await
    }

    pub(crate) fn writer(&self, lanes: &[Lane]) -> Result<Writer, TargetError> {
        Ok(match self {
            Self::Postgres(database) => Writer::Postgres(database.writers(lanes)),
            Self::Sqlite(database) => Writer::Sqlite(database.writer(lanes)?),
        })
    }

    /// Mark an import as complete up to this row.
    pub(crate) async fn finish(&self, lanes: &[Lane], last_row: i64) -> Result<(), TargetError> {
        match self {
            Self::Postgres(database) => database.finish(lanes, last_row).await,
            Self::Sqlite(database) => block_in_place(|| database.finish(lanes, last_row)),
        }
    }

    /// Imported messages of a lane that are there, in the order of their rows (or against it, for [`Range::Last`]).
    pub(crate) fn kept(&self, lane: Lane, range: Range) -> KeptChunks {
        match self {
            Self::Postgres(database) => database.kept(lane, range),
            Self::Sqlite(database) => database.kept(lane, range),
        }
    }

    /// Rows of those given that are there as imported messages, whichever import they came from.
    pub(crate) async fn known(&self, given: &[Kept]) -> Result<Vec<i64>, TargetError> {
        match self {
            Self::Postgres(database) => database.known(given).await,
            Self::Sqlite(database) => block_in_place(|| database.known(given)),
        }
    }

    /// Rows of those given whose chat still has imported messages that are as old or older. Neither `purge` nor the
    /// deletion of a chat leaves such a gap.
    pub(crate) async fn outlived(&self, given: &[Kept]) -> Result<Vec<i64>, TargetError> {
        match self {
            Self::Postgres(database) => database.outlived(given).await,
            Self::Sqlite(database) => block_in_place(|| database.outlived(given)),
        }
    }
}

impl Writer {
    /// Write a batch, now or soon. False if the lane ended, with an error that [`Self::end`] has. Blocks.
    pub(crate) fn write(&mut self, lane: usize, batch: Batch) -> Result<bool, TargetError> {
        match self {
            Self::Postgres(lanes) => Ok(lanes.write(lane, batch)),
            Self::Sqlite(writer) => writer.write(&batch).map(|()| true),
        }
    }

    /// Wait until all is written.
    pub(crate) async fn end(self) -> Result<Written, TargetError> {
        match self {
            Self::Postgres(lanes) => lanes.end().await,
            Self::Sqlite(writer) => Ok(writer.written()),
        }
    }
}

/// The lane of a chat.
pub(crate) fn lane_of(chat: Uuid, lanes: usize) -> usize {
    let last = chat.as_bytes().last().copied().unwrap_or_default();
    usize::from(last) % lanes.max(1)
}

impl Lane {
    fn key(self, row: i64) -> i64 {
        (self.id << ROW_BITS) | row
    }

    /// The least and the greatest key of the lane.
    fn keys(self) -> (i64, i64) {
        (self.key(0), self.key((1 << ROW_BITS) - 1))
    }
}

fn row_of_key(key: i64) -> i64 {
    key & ((1 << ROW_BITS) - 1)
}

impl Batch {
    pub(crate) fn push(&mut self, message: &Message<'_>) {
        self.bodies.push_str(message.body);
        self.entries.push(Entry {
            chat: message.chat,
            row: message.row,
            sent_at: message.sent_at,
            sender: message.sender,
            end: self.bodies.len(),
            length: message.body.len(),
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Roughly the memory that it takes.
    pub(crate) fn size(&self) -> usize {
        self.bodies.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Complete it. Messages of a chat that lie together are written faster, and chats in order make no deadlock with
    /// others who lock them in order.
    pub(crate) fn end(mut self, last_row: i64) -> Self {
        self.entries
            .sort_unstable_by_key(|entry| (entry.chat, entry.row));
        self.last_row = last_row;
        self
    }

    /// Each chat with the time of its first message in this batch.
    fn chats(&self) -> impl Iterator<Item = (Uuid, i64)> {
        self.entries
            .chunk_by(|a, b| a.chat == b.chat)
            .filter_map(|chat| chat.first())
            .map(|first| (first.chat, first.sent_at))
    }

    fn messages(&self) -> impl Iterator<Item = (&Entry, &str)> {
        self.entries.iter().map(|entry| {
            let body = self.bodies.get(entry.end - entry.length..entry.end);
            (entry, body.unwrap_or_default())
        })
    }
}

impl Kept {
    pub(crate) fn of(message: &Message<'_>) -> Self {
        Self {
            row: message.row,
            chat: message.chat,
            sent_at: message.sent_at,
            sender: message.sender.as_str().to_owned(),
            body: message.body.to_owned(),
        }
    }

    pub(crate) fn is(&self, message: &Message<'_>) -> bool {
        self.row == message.row
            && self.chat == message.chat
            && self.sent_at == message.sent_at
            && self.sender == message.sender.as_str()
            && self.body == message.body
    }
}

impl Range {
    fn limit(self) -> i64 {
        match self {
            Self::All => i64::MAX,
            Self::First(limit) | Self::Last(limit) => limit,
        }
    }

    fn order(self) -> &'static str {
        match self {
            Self::All | Self::First(_) => "ASC",
            Self::Last(_) => "DESC",
        }
    }
}
