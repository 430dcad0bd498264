//! Where chats are kept: what can be done with them, on whichever database the URL picked. It decides how long any of
//! it may take; the SQL is in [`postgres`] and [`sqlite`], the schema in [`migrations`], and whether a connection may
//! be used again in [`lease`].

pub(crate) mod connect;
mod lease;
pub(crate) mod migrations;
mod postgres;
mod sqlite;
pub(crate) mod url;

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

use self::migrations::SchemaState;
use self::url::DatabaseUrl;

/// The longest that one operation takes, waiting for a connection included.
const OPERATION_LIMIT: Duration = Duration::from_secs(4);
/// The longest wait for a connection: less than the whole, so that the error says which of the two was slow.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);
/// The longest that the database itself works on a statement or waits for a lock.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// Why the storage didn't do what was asked. When a write fails with anything but [`StorageError::UnknownChat`],
/// it isn't known whether it was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("there is no such chat")]
    UnknownChat,
    #[error("the database is read-only")]
    ReadOnly,
    #[error("the database took longer than {OPERATION_LIMIT:?}")]
    TooSlow,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A message as it is kept.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Recorded {
    pub(crate) id: i64,
    pub(crate) sent_at: OffsetDateTime,
    /// `USER` or `BOT`; the schema lets nothing else in.
    pub(crate) sender: String,
    pub(crate) body: String,
}

/// The database.
pub(crate) enum Storage {
    Postgres(postgres::Postgres),
    Sqlite(sqlite::Sqlite),
}

impl Storage {
    /// A storage that connects when it is first used.
    pub(crate) fn new(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Postgres(options) => {
                Self::Postgres(postgres::Postgres::new(options.as_ref().clone()))
            }
            DatabaseUrl::Sqlite(path) => Self::Sqlite(sqlite::Sqlite::new(path)),
        }
    }

    /// Record a new chat with the bot's first words.
    pub(crate) async fn start_chat(&self, greeting: &str) -> Result<Uuid, StorageError> {
        let chat = Uuid::new_v4();
        limited(async {
            match self {
                Self::Postgres(database) => database.start_chat(chat, greeting).await,
                Self::Sqlite(database) => database.start_chat(chat, greeting).await,
            }
        })
        .await?;
        Ok(chat)
    }

    /// Record what the person said and what the bot answered: both or neither.
    pub(crate) async fn add_exchange(
        &self,
        chat: Uuid,
        said: &str,
        reply: &str,
    ) -> Result<(), StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.add_exchange(chat, said, reply).await,
                Self::Sqlite(database) => database.add_exchange(chat, said, reply).await,
            }
        })
        .await
    }

    /// All messages of a chat, in order.
    pub(crate) async fn transcript(&self, chat: Uuid) -> Result<Vec<Recorded>, StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.transcript(chat).await,
                Self::Sqlite(database) => database.transcript(chat).await,
            }
        })
        .await
    }

    /// Whether the database answers about our tables, and isn't a PostgreSQL that refuses writes.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.check().await,
                Self::Sqlite(database) => database.check().await,
            }
        })
        .await
    }

    /// How the database's schema compares with what this program needs.
    pub(crate) async fn schema_state(&self) -> Result<SchemaState, StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.schema_state().await,
                Self::Sqlite(database) => database.schema_state().await,
            }
        })
        .await
    }

    /// Close all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(database) => database.close().await,
            Self::Sqlite(database) => database.close().await,
        }
    }
}

/// An operation that is given up when it takes too long; its connection is closed then, see [`lease`].
async fn limited<T>(
    operation: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    timeout(OPERATION_LIMIT, operation)
        .await
        .unwrap_or(Err(StorageError::TooSlow))
}
