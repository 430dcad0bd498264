//! Where chats are kept: what can be done with them, on whichever database the URL picked. It decides how long any of
//! it may take; the SQL is in [`postgres`] and [`sqlite`], the schema in [`migrations`], and whether a connection may
//! be used again in [`lease`].

pub(crate) mod connect;
pub(crate) mod content;
mod error;
mod lease;
pub(crate) mod migrations;
mod postgres;
mod sqlite;
pub(crate) mod url;
pub(crate) mod url_file;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::Instrument as _;
use uuid::Uuid;

use self::migrations::SchemaState;
pub(crate) use self::postgres::pool::{MIN_CONNECTIONS, PoolLimits};
use self::url::DatabaseUrl;
use crate::telemetry::traces;

/// The longest that one operation takes, waiting for a connection included.
const OPERATION_LIMIT: Duration = Duration::from_secs(4);
/// The longest wait for a connection: less than the whole, so that the error says which of the two was slow.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);
/// The longest that the database itself works on a statement or waits for a lock.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// Why the storage didn't do what was asked. When a write fails with anything but [`StorageError::UnknownChat`],
/// it isn't known whether it was done.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("there is no such chat")]
    UnknownChat,
    #[error("the database is read-only")]
    ReadOnly,
    #[error("the database took longer than {OPERATION_LIMIT:?}")]
    TooSlow,
    #[error("too many messages wait for the database")]
    TooMany,
    /// Shared, because requests that were written together fail together.
    #[error(transparent)]
    Database(Arc<sqlx::Error>),
}

/// Why a new database URL isn't used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    #[error("it names another kind of database: that takes a restart")]
    OtherKind,
    #[error("the database there: {0}")]
    Schema(SchemaState),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a person said and the bot answers, to be recorded together.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) chat: Uuid,
    pub(crate) said: String,
    pub(crate) reply: String,
    /// Under one key a chat records one exchange, however often it is sent.
    pub(crate) key: Option<Uuid>,
}

/// What became of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// Both rows are committed.
    Done,
    /// It was recorded before under its key, with this reply.
    Before(String),
    /// Another text was recorded under its key.
    OtherText,
    UnknownChat,
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolStatus {
    pub(crate) idle: u32,
    pub(crate) used: u32,
    pub(crate) max: u32,
}

impl PoolStatus {
    fn of(pool: &sqlx::SqlitePool) -> Self {
        let size = pool.size();
        // Both numbers move while they are read.
        let idle = u32::try_from(pool.num_idle()).unwrap_or(size).min(size);
        Self {
            idle,
            used: size - idle,
            max: pool.options().get_max_connections(),
        }
    }
}

/// A message as it is kept.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Recorded {
    pub(crate) id: i64,
    pub(crate) sent_at: OffsetDateTime,
    #[sqlx(try_from = "String")]
    pub(crate) sender: Sender,
    pub(crate) body: String,
}

/// Who said something. The schema lets nobody else in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    User,
    Bot,
}

/// A sender that is neither `USER` nor `BOT`.
#[derive(Debug, thiserror::Error)]
#[error("sender must be USER or BOT")]
pub(crate) struct UnknownSender;

impl Sender {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Bot => "BOT",
        }
    }
}

impl TryFrom<&str> for Sender {
    type Error = UnknownSender;

    fn try_from(text: &str) -> Result<Self, UnknownSender> {
        match text {
            "USER" => Ok(Self::User),
            "BOT" => Ok(Self::Bot),
            _ => Err(UnknownSender),
        }
    }
}

impl TryFrom<String> for Sender {
    type Error = UnknownSender;

    fn try_from(text: String) -> Result<Self, UnknownSender> {
        text.as_str().try_into()
    }
}

