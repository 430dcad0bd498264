//! The schema: which migrations there are, how they are applied, and whether a database has all of them. A schema that
//! is ahead of this program is fine, because changes within one release only add.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep, timeout};

use super::url::DatabaseUrl;

static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");

const TABLE: &str = "_sqlx_migrations";
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long another `migrate`, or whoever else locks a table, is waited for.
const LOCK_LIMIT: Duration = Duration::from_mins(1);
const SQLITE_LOCK_PAUSE: Duration = Duration::from_millis(50);

/// How a database's schema compares with what this program needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SchemaState {
    UpToDate,
    /// The number of migrations that are missing.
    Behind(usize),
}

/// Why a database couldn't be migrated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrationError {
    #[error("no connection within {CONNECT_LIMIT:?}")]
    ConnectTimeout,
    #[error(transparent)]
    Connect(sqlx::Error),
    #[error("could not lock out other migrations, after waiting at most {LOCK_LIMIT:?}")]
    Lock(#[source] MigrateError),
    #[error(transparent)]
    Apply(#[from] MigrateError),
    #[error(transparent)]
    Commit(sqlx::Error),
}

/// What `migrate` did: the migrations it applied, as "version description".
#[derive(Debug)]
pub(crate) struct Report {
    applied: Vec<String>,
}

impl SchemaState {
    pub(super) fn of_postgres(applied: &[i64]) -> Self {
        Self::of(&POSTGRES, applied)
    }

    pub(super) fn of_sqlite(applied: &[i64]) -> Self {
        Self::of(&SQLITE, applied)
    }

    fn of(migrator: &Migrator, applied: &[i64]) -> Self {
        match migrator
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .count()
        {
            0 => Self::UpToDate,
            missing => Self::Behind(missing),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.applied.is_empty() {
            return formatter.write_str("nothing to do, the schema is up to date");
        }
        write!(formatter, "applied {}", self.applied.join(", "))
    }
}

/// Apply the migrations that the database doesn't have. Never twice at once: another `migrate` is waited for.
pub(crate) async fn migrate(url: &DatabaseUrl) -> Result<Report, MigrationError> {
    match url {
        DatabaseUrl::Postgres(options) => migrate_postgres(options).await,
        DatabaseUrl::Sqlite(path) => migrate_sqlite(path).await,
    }
}

async fn migrate_postgres(options: &PgConnectOptions) -> Result<Report, MigrationError> {
    let options = options
        .clone()
        .application_name("chat-server migrate")
        .options([("lock_timeout", format!("{}ms", LOCK_LIMIT.as_millis()))]);
    let mut connection: PgConnection = timeout(CONNECT_LIMIT, options.connect())
        .await
        .map_err(|_| MigrationError::ConnectTimeout)?
        .map_err(MigrationError::Connect)?;
    // sqlx's advisory lock; it ends with the session, so also when this process dies.
    connection.lock().await.map_err(MigrationError::Lock)?;
    let report = apply(&POSTGRES, &mut connection).await?;
    connection.unlock().await?;
    connection.close().await.map_err(MigrationError::Commit)?;
    Ok(report)
}

async fn migrate_sqlite(path: &Path) -> Result<Report, MigrationError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(LOCK_LIMIT);
    let mut connection: SqliteConnection =
        options.connect().await.map_err(MigrationError::Connect)?;
    write_ahead(&mut connection)
        .await
        .map_err(|error| MigrationError::Lock(error.into()))?;
    // SQLite has no advisory locks, but a transaction that is a write from its start keeps others out.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(|error| MigrationError::Lock(error.into()))?;
    let report = apply(&SQLITE, &mut *transaction).await?;
    transaction.commit().await.map_err(MigrationError::Commit)?;
    connection.close().await.map_err(MigrationError::Commit)?;
    Ok(report)
}

/// Turn on write-ahead logging, so that readers and the writer don't wait for each other. The file remembers it. SQLite
/// doesn't wait for the lock that the change needs, so it is asked for again while another `migrate` has it.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
        {
            Err(sqlx::Error::Database(error))
                if is_busy(error.code().as_deref()) && Instant::now() < deadline =>
            {
                sleep(SQLITE_LOCK_PAUSE).await;
            }
            outcome => return outcome.map(|_| ()),
        }
    }
}

/// Whether an SQLite error code, possibly an extended one, is `SQLITE_BUSY`.
fn is_busy(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// Apply what is missing on a connection that has locked out all others.
async fn apply<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<Report, MigrateError> {
    connection.ensure_migrations_table(TABLE).await?;
    let before = connection.list_applied_migrations(TABLE).await?;
    let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
    migrator.set_ignore_missing(true).set_locking(false);
    migrator.run_direct(None, connection, false).await?;
    let applied = migrator
        .iter()
        .filter(|migration| {
            before
                .iter()
                .all(|earlier| earlier.version != migration.version)
        })
        .map(|migration| format!("{} {}", migration.version, migration.description))
        .collect();
    Ok(Report { applied })
}
