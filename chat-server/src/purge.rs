//! `purge`: messages that are older than a given age are deleted, then the chats that have none left. It goes through the
//! tables by their keys, in small transactions, so servers beside it hardly notice, and it can be ended at any time.

use std::time::Duration;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::cli::{Cli, PurgeArgs};
use crate::outcome::Outcome;
use crate::storage::connect::{Connection, connect};
use crate::storage::url::DatabaseUrl;

/// A shorter age is more likely a slip than a wish.
const SHORTEST: Duration = Duration::from_hours(24);

/// As SQLite's schema writes times.
const SQLITE_TIME: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

const BATCH_END: &str =
    "SELECT max(id) FROM (SELECT id FROM messages WHERE id > $1 ORDER BY id LIMIT 5000) AS batch";
const DELETE_MESSAGES: &str = "DELETE FROM messages WHERE id > $1 AND id <= $2 AND sent_at < $3";
const COUNT_MESSAGES: &str = "SELECT count(*) FROM messages WHERE sent_at < $1";
const COUNT_CHATS: &str = "
    SELECT count(*) FROM chats
    WHERE created_at < $1
        AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_id = chats.id AND sent_at >= $1)";

// Whoever adds a message to a chat locks it first: once these are locked, the next statement sees all messages they have.
const LOCK_EMPTY_CHATS: &str = "
    SELECT id FROM chats
    WHERE id > $1 AND created_at < $2 AND NOT EXISTS (SELECT FROM messages WHERE chat_id = chats.id)
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED";
const DELETE_EMPTY_CHATS: &str = "
    DELETE FROM chats WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM messages WHERE chat_id = chats.id)";
// SQLite has one writer at a time.
const DELETE_EMPTY_CHATS_SQLITE: &str = "
    DELETE FROM chats WHERE id IN (
        SELECT id FROM chats
        WHERE id > $1 AND created_at < $2 AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_id = chats.id)
        ORDER BY id LIMIT 1000)
    RETURNING id";

/// What was deleted, or would be.
#[derive(Debug, Default)]
struct Purged {
    messages: u64,
    chats: u64,
}

/// Delete what is older than the given age.
pub(crate) async fn purge(args: &PurgeArgs, url: &DatabaseUrl) -> anyhow::Result<Outcome> {
    if args.older_than < SHORTEST && !args.force {
        let refusal = "--older-than is less than a day: add --force if that is meant";
        Cli::command()
            .error(ErrorKind::ValueValidation, refusal)
            .exit();
    }
    let age = time::Duration::try_from(args.older_than).ok();
    // No message is from before 1970.
    let cutoff = age
        .and_then(|age| OffsetDateTime::now_utc().checked_sub(age))
        .map_or(OffsetDateTime::UNIX_EPOCH, |cutoff| {
            cutoff.max(OffsetDateTime::UNIX_EPOCH)
        });
    let cutoff_text = cutoff.format(SQLITE_TIME)?;

    let purged = match (connect(url).await?, args.dry_run) {
        (Connection::Postgres(mut connection), false) => {
            purge_postgres(&mut connection, cutoff).await
        }
        (Connection::Sqlite(mut connection), false) => {
            purge_sqlite(&mut connection, &cutoff_text).await
        }
        (Connection::Postgres(mut connection), true) => {
            count_postgres(&mut connection, cutoff).await
        }
        (Connection::Sqlite(mut connection), true) => {
            count_sqlite(&mut connection, &cutoff_text).await
        }
    }
    .context("the purge ended early; what is deleted is deleted")?;
    let told = format!(
        "{}{} messages from before {cutoff_text} and {} chats that are empty without them",
        if args.dry_run {
            "would delete "
        } else {
            "deleted "
        },
        purged.messages,
        purged.chats
    );
    println!("{told}");
    Ok(Outcome::told(&told))
}

async fn purge_postgres(
    connection: &mut PgConnection,
    cutoff: OffsetDateTime,
) -> Result<Purged, sqlx::Error> {
    let mut purged = Purged::default();
    let mut done = 0;
    while let Some(end) = sqlx::query_scalar::<_, Option<i64>>(BATCH_END)
        .bind(done)
        .fetch_one(&mut *connection)
        .await?
    {
        let deleted = sqlx::query(DELETE_MESSAGES)
            .bind(done)
            .bind(end)
            .bind(cutoff)
            .execute(&mut *connection)
            .await?;
        purged.messages += deleted.rows_affected();
        done = end;
    }
    let mut last = Uuid::nil();
    loop {
        let mut transaction = connection.begin().await?;
        let chats: Vec<Uuid> = sqlx::query_scalar(LOCK_EMPTY_CHATS)
            .bind(last)
            .bind(cutoff)
            .fetch_all(&mut *transaction)
            .await?;
        let Some(&end) = chats.last() else {
            return Ok(purged);
        };
        purged.chats += sqlx::query(DELETE_EMPTY_CHATS)
            .bind(chats)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        last = end;
    }
}

async fn purge_sqlite(
    connection: &mut SqliteConnection,
    cutoff: &str,
) -> Result<Purged, sqlx::Error> {
    let mut purged = Purged::default();
    let mut done = 0;
    while let Some(end) = sqlx::query_scalar::<_, Option<i64>>(BATCH_END)
        .bind(done)
        .fetch_one(&mut *connection)
        .await?
    {
        let deleted = sqlx::query(DELETE_MESSAGES)
            .bind(done)
            .bind(end)
            .bind(cutoff)
            .execute(&mut *connection)
            .await?;
        purged.messages += deleted.rows_affected();
        done = end;
    }
    let mut last = Uuid::nil().hyphenated();
    loop {
        let chats: Vec<Hyphenated> = sqlx::query_scalar(DELETE_EMPTY_CHATS_SQLITE)
            .bind(last)
            .bind(cutoff)
            .fetch_all(&mut *connection)
            .await?;
        let Some(&end) = chats.iter().max() else {
            return Ok(purged);
        };
        purged.chats += chats.len() as u64;
        last = end;
    }
}

async fn count_postgres(
    connection: &mut PgConnection,
    cutoff: OffsetDateTime,
) -> Result<Purged, sqlx::Error> {
    let count = async |query, connection: &mut PgConnection| {
        sqlx::query_scalar::<_, i64>(query)
            .bind(cutoff)
            .fetch_one(connection)
            .await
            .map(i64::unsigned_abs)
    };
    Ok(Purged {
        messages: count(COUNT_MESSAGES, connection).await?,
        chats: count(COUNT_CHATS, connection).await?,
    })
}

async fn count_sqlite(
    connection: &mut SqliteConnection,
    cutoff: &str,
) -> Result<Purged, sqlx::Error> {
    let count = async |query, connection: &mut SqliteConnection| {
        sqlx::query_scalar::<_, i64>(query)
            .bind(cutoff)
            .fetch_one(connection)
            .await
            .map(i64::unsigned_abs)
    };
    Ok(Purged {
        messages: count(COUNT_MESSAGES, connection).await?,
        chats: count(COUNT_CHATS, connection).await?,
    })
}
