//! The content that was applied to the database: replacing it, reading it, and hearing that it may have changed. The
//! YAML is kept as it was given; what it says is [`crate::content`]'s business.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, FromRow as _, Row as _};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::lease::Lease;
use super::postgres::{Postgres, Session};
use super::sqlite::Sqlite;
use super::{ACQUIRE_LIMIT, Storage, StorageError, limited};

/// How often is looked where nothing tells of changes.
const POLL: Duration = Duration::from_secs(1);
/// How often is looked although changes are told: also how soon a connection is noticed that leads nowhere any more.
const POLL_BEHIND: Duration = Duration::from_secs(5);

const CHANNEL: &str = "content";

/// As what the listening connection is known to PostgreSQL.
const LISTENER: &str = "chat-server content";

const CURRENT: &str = "SELECT version, yaml FROM content";

const CURRENT_AND_IS_READ_ONLY: &str = "
    SELECT current_setting('transaction_read_only') = 'on' AS is_read_only, version, yaml
    FROM (SELECT) AS nothing LEFT JOIN content ON true";

// Readers go on, other writers wait.
const LOCK: &str = "LOCK TABLE content IN SHARE ROW EXCLUSIVE MODE";

const NOTIFY: &str = "SELECT pg_notify($1, $2::text)";

// Both databases understand it. The key is named, because SQLite numbers an INTEGER PRIMARY KEY whatever its default.
const REPLACE: &str = "
    INSERT INTO content (only_row, version, yaml) VALUES (true, $1, $2)
    ON CONFLICT (only_row) DO UPDATE
    SET version = excluded.version, yaml = excluded.yaml, applied_at = excluded.applied_at";

// Both databases understand it.
const CLEAR: &str = "DELETE FROM content RETURNING version";

/// Content as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct AppliedContent {
    pub(crate) version: i64,
    pub(crate) yaml: String,
}

/// What applying content did.
#[derive(Debug)]
pub(crate) enum Application {
    /// The very same text was in force: nothing was written.
    Unchanged { version: i64 },
    Replaced {
        version: i64,
        former: Option<AppliedContent>,
    },
}

impl Storage {
    /// The content that was applied last, if any.
    pub(crate) async fn content(&self) -> Result<Option<AppliedContent>, StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.content().await,
                Self::Sqlite(database) => database.content().await,
            }
        })
        .await
    }

    /// Replace the content as a whole, in one transaction. Of two at once, one waits for the other.
    pub(crate) async fn apply_content(&self, yaml: &str) -> Result<Application, StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.apply_content(yaml).await,
                Self::Sqlite(database) => database.apply_content(yaml).await,
            }
        })
        .await
    }

    /// Remove the content, and say which version it was.
    pub(crate) async fn clear_content(&self) -> Result<Option<i64>, StorageError> {
        limited(async {
            match self {
                Self::Postgres(database) => database.clear_content().await,
                Self::Sqlite(database) => database.clear_content().await,
            }
        })
        .await
    }
}

impl Application {
    fn of(yaml: &str, former: Option<AppliedContent>) -> Self {
        match former {
            Some(former) if former.yaml == yaml => Self::Unchanged {
                version: former.version,
            },
            former => Self::Replaced {
                version: former
                    .as_ref()
                    .map_or(1, |former| former.version.saturating_add(1)),
                former,
            },
        }
    }
}

/// Where changes of the content are heard of.
pub(crate) struct ContentChanges<'a> {
    storage: &'a Storage,
    listener: Option<Listener>,
}

impl<'a> ContentChanges<'a> {
    pub(crate) fn of(storage: &'a Storage) -> Self {
        Self {
            storage,
            listener: None,
        }
    }

    /// Wait until the content may have changed, at most a few seconds, and read it.
    pub(crate) async fn next(&mut self) -> Result<Option<AppliedContent>, StorageError> {
        // Through a pooler nothing is told.
        if let Storage::Postgres(database) = self.storage
            && !database.is_behind_pooler()
        {
            if let Some(listener) = &mut self.listener {
                match listener.next().await {
                    Ok(content) => return Ok(content),
                    Err(error) => {
                        tracing::debug!(%error, "no longer told of changes of the content");
                    }
                }
                self.listener = None;
            }
            match Listener::connect(database).await {
                Ok((listener, content)) => {
                    self.listener = Some(listener);
                    return Ok(content);
                }
                Err(error) => tracing::debug!(%error, "not told of changes of the content"),
            }
        }
        sleep(POLL).await;
        self.storage.content().await
    }
}

/// A connection on which PostgreSQL tells of changes. It is none of the pool's, so it takes none from the requests and
/// nobody waits for its end.
struct Listener {
    listener: PgListener,
    /// Tells when the address and the password with which it was made aren't in use any more.
    changes: watch::Receiver<u64>,
}

