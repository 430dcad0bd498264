//! `export`: everything that is kept as JSON Lines, as it was at one moment. Chats come before messages, and messages in
//! the order of their ids, so whoever reads it can build it up again from top to bottom.

use std::io::{self, BufWriter, Write};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use serde::Serialize;
use sqlx::{Database, Executor, FromRow, IntoArguments};
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::cli::ExportArgs;
use crate::new_file::NewFile;
use crate::storage::connect::{Connection, connect};
use crate::storage::url::DatabaseUrl;

/// RFC 3339, always UTC and with all digits that a database keeps.
const MICROSECONDS: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

const CONTENT: &str = "SELECT version, yaml, applied_at FROM content";
const IMPORTS: &str =
    "SELECT id, source, last_row, started_at, finished_at FROM imports ORDER BY id";
const CHATS: &str = "SELECT id, created_at FROM chats ORDER BY id";
const MESSAGES: &str = "
    SELECT id, chat_id, sent_at, sender, body, idempotency_key, import_key FROM messages ORDER BY id";

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Content {
        version: i64,
        yaml: String,
        applied_at: String,
    },
    Import {
        id: i64,
        source: Uuid,
        last_row: i64,
        started_at: String,
        finished_at: Option<String>,
    },
    Chat {
        id: Uuid,
        created_at: String,
    },
    Message {
        id: i64,
        chat_id: Uuid,
        sent_at: String,
        sender: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<Uuid>,
        #[serde(skip_serializing_if = "Option::is_none")]
        import_key: Option<i64>,
    },
}

/// Why the export ended early.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("cannot read the database")]
    Database(#[from] sqlx::Error),
    #[error("cannot write the export")]
    Write(#[from] io::Error),
}

/// Write everything to a new file, or to standard output.
pub(crate) async fn export(args: &ExportArgs, url: &DatabaseUrl) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    if let Some(path) = &args.output {
        let mut file = NewFile::begin_in_free_place(path)?;
        write_all(&mut connection, &mut file).await?;
        file.finish()?;
    } else {
        write_all(&mut connection, &mut BufWriter::new(io::stdout())).await?;
    }
    connection.close().await.context("cannot end the export")
}

async fn write_all(connection: &mut Connection, out: &mut impl Write) -> Result<(), ExportError> {
    match connection {
        Connection::Postgres(connection) => {
            sqlx::raw_sql(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0",
            )
            .execute(&mut *connection)
            .await?;
            write_tables::<sqlx::Postgres, Uuid>(connection, out).await?;
            sqlx::raw_sql("COMMIT").execute(connection).await?;
        }
        Connection::Sqlite(connection) => {
            sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
            write_tables::<sqlx::Sqlite, Hyphenated>(connection, out).await?;
            sqlx::raw_sql("COMMIT").execute(connection).await?;
        }
    }
    Ok(out.flush()?)
}

type ContentRow = (i64, String, OffsetDateTime);
type ImportRow<Id> = (i64, Id, i64, OffsetDateTime, Option<OffsetDateTime>);
type ChatRow<Id> = (Id, OffsetDateTime);
type MessageRow<Id> = (
    i64,
    Id,
    OffsetDateTime,
    String,
    String,
    Option<Id>,
    Option<i64>,
);

async fn write_tables<DB, Id>(
    connection: &mut DB::Connection,
    out: &mut impl Write,
) -> Result<(), ExportError>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    Id: Into<Uuid> + Send + Unpin,
    ContentRow: for<'r> FromRow<'r, DB::Row>,
    ImportRow<Id>: for<'r> FromRow<'r, DB::Row>,
    ChatRow<Id>: for<'r> FromRow<'r, DB::Row>,
    MessageRow<Id>: for<'r> FromRow<'r, DB::Row>,
{
    let content = |(version, yaml, applied_at): ContentRow| Line::Content {
        version,
        yaml,
        applied_at: moment(applied_at),
    };
    write_rows::<DB, _>(connection, CONTENT, content, out).await?;
    let import = |(id, source, last_row, started_at, finished_at): ImportRow<Id>| Line::Import {
        id,
        source: source.into(),
        last_row,
        started_at: moment(started_at),
        finished_at: finished_at.map(moment),
    };
    write_rows::<DB, _>(connection, IMPORTS, import, out).await?;
    let chat = |(id, created_at): ChatRow<Id>| Line::Chat {
        id: id.into(),
        created_at: moment(created_at),
    };
    write_rows::<DB, _>(connection, CHATS, chat, out).await?;
    let message =
        |(id, chat, sent_at, sender, text, idempotency_key, import_key): MessageRow<Id>| {
            Line::Message {
                id,
                chat_id: chat.into(),
                sent_at: moment(sent_at),
                sender,
                text,
                idempotency_key: idempotency_key.map(Into::into),
                import_key,
            }
        };
    write_rows::<DB, _>(connection, MESSAGES, message, out).await
}

async fn write_rows<DB, Row>(
    connection: &mut DB::Connection,
    query: &'static str,
    line: impl Fn(Row) -> Line,
    out: &mut impl Write,
) -> Result<(), ExportError>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    Row: for<'r> FromRow<'r, DB::Row> + Send + Unpin,
{
    let mut rows = sqlx::query_as::<DB, Row>(query).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        serde_json::to_writer(&mut *out, &line(row)).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn moment(moment: OffsetDateTime) -> String {
    // Formatting fails only for years beyond 9999, which the database doesn't get.
    moment
        .to_offset(UtcOffset::UTC)
        .format(MICROSECONDS)
        .unwrap_or_default()
}
