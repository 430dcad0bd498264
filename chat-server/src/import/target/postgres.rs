//! An import into PostgreSQL: how far it got, that it is the only one, and what of it is there. The writing of batches is
//! [`super::lane_writers`]'s business.

use futures::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::lane_writers::LaneWriters;
use super::{CHUNK, Kept, KeptChunks, Lane, Range, TargetError, row_of_key};
use crate::storage::connect::connect_postgres;

/// How many connections write. Part of what is kept: an import that goes on needs as many as it began with.
const LANES: u8 = 2;

/// Held by the transaction, so it ends with the connection, also behind a pooler. A predecessor that was killed is
/// given a moment to vanish.
const LOCK: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '5s';
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SELECT pg_advisory_xact_lock(4702111234474983745)";

const BEGIN: &str = "INSERT INTO imports (source) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING";

// The lock waits for a batch that a predecessor, by now dead, sent off and that is being committed.
const LOCK_LANES: &str = "SELECT id FROM imports WHERE source = ANY ($1) FOR NO KEY UPDATE";

const LANE: &str = "SELECT source, id, last_row FROM imports WHERE source = ANY ($1)";

const FINISH: &str = "
    UPDATE imports SET last_row = greatest(last_row, $2), finished_at = clock_timestamp() WHERE id = ANY ($1)";

const KNOWN: &str = "
    SELECT given.row FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[])
        AS given (row, chat_id, sent_at, sender, body)
    WHERE EXISTS (
        SELECT FROM messages AS kept
        WHERE kept.chat_id = given.chat_id AND kept.sent_at = given.sent_at AND kept.sender = given.sender
            AND kept.body = given.body AND kept.import_key IS NOT NULL)
    ORDER BY given.row";

const OUTLIVED: &str = "
    SELECT given.row FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) AS given (row, chat_id, sent_at)
    WHERE EXISTS (
        SELECT FROM messages AS kept
        WHERE kept.chat_id = given.chat_id AND kept.sent_at <= given.sent_at AND kept.import_key IS NOT NULL)
    ORDER BY given.row";

pub(crate) struct Postgres {
    options: Box<PgConnectOptions>,
}

impl Postgres {
    pub(super) fn new(options: &PgConnectOptions) -> Self {
        Self {
            options: Box::new(options.clone().application_name("chat-server import")),
        }
    }

    pub(super) async fn lock(&self) -> Result<PgConnection, TargetError> {
        let mut connection = self.connect().await?;
        match sqlx::raw_sql(LOCK).execute(&mut connection).await {
            Ok(_) => Ok(connection),
            Err(error) if has_code(&error, &["55P03"]) => Err(TargetError::Locked),
            Err(error) => Err(failed("lock out other imports")(error)),
        }
    }

    pub(super) async fn begin(&self, file: Uuid) -> Result<(), TargetError> {
        let sources = lane_sources(file);
        let mut connection = self.connect().await?;
        sqlx::query(BEGIN)
            .bind(&sources)
            .execute(&mut connection)
            .await
            .map_err(failed("begin the import"))?;
        sqlx::query(LOCK_LANES)
            .bind(&sources)
            .execute(&mut connection)
            .await
            .map_err(failed("begin the import"))?;
        Ok(())
    }

    pub(super) async fn lanes(&self, file: Uuid) -> Result<Vec<Lane>, TargetError> {
        let sources = lane_sources(file);
        let found: Vec<(Uuid, i64, i64)> = sqlx::query_as(LANE)
            .bind(&sources)
            .fetch_all(&mut self.connect().await?)
            .await
            .map_err(failed("say how far the import got"))?;
        let lane = |source: &Uuid| {
            found.iter().find(|(found, ..)| found == source).map_or(
                Lane { id: 0, last_row: 0 },
                |&(_, id, last_row)| Lane { id, last_row },
            )
        };
        Ok(sources.iter().map(lane).collect())
    }

    pub(super) fn writers(&self, lanes: &[Lane]) -> LaneWriters {
        LaneWriters::start(&self.options, lanes)
    }

