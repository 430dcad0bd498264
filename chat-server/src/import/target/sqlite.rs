//! Batches into an SQLite file. Each is written by the thread that reads, with nothing locked while it reads on: SQLite
//! lets others in only when the lock happens to be free as they look.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::moment;
use super::{Batch, CHUNK, Kept, KeptChunks, Lane, Range, TargetError, Written, row_of_key};
use crate::storage::connect::SQLITE_LOCK_LIMIT;

/// As the schema writes times itself.
const MILLIS: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const MICROS: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

const BEGIN: &str = "INSERT INTO imports (source) VALUES (?1) ON CONFLICT DO NOTHING";
const LANE: &str = "SELECT id, last_row FROM imports WHERE source = ?1";
const MARK: &str =
    "UPDATE imports SET last_row = ?3, finished_at = NULL WHERE id = ?1 AND last_row = ?2";
const CHAT: &str = "INSERT INTO chats (id, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const MESSAGE: &str =
    "INSERT INTO messages (chat_id, sent_at, sender, body, import_key) VALUES (?1, ?2, ?3, ?4, ?5)";
const FINISH: &str = "
    UPDATE imports SET last_row = max(last_row, ?2), finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    WHERE id = ?1";
// A crash of the machine may take back the last commits, each whole: the mark and the rows. The commit that finishes the
// import waits for the disk, and with it are all before.
const LAZY: &str = "PRAGMA synchronous = NORMAL";

const KNOWN: &str = "
    SELECT 1 FROM messages
    WHERE chat_id = ?1 AND sent_at = ?2 AND sender = ?3 AND body = ?4 AND import_key IS NOT NULL";
const OUTLIVED: &str =
    "SELECT 1 FROM messages WHERE chat_id = ?1 AND sent_at <= ?2 AND import_key IS NOT NULL";

pub(crate) struct Sqlite {
    path: PathBuf,
}

pub(crate) struct SqliteWriter {
    connection: Connection,
    lane: Lane,
    written: Written,
}

impl Sqlite {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    pub(super) fn begin(&self, source: Uuid) -> Result<(), TargetError> {
        self.connect()?
            .execute(BEGIN, [source.hyphenated().to_string()])
            .map_err(failed("begin the import"))?;
        Ok(())
    }

    pub(super) fn lane(&self, source: Uuid) -> Result<Vec<Lane>, TargetError> {
        let lane = self
            .connect()?
            .query_row(LANE, [source.hyphenated().to_string()], |row| {
                Ok(Lane {
                    id: row.get(0)?,
                    last_row: row.get(1)?,
                })
            })
            .optional()
            .map_err(failed("say how far the import got"))?;
        Ok(vec![lane.unwrap_or(Lane { id: 0, last_row: 0 })])
    }

    pub(super) fn writer(&self, lanes: &[Lane]) -> Result<SqliteWriter, TargetError> {
        let connection = self.connect()?;
        connection
            .execute_batch(LAZY)
            .map_err(failed("begin the import"))?;
        Ok(SqliteWriter {
            connection,
            lane: lanes
                .first()
                .copied()
                .unwrap_or(Lane { id: 0, last_row: 0 }),
            written: Written::default(),
        })
    }

    pub(super) fn finish(&self, lanes: &[Lane], last_row: i64) -> Result<(), TargetError> {
        let connection = self.connect()?;
        for lane in lanes {
            connection
                .execute(FINISH, [lane.id, last_row])
                .map_err(failed("finish the import"))?;
        }
        Ok(())
    }

