//! The prototype's SQLite file, read in one transaction, so that every pass over it sees the same rows however long it
//! takes and whoever writes to it meanwhile. It decides whether this is such a file at all;
//! whether a row can be taken is [`super::check`]'s business.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use uuid::{Uuid, uuid};

use super::check::Row;
use super::open::connect;

/// The namespace of files, by their first message. Never changes.
const FILES: Uuid = uuid!("f9a3c1de-0d3b-4a0b-8b7e-6a9f1d5c2e84");

const COLUMNS: [&str; 4] = ["chat_id", "time", "sender", "text"];

/// Why a file can't be read as the prototype's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot open {path}")]
    Open { path: PathBuf, source: io::Error },
    #[error("{0} is not an SQLite database")]
    NotSqlite(PathBuf),
    #[error("{0} has no table `messages`: is this the prototype's file?")]
    NoMessages(PathBuf),
    #[error(
        "the table `messages` of {path} has no column `{column}`: is this the prototype's file?"
    )]
    NoColumn { path: PathBuf, column: &'static str },
    #[error("the table `messages` of {0} has no row numbers (WITHOUT ROWID)")]
    NoRowNumbers(PathBuf),
    #[error(
        "{path} is damaged (rows up to {row} can be read): restore it, or save what there is with `sqlite3 {path} .recover`"
    )]
    Damaged { path: PathBuf, row: i64 },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        source: rusqlite::Error,
    },
}

pub(crate) struct Source {
    pub(super) connection: Connection,
    path: PathBuf,
    /// By which name a row's number can be asked for.
    row_number: &'static str,
}