impl Listener {
    /// Listen, and read what may have changed before.
    async fn connect(database: &Postgres) -> Result<(Self, Option<AppliedContent>), StorageError> {
        let (options, changes) = database.outside();
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_LIMIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.application_name(LISTENER));
        limited(async {
            let mut listener = PgListener::connect_with(&own).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            let mut listener = Self { listener, changes };
            let content = listener.read().await?;
            Ok((listener, content))
        })
        .await
    }

    /// Wait for news, or for the time to look without, and read. After an error this listener is of no more use.
    async fn next(&mut self) -> Result<Option<AppliedContent>, StorageError> {
        let lost = || sqlx::Error::Io(io::ErrorKind::ConnectionAborted.into());
        tokio::select! {
            _ = self.changes.changed() => return Err(lost().into()),
            news = timeout(POLL_BEHIND, self.listener.try_recv()) => {
                if let Ok(news) = news {
                    news?.ok_or_else(lost)?;
                }
            }
        }
        // What was told until now is answered by one look.
        while self.listener.next_buffered().is_some() {}
        limited(self.read()).await
    }

    /// A server that became read-only was demoted: the new primary won't tell its news here.
    async fn read(&mut self) -> Result<Option<AppliedContent>, StorageError> {
        let current: Current = sqlx::query_as(CURRENT_AND_IS_READ_ONLY)
            .fetch_one(&mut self.listener)
            .await?;
        if current.is_read_only {
            return Err(StorageError::ReadOnly);
        }
        Ok(current.content())
    }
}

impl Postgres {
    async fn content(&self) -> Result<Option<AppliedContent>, StorageError> {
        let mut session = self.session().await?;
        let row = session
            .query(CURRENT_AND_IS_READ_ONLY)
            .fetch_one(session.connection()?)
            .await;
        match row.and_then(|row| Current::from_row(&row)) {
            // The next connection may find the new primary.
            Ok(current) if current.is_read_only => {
                session.end_demoted();
                Ok(current.content())
            }
            outcome => session.end(outcome).await.map(Current::content),
        }
    }

    async fn apply_content(&self, yaml: &str) -> Result<Application, StorageError> {
        let mut session = self.session().await?;
        session.begin().await?;
        let outcome = apply_postgres(&mut session, yaml).await;
        session.end(outcome).await
    }

    async fn clear_content(&self) -> Result<Option<i64>, StorageError> {
        let mut session = self.session().await?;
        session.begin().await?;
        let outcome = clear_postgres(&mut session).await;
        session.end(outcome).await
    }
}

impl Sqlite {
    async fn content(&self) -> Result<Option<AppliedContent>, StorageError> {
        let mut lease = Lease::take(&self.pool()).await?;
        let content = sqlx::query_as(CURRENT)
            .fetch_optional(lease.connection())
            .await;
        lease.end(content)
    }

    async fn apply_content(&self, yaml: &str) -> Result<Application, StorageError> {
        let mut lease = Lease::take(&self.pool()).await?;
        let outcome = apply_sqlite(lease.connection(), yaml).await;
        lease.end(outcome)
    }

    async fn clear_content(&self) -> Result<Option<i64>, StorageError> {
        let mut lease = Lease::take(&self.pool()).await?;
        let outcome = sqlx::query_scalar(CLEAR)
            .fetch_optional(lease.connection())
            .await;
        lease.end(outcome)
    }
}

/// The content, and whether the server that has it is read-only.
#[derive(sqlx::FromRow)]
struct Current {
    is_read_only: bool,
    version: Option<i64>,
    yaml: Option<String>,
}

impl Current {
    fn content(self) -> Option<AppliedContent> {
        let (version, yaml) = self.version.zip(self.yaml)?;
        Some(AppliedContent { version, yaml })
    }
}

async fn apply_postgres(session: &mut Session, yaml: &str) -> Result<Application, sqlx::Error> {
    session.query(LOCK).execute(session.connection()?).await?;
    let former = session
        .query(CURRENT)
        .fetch_optional(session.connection()?)
        .await?
        .map(|row| AppliedContent::from_row(&row))
        .transpose()?;
    let application = Application::of(yaml, former);
    if let Application::Replaced { version, .. } = application {
        session
            .query(REPLACE)
            .bind(version)
            .bind(yaml)
            .execute(session.connection()?)
            .await?;
        session
            .query(NOTIFY)
            .bind(CHANNEL)
            .bind(version)
            .execute(session.connection()?)
            .await?;
    }
    Ok(application)
}

async fn clear_postgres(session: &mut Session) -> Result<Option<i64>, sqlx::Error> {
    session.query(LOCK).execute(session.connection()?).await?;
    let version: Option<i64> = session
        .query(CLEAR)
        .fetch_optional(session.connection()?)
        .await?
        .map(|row| row.try_get(0))
        .transpose()?;
    session
        .query(NOTIFY)
        .bind(CHANNEL)
        .bind(version.unwrap_or_default())
        .execute(session.connection()?)
        .await?;
    Ok(version)
}

/// As with PostgreSQL; a write from the start, because a lock that is asked for later can't be waited for.
async fn apply_sqlite(
    connection: &mut SqliteConnection,
    yaml: &str,
) -> Result<Application, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let former = sqlx::query_as(CURRENT)
        .fetch_optional(&mut *transaction)
        .await?;
    let application = Application::of(yaml, former);
    if let Application::Replaced { version, .. } = application {
        sqlx::query(REPLACE)
            .bind(version)
            .bind(yaml)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(application)
}