/// The database. What is done on SQLite is boxed below: these futures are large, and a request would carry them with
/// PostgreSQL, too.
pub(crate) enum Storage {
    Postgres(postgres::Postgres),
    Sqlite(sqlite::Sqlite),
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl Storage {
    /// A storage that connects when it is first used, to PostgreSQL within these limits.
    pub(crate) fn new(url: &DatabaseUrl, limits: PoolLimits) -> Self {
        match url {
            DatabaseUrl::Postgres(options) => {
                Self::Postgres(postgres::Postgres::new(options.as_ref().clone(), limits))
            }
            DatabaseUrl::Sqlite(path) => Self::Sqlite(sqlite::Sqlite::new(path)),
        }
    }

    /// Go over to another URL without failing a request, if the database there can be used.
    pub(crate) async fn replace(&self, url: &DatabaseUrl) -> Result<(), ReplaceError> {
        match (self, url) {
            (Self::Postgres(database), DatabaseUrl::Postgres(options)) => {
                database.replace(options.as_ref().clone()).await
            }
            _ => Err(ReplaceError::OtherKind),
        }
    }

    /// Record a new chat with the bot's first words.
    pub(crate) async fn start_chat(&self, greeting: &str) -> Result<Uuid, StorageError> {
        let chat = Uuid::new_v4();
        self.limited("start_chat", async {
            match self {
                Self::Postgres(database) => database.start_chat(chat, greeting).await,
                Self::Sqlite(database) => Box::pin(database.start_chat(chat, greeting)).await,
            }
        })
        .await?;
        Ok(chat)
    }

    /// Record what the person said and what the bot answers: both or neither.
    pub(crate) async fn add_exchange(&self, exchange: Exchange) -> Result<Recording, StorageError> {
        self.limited("add_exchange", async {
            match self {
                Self::Postgres(database) => database.add_exchange(exchange).await,
                Self::Sqlite(database) => Box::pin(database.add_exchange(exchange)).await,
            }
        })
        .await
    }

    /// All messages of a chat, in order.
    pub(crate) async fn transcript(&self, chat: Uuid) -> Result<Vec<Recorded>, StorageError> {
        self.limited("transcript", async {
            match self {
                Self::Postgres(database) => database.transcript(chat).await,
                Self::Sqlite(database) => Box::pin(database.transcript(chat)).await,
            }
        })
        .await
    }

    /// Forget a chat and all its messages.
    pub(crate) async fn delete_chat(&self, chat: Uuid) -> Result<(), StorageError> {
        self.limited("delete_chat", async {
            match self {
                Self::Postgres(database) => database.delete_chat(chat).await,
                Self::Sqlite(database) => Box::pin(database.delete_chat(chat)).await,
            }
        })
        .await
    }

    /// Whether the database answers about our tables, and isn't a PostgreSQL that refuses writes.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        self.limited("check", async {
            match self {
                Self::Postgres(database) => database.check().await,
                Self::Sqlite(database) => Box::pin(database.check()).await,
            }
        })
        .await
    }

    /// How the database's schema compares with what this program needs.
    pub(crate) async fn schema_state(&self) -> Result<SchemaState, StorageError> {
        self.limited("schema_state", async {
            match self {
                Self::Postgres(database) => database.schema_state().await,
                Self::Sqlite(database) => Box::pin(database.schema_state()).await,
            }
        })
        .await
    }

    /// Close all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(database) => database.close(),
            Self::Sqlite(database) => database.close().await,
        }
    }

    /// What its connections do right now.
    pub(crate) fn pool_status(&self) -> PoolStatus {
        match self {
            Self::Postgres(database) => database.pool_status(),
            Self::Sqlite(database) => database.pool_status(),
        }
    }

    /// An operation, in a span of its own where traces are sent.
    async fn limited<T>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let system = match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        };
        let span = traces::database_span(name, system);
        let outcome = limited(operation.instrument(span.clone())).await;
        if let Err(error) = &outcome
            && !matches!(error, StorageError::UnknownChat)
        {
            traces::database_failed(&span, error.class());
        }
        outcome
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