impl Source {
    /// Open a file and begin the transaction.
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let error = |source| read_error(path, source);
        std::fs::File::open(path)
            .and_then(|file| file.metadata())
            .and_then(|metadata| {
                if metadata.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                Ok(())
            })
            .map_err(|source| SourceError::Open {
                path: path.to_owned(),
                source,
            })?;
        let connection = connect(path).map_err(error)?;
        let table: Option<Option<String>> = connection
            .query_row(
                "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'messages' COLLATE NOCASE",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(error)?;
        // What a virtual table finds is up to code that this program doesn't have.
        let is_plain = table.flatten().is_some_and(|sql| {
            !sql.trim_start()
                .to_ascii_uppercase()
                .starts_with("CREATE VIRTUAL")
        });
        if !is_plain {
            return Err(SourceError::NoMessages(path.to_owned()));
        }
        let columns = columns(&connection, "messages").map_err(error)?;
        let has = |name: &str| {
            columns
                .iter()
                .any(|column| column.eq_ignore_ascii_case(name))
        };
        if let Some(column) = COLUMNS.into_iter().find(|column| !has(column)) {
            return Err(SourceError::NoColumn {
                path: path.to_owned(),
                column,
            });
        }
        let row_number = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|name| {
                !has(name)
                    && connection
                        .prepare(&format!("SELECT {name} FROM messages"))
                        .is_ok()
            })
            .ok_or_else(|| SourceError::NoRowNumbers(path.to_owned()))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            row_number,
        })
    }

    /// Look at all rows after this one, in order.
    pub(crate) fn rows_after<E: From<SourceError>>(
        &self,
        after: i64,
        mut visit: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = after;
        let mut rows = self
            .select("> ?1 ORDER BY {row}")
            .map_err(|source| read_error(&self.path, source))?;
        let mut rows = rows
            .query([after])
            .map_err(|source| read_error(&self.path, source))?;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(()),
                Err(source) => return Err(self.error_after(last, source).into()),
            };
            let row = row_of(row).map_err(|source| self.error_after(last, source))?;
            // SQLite walks a tree that is sorted by it, unless somebody has scribbled there.
            if row.id <= last && last != i64::MIN {
                return Err(SourceError::Damaged {
                    path: self.path.clone(),
                    row: last,
                }
                .into());
            }
            last = row.id;
            visit(&row)?;
        }
    }

    /// Look at one row, if it is there.
    pub(crate) fn row<T>(
        &self,
        id: i64,
        look: impl FnOnce(&Row<'_>) -> T,
    ) -> Result<Option<T>, SourceError> {
        self.select("= ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([id], |row| Ok(look(&row_of(row)?)))
                    .optional()
            })
            .map_err(|source| self.error_after(id.saturating_sub(1), source))
    }

    /// The number of the last row; 0 if there is none.
    pub(crate) fn last_row(&self) -> Result<i64, SourceError> {
        self.number("SELECT coalesce(max({row}), 0) FROM messages")
    }

    /// How many rows there are up to this one.
    pub(crate) fn count_up_to(&self, row: i64) -> Result<i64, SourceError> {
        self.number(&format!(
            "SELECT count(*) FROM messages WHERE {{row}} <= {row}"
        ))
    }

    /// What tells this file from others, also when more was appended: its first message. None if there is none.
    pub(crate) fn fingerprint(&self) -> Result<Option<Uuid>, SourceError> {
        let first = self.number("SELECT coalesce(min({row}), 0) FROM messages")?;
        self.row(first, |row| {
            let mut bytes = Vec::new();
            for value in [row.chat_id, row.time, row.sender, row.text] {
                let (kind, value) = match value {
                    ValueRef::Null => (b'n', Vec::new()),
                    ValueRef::Integer(number) => (b'i', number.to_be_bytes().to_vec()),
                    ValueRef::Real(number) => (b'r', number.to_be_bytes().to_vec()),
                    ValueRef::Text(text) => (b't', text.to_vec()),
                    ValueRef::Blob(blob) => (b'b', blob.to_vec()),
                };
                bytes.push(kind);
                bytes.extend(value.len().to_be_bytes());
                bytes.extend(value);
            }
            Uuid::new_v5(&FILES, &bytes)
        })
    }

    /// Look at each value that `chat_id` has, once.
    pub(crate) fn chat_names(
        &self,
        mut visit: impl FnMut(ValueRef<'_>),
    ) -> Result<(), SourceError> {
        let mut look = || {
            let mut statement = self
                .connection
                .prepare("SELECT DISTINCT chat_id FROM messages")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(row.get_ref(0)?);
            }
            Ok(())
        };
        look().map_err(|source| read_error(&self.path, source))
    }

    /// Whether a program that writes to the file has to wait until this is closed.
    pub(crate) fn keeps_writers_out(&self) -> Result<bool, SourceError> {
        self.connection
            .query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))
            .map(|mode| mode != "wal")
            .map_err(|source| read_error(&self.path, source))
    }

    fn number(&self, query: &str) -> Result<i64, SourceError> {
        self.connection
            .query_row(&query.replace("{row}", self.row_number), [], |row| {
                row.get(0)
            })
            .map_err(|source| read_error(&self.path, source))
    }

    fn select(&self, condition: &str) -> rusqlite::Result<rusqlite::CachedStatement<'_>> {
        let query = format!(
            "SELECT {{row}}, chat_id, time, sender, text FROM messages WHERE {{row}} {condition}"
        );
        self.connection
            .prepare_cached(&query.replace("{row}", self.row_number))
    }

    fn error_after(&self, row: i64, source: rusqlite::Error) -> SourceError {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => SourceError::Damaged {
                path: self.path.clone(),
                row: row.max(0),
            },
            _ => read_error(&self.path, source),
        }
    }
}

fn row_of<'a>(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<Row<'a>> {
    Ok(Row {
        id: row.get(0)?,
        chat_id: row.get_ref(1)?,
        time: row.get_ref(2)?,
        sender: row.get_ref(3)?,
        text: row.get_ref(4)?,
    })
}

/// The names of a table's columns; none if there is no such table.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM pragma_table_xinfo(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

fn read_error(path: &Path, source: rusqlite::Error) -> SourceError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => SourceError::NotSqlite(path.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => SourceError::Damaged {
            path: path.to_owned(),
            row: 0,
        },
        _ => SourceError::Read {
            path: path.to_owned(),
            source,
        },
    }
}