    pub(super) fn kept(&self, lane: Lane, range: Range) -> KeptChunks {
        let (sender, receiver) = mpsc::channel(2);
        let database = Self::new(&self.path);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = database.send_kept(lane, range, &sender) {
                // Whoever asked may have lost interest.
                let _ = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    fn send_kept(
        &self,
        lane: Lane,
        range: Range,
        sender: &mpsc::Sender<Result<Vec<Kept>, TargetError>>,
    ) -> Result<(), TargetError> {
        let connection = self.connect()?;
        let (least, greatest) = lane.keys();
        let query = format!(
            "SELECT import_key, chat_id, sent_at, sender, body FROM messages
             WHERE import_key BETWEEN ?1 AND ?2 ORDER BY import_key {} LIMIT ?3",
            range.order()
        );
        let read = || {
            let mut statement = connection.prepare(&query)?;
            let mut rows = statement.query([least, greatest, range.limit()])?;
            let mut chunk = Vec::new();
            while let Some(row) = rows.next()? {
                chunk.push(kept(row)?);
                if chunk.len() == CHUNK
                    && sender
                        .blocking_send(Ok(std::mem::take(&mut chunk)))
                        .is_err()
                {
                    return Ok(());
                }
            }
            let _ = sender.blocking_send(Ok(chunk));
            Ok(())
        };
        read().map_err(failed("read messages"))
    }

    pub(super) fn known(&self, given: &[Kept]) -> Result<Vec<i64>, TargetError> {
        self.which(given, KNOWN, |kept, statement| {
            statement.exists(params![
                kept.chat.hyphenated().to_string(),
                text(kept.sent_at),
                kept.sender,
                kept.body
            ])
        })
    }

    pub(super) fn outlived(&self, given: &[Kept]) -> Result<Vec<i64>, TargetError> {
        self.which(given, OUTLIVED, |kept, statement| {
            statement.exists(params![
                kept.chat.hyphenated().to_string(),
                text(kept.sent_at)
            ])
        })
    }

    fn which(
        &self,
        given: &[Kept],
        query: &str,
        holds: impl Fn(&Kept, &mut rusqlite::Statement<'_>) -> rusqlite::Result<bool>,
    ) -> Result<Vec<i64>, TargetError> {
        let connection = self.connect()?;
        let look = || {
            let mut statement = connection.prepare(query)?;
            let mut rows = Vec::new();
            for kept in given {
                if holds(kept, &mut statement)? {
                    rows.push(kept.row);
                }
            }
            Ok(rows)
        };
        look().map_err(failed("look for messages"))
    }

    fn connect(&self) -> Result<Connection, TargetError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(SQLITE_LOCK_LIMIT)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        connect().map_err(failed("open"))
    }
}

impl SqliteWriter {
    /// Write a batch in one transaction.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), TargetError> {
        let lane = self.lane;
        let mut write = || {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            if transaction.execute(MARK, [lane.id, lane.last_row, batch.last_row])? != 1 {
                return Ok(None);
            }
            let mut chats = 0;
            {
                let mut insert = transaction.prepare_cached(CHAT)?;
                let mut name = Uuid::encode_buffer();
                for (chat, sent_at) in batch.chats() {
                    let name = &*chat.hyphenated().encode_lower(&mut name);
                    chats += insert.execute(params![name, text(sent_at)])?;
                }
                let mut insert = transaction.prepare_cached(MESSAGE)?;
                for (entry, body) in batch.messages() {
                    let name = &*entry.chat.hyphenated().encode_lower(&mut name);
                    let key = lane.key(entry.row);
                    insert.execute(params![
                        name,
                        text(entry.sent_at),
                        entry.sender.as_str(),
                        body,
                        key
                    ])?;
                }
            }
            transaction.commit()?;
            Ok(Some(chats))
        };
        let chats = write()
            .map_err(failed("write a batch"))?
            .ok_or(TargetError::Overtaken)?;
        self.lane.last_row = batch.last_row;
        self.written.messages += batch.len() as u64;
        self.written.chats += chats as u64;
        Ok(())
    }

    pub(super) fn written(&self) -> Written {
        self.written
    }
}

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    let chat: String = row.get(1)?;
    let sent_at: String = row.get(2)?;
    let unreadable = |column, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    Ok(Kept {
        row: row_of_key(row.get(0)?),
        chat: chat
            .parse()
            .map_err(|error: uuid::Error| unreadable(1, error.into()))?,
        sent_at: moment::of_text(sent_at.as_bytes())
            .map_err(|error| unreadable(2, error.into()))?,
        sender: row.get(3)?,
        body: row.get(4)?,
    })
}

/// A time as it is kept: with the digits that the schema itself writes, and more only if there are more.
fn text(micros: i64) -> String {
    let moment = OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(micros);
    let form = if micros % 1000 == 0 { MILLIS } else { MICROS };
    // Formatting fails only for years beyond 9999, which are refused.
    moment.format(form).unwrap_or_default()
}

fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> TargetError {
    move |source| TargetError::Sqlite { doing, source }
}
