//! Chats in an SQLite file, for local runs and small installations. The file is made by `migrate` only.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::lease::Lease;
use super::migrations::{APPLIED, OLDEST_RELEASE, SchemaState};
use super::{
    ACQUIRE_LIMIT, Exchange, PoolStatus, Recorded, Recording, STATEMENT_LIMIT, StorageError,
};

const MAX_CONNECTIONS: u32 = 4;

const INSERT_CHAT: &str = "INSERT INTO chats (id) VALUES (?)";

const INSERT_GREETING: &str = "INSERT INTO messages (chat_id, sender, body) VALUES (?, 'BOT', ?)";

const INSERT_MESSAGE: &str =
    "INSERT INTO messages (chat_id, sender, body, idempotency_key) VALUES (?, ?, ?, ?)";

const RECORDED_BEFORE: &str = "
    SELECT question.body, (
        SELECT body FROM messages
        WHERE chat_id = question.chat_id AND id > question.id AND sender = 'BOT'
        ORDER BY id LIMIT 1
    )
    FROM messages AS question
    WHERE question.chat_id = ? AND question.idempotency_key = ?";

const TRANSCRIPT: &str =
    "SELECT id, sent_at, sender, body FROM messages WHERE chat_id = ? ORDER BY id";

const DELETE_CHAT: &str = "DELETE FROM chats WHERE id = ?";

const CHAT_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM chats WHERE id = ?)";

const CHECK: &str =
    "SELECT EXISTS (SELECT 1 FROM chats JOIN messages ON chat_id = chats.id WHERE chats.id = ?)";

const HAS_TABLE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)";

pub(crate) struct Sqlite {
    pool: SqlitePool,
    path: PathBuf,
}

impl Sqlite {
    pub(super) fn new(path: &Path) -> Self {
        // Write-ahead logging is a property of the file, which `migrate` sets.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(STATEMENT_LIMIT);
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_LIMIT)
            .connect_lazy_with(options);
        Self {
            pool,
            path: path.to_owned(),
        }
    }

    pub(super) async fn start_chat(&self, chat: Uuid, greeting: &str) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let inserted = insert_chat(lease.connection(), chat, greeting).await;
        lease.end(inserted)
    }

    pub(super) async fn add_exchange(&self, exchange: Exchange) -> Result<Recording, StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let recorded = insert_exchange(lease.connection(), &exchange).await;
        lease.end(recorded)
    }

    pub(super) async fn transcript(&self, chat: Uuid) -> Result<Vec<Recorded>, StorageError> {
        let chat = chat.hyphenated();
        let mut lease = Lease::take(&self.pool).await?;
        let selected = async {
            let messages: Vec<Recorded> = sqlx::query_as(TRANSCRIPT)
                .bind(chat)
                .fetch_all(lease.connection())
                .await?;
            let exists = !messages.is_empty()
                || sqlx::query_scalar(CHAT_EXISTS)
                    .bind(chat)
                    .fetch_one(lease.connection())
                    .await?;
            Ok(exists.then_some(messages))
        }
        .await;
        lease.end(selected)?.ok_or(StorageError::UnknownChat)
    }

    pub(super) async fn delete_chat(&self, chat: Uuid) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let deleted = sqlx::query(DELETE_CHAT)
            .bind(chat.hyphenated())
            .execute(lease.connection())
            .await;
        match lease.end(deleted)?.rows_affected() {
            0 => Err(StorageError::UnknownChat),
            _ => Ok(()),
        }
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let answered = sqlx::query(CHECK)
            .bind(Uuid::nil().hyphenated())
            .execute(lease.connection())
            .await;
        lease.end(answered)?;
        Ok(())
    }

    pub(super) async fn schema_state(&self) -> Result<SchemaState, StorageError> {
        if !self.path.exists() {
            return Ok(SchemaState::of_sqlite(&[], None));
        }
        let mut lease = Lease::take(&self.pool).await?;
        let read = read_schema(lease.connection()).await;
        let (applied, oldest_release) = lease.end(read)?;
        Ok(SchemaState::of_sqlite(&applied, oldest_release.as_deref()))
    }

    pub(super) fn pool_status(&self) -> PoolStatus {
        PoolStatus::of(&self.pool)
    }

    /// The pool in use now.
    pub(super) fn pool(&self) -> SqlitePool {
        self.pool.clone()
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Both rows, or none. The write lock is asked for at once: one that is asked for later can't be waited for.
async fn insert_chat(
    connection: &mut SqliteConnection,
    chat: Uuid,
    greeting: &str,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(INSERT_CHAT)
        .bind(chat.hyphenated())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(INSERT_GREETING)
        .bind(chat.hyphenated())
        .bind(greeting)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Both rows, or none, or what was recorded under the key before.
async fn insert_exchange(
    connection: &mut SqliteConnection,
    exchange: &Exchange,
) -> Result<Recording, sqlx::Error> {
    let chat = exchange.chat.hyphenated();
    let key = exchange.key.map(Uuid::hyphenated);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let is_known: bool = sqlx::query_scalar(CHAT_EXISTS)
        .bind(chat)
        .fetch_one(&mut *transaction)
        .await?;
    if !is_known {
        return Ok(Recording::UnknownChat);
    }
    let before: Option<(String, String)> = sqlx::query_as(RECORDED_BEFORE)
        .bind(chat)
        .bind(key)
        .fetch_optional(&mut *transaction)
        .await?;
    match before {
        Some((said, _)) if said != exchange.said => return Ok(Recording::OtherText),
        Some((_, reply)) => return Ok(Recording::Before(reply)),
        None => {}
    }
    for (sender, body, key) in [
        ("USER", &exchange.said, key),
        ("BOT", &exchange.reply, None),
    ] {
        sqlx::query(INSERT_MESSAGE)
            .bind(chat)
            .bind(sender)
            .bind(body)
            .bind(key)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(Recording::Done)
}

/// The migrations that were applied, and the oldest release that works on what they left.
async fn read_schema(
    connection: &mut SqliteConnection,
) -> Result<(Vec<i64>, Option<String>), sqlx::Error> {
    if !has_table(connection, "_sqlx_migrations").await? {
        return Ok((Vec::new(), None));
    }
    let applied = sqlx::query_scalar(APPLIED)
        .fetch_all(&mut *connection)
        .await?;
    if !has_table(connection, "schema_contract").await? {
        return Ok((applied, None));
    }
    let oldest_release = sqlx::query_scalar(OLDEST_RELEASE)
        .fetch_optional(connection)
        .await?;
    Ok((applied, oldest_release))
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(HAS_TABLE)
        .bind(name)
        .fetch_one(connection)
        .await
}
