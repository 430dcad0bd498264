//! Chats in an SQLite file, for local runs and small installations. The file is made by `migrate` only.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::lease::Lease;
use super::migrations::SchemaState;
use super::{ACQUIRE_LIMIT, Recorded, STATEMENT_LIMIT, StorageError};

const MAX_CONNECTIONS: u32 = 4;

const INSERT_CHAT: &str = "INSERT INTO chats (id) VALUES (?)";

const INSERT_GREETING: &str = "INSERT INTO messages (chat_id, sender, body) VALUES (?, 'BOT', ?)";

const ADD_EXCHANGE: &str = "
    INSERT INTO messages (chat_id, sender, body)
    SELECT chats.id, line.sender, line.body
    FROM chats
    CROSS JOIN (SELECT 1 AS place, 'USER' AS sender, ?2 AS body UNION ALL SELECT 2, 'BOT', ?3) AS line
    WHERE chats.id = ?1
    ORDER BY line.place";

const TRANSCRIPT: &str =
    "SELECT id, sent_at, sender, body FROM messages WHERE chat_id = ? ORDER BY id";

const DELETE_CHAT: &str = "DELETE FROM chats WHERE id = ?";

const CHAT_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM chats WHERE id = ?)";

const CHECK: &str =
    "SELECT EXISTS (SELECT 1 FROM chats JOIN messages ON chat_id = chats.id WHERE chats.id = ?)";

const HAS_MIGRATIONS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";

const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";

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

    pub(super) async fn add_exchange(
        &self,
        chat: Uuid,
        said: &str,
        reply: &str,
    ) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let inserted = sqlx::query(ADD_EXCHANGE)
            .bind(chat.hyphenated())
            .bind(said)
            .bind(reply)
            .execute(lease.connection())
            .await;
        match lease.end(inserted)?.rows_affected() {
            0 => Err(StorageError::UnknownChat),
            _ => Ok(()),
        }
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
            return Ok(SchemaState::of_sqlite(&[]));
        }
        let mut lease = Lease::take(&self.pool).await?;
        let applied = async {
            if sqlx::query_scalar(HAS_MIGRATIONS)
                .fetch_one(lease.connection())
                .await?
            {
                sqlx::query_scalar(APPLIED)
                    .fetch_all(lease.connection())
                    .await
            } else {
                Ok(Vec::new())
            }
        }
        .await;
        Ok(SchemaState::of_sqlite(&lease.end(applied)?))
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
