//! Chats in PostgreSQL. Each operation is one statement, and so one transaction and one round trip.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::lease::Lease;
use super::migrations::SchemaState;
use super::{ACQUIRE_LIMIT, Recorded, STATEMENT_LIMIT, StorageError};

const MAX_CONNECTIONS: u32 = 10;

/// The longest that an idle connection takes to answer before another one is opened.
const PING_LIMIT: Duration = Duration::from_millis(500);

const START_CHAT: &str = "
    WITH chat AS (INSERT INTO chats (id) VALUES ($1) RETURNING id)
    INSERT INTO messages (chat_id, sender, body) SELECT id, 'BOT', $2 FROM chat";

// The lock on the chat makes exchanges of one chat follow one another, so that each answer stands below its question.
const ADD_EXCHANGE: &str = "
    WITH chat AS (SELECT id FROM chats WHERE id = $1 FOR NO KEY UPDATE)
    INSERT INTO messages (chat_id, sender, body)
    SELECT chat.id, line.sender, line.body
    FROM chat CROSS JOIN (VALUES (1, 'USER', $2::text), (2, 'BOT', $3::text)) AS line (place, sender, body)
    ORDER BY line.place";

const TRANSCRIPT: &str =
    "SELECT id, sent_at, sender, body FROM messages WHERE chat_id = $1 ORDER BY id";

const DELETE_CHAT: &str = "DELETE FROM chats WHERE id = $1";

const CHAT_EXISTS: &str = "SELECT EXISTS (SELECT FROM chats WHERE id = $1)";

// Read-only is also what a replica says, and a primary that was fenced. The tables are touched through their indexes,
// so it costs the same however many rows there are.
const IS_READ_ONLY: &str = "
    SELECT current_setting('transaction_read_only') = 'on'
    FROM (SELECT EXISTS (SELECT FROM chats JOIN messages ON chat_id = chats.id WHERE chats.id = $1)) AS schema";

const HAS_MIGRATIONS: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";

const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";

pub(crate) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let limit = format!("{}ms", STATEMENT_LIMIT.as_millis());
        let options = options.application_name("chat-server").options([
            ("statement_timeout", &limit),
            ("idle_in_transaction_session_timeout", &limit),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_LIMIT)
            .idle_timeout(Duration::from_mins(5))
            .max_lifetime(Duration::from_mins(30))
            // Without a limit of its own, the ping of a connection to a machine that is gone uses up the whole wait for one.
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                Box::pin(async {
                    Ok(matches!(
                        timeout(PING_LIMIT, connection.ping()).await,
                        Ok(Ok(()))
                    ))
                })
            })
            .connect_lazy_with(options);
        Self { pool }
    }

    pub(super) async fn start_chat(&self, chat: Uuid, greeting: &str) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let inserted = sqlx::query(START_CHAT)
            .bind(chat)
            .bind(greeting)
            .execute(lease.connection())
            .await;
        lease.end(inserted)?;
        Ok(())
    }

    pub(super) async fn add_exchange(
        &self,
        chat: Uuid,
        said: &str,
        reply: &str,
    ) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let inserted = sqlx::query(ADD_EXCHANGE)
            .bind(chat)
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
            .bind(chat)
            .execute(lease.connection())
            .await;
        match lease.end(deleted)?.rows_affected() {
            0 => Err(StorageError::UnknownChat),
            _ => Ok(()),
        }
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        let mut lease = Lease::take(&self.pool).await?;
        let is_read_only = sqlx::query_scalar(IS_READ_ONLY)
            .bind(Uuid::nil())
            .fetch_one(lease.connection())
            .await;
        if matches!(is_read_only, Ok(true)) {
            // Not ended, so closed: the next connection may find the new primary.
            return Err(StorageError::ReadOnly);
        }
        lease.end(is_read_only)?;
        Ok(())
    }

    pub(super) async fn schema_state(&self) -> Result<SchemaState, StorageError> {
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
        Ok(SchemaState::of_postgres(&lease.end(applied)?))
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