    pub(super) async fn finish(&self, lanes: &[Lane], last_row: i64) -> Result<(), TargetError> {
        let ids: Vec<i64> = lanes.iter().map(|lane| lane.id).collect();
        sqlx::query(FINISH)
            .bind(ids)
            .bind(last_row)
            .execute(&mut self.connect().await?)
            .await
            .map_err(failed("finish the import"))?;
        Ok(())
    }

    pub(super) fn kept(&self, lane: Lane, range: Range) -> KeptChunks {
        let (sender, receiver) = mpsc::channel(2);
        let options = self.options.as_ref().clone();
        tokio::spawn(async move {
            if let Err(error) = send_kept(&options, lane, range, &sender).await {
                // Whoever asked may have lost interest.
                let _ = sender.send(Err(error)).await;
            }
        });
        receiver
    }

    pub(super) async fn known(&self, given: &[Kept]) -> Result<Vec<i64>, TargetError> {
        let (rows, chats, times) = columns(given);
        let senders: Vec<&str> = given.iter().map(|kept| kept.sender.as_str()).collect();
        let bodies: Vec<&str> = given.iter().map(|kept| kept.body.as_str()).collect();
        sqlx::query_scalar(KNOWN)
            .bind(rows)
            .bind(chats)
            .bind(times)
            .bind(senders)
            .bind(bodies)
            .fetch_all(&mut self.connect().await?)
            .await
            .map_err(failed("look for messages"))
    }

    pub(super) async fn outlived(&self, given: &[Kept]) -> Result<Vec<i64>, TargetError> {
        let (rows, chats, times) = columns(given);
        sqlx::query_scalar(OUTLIVED)
            .bind(rows)
            .bind(chats)
            .bind(times)
            .fetch_all(&mut self.connect().await?)
            .await
            .map_err(failed("look for messages"))
    }

    async fn connect(&self) -> Result<PgConnection, TargetError> {
        Ok(connect_postgres(&self.options).await?)
    }
}

/// By which name each lane of a file is kept in `imports`.
fn lane_sources(file: Uuid) -> Vec<Uuid> {
    (0..LANES)
        .map(|lane| match lane {
            0 => file,
            lane => Uuid::new_v5(&file, &lane.to_be_bytes()),
        })
        .collect()
}

async fn send_kept(
    options: &PgConnectOptions,
    lane: Lane,
    range: Range,
    sender: &mpsc::Sender<Result<Vec<Kept>, TargetError>>,
) -> Result<(), TargetError> {
    type Row = (i64, Uuid, OffsetDateTime, String, String);
    let (least, greatest) = lane.keys();
    let mut connection = connect_postgres(options).await?;
    let query = format!(
        "SELECT import_key, chat_id, sent_at, sender, body FROM messages
         WHERE import_key BETWEEN $1 AND $2 ORDER BY import_key {} LIMIT $3",
        range.order()
    );
    let mut chunks = sqlx::query_as::<_, Row>(AssertSqlSafe(query))
        .bind(least)
        .bind(greatest)
        .bind(range.limit())
        .fetch(&mut connection)
        .map_ok(|(key, chat, sent_at, sender, body)| Kept {
            row: row_of_key(key),
            chat,
            sent_at: micros(sent_at),
            sender,
            body,
        })
        .try_chunks(CHUNK);
    while let Some(chunk) = chunks
        .try_next()
        .await
        .map_err(|error| failed("read messages")(error.1))?
    {
        if sender.send(Ok(chunk)).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn columns(given: &[Kept]) -> (Vec<i64>, Vec<Uuid>, Vec<OffsetDateTime>) {
    (
        given.iter().map(|kept| kept.row).collect(),
        given.iter().map(|kept| kept.chat).collect(),
        given.iter().map(|kept| date_time(kept.sent_at)).collect(),
    )
}

pub(super) fn date_time(micros: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(micros)
}

fn micros(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> TargetError {
    move |source| TargetError::Postgres { doing, source }
}

pub(super) fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| codes.contains(&&*code))
}
