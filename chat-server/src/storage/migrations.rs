//! The schema: which migrations there are, how they are applied, and whether this release can work on what a database
//! has. Each migration records the oldest release that still works on the schema it leaves: that is the contract by
//! which a release that was gone back to either works on a newer schema or is refused before anything is changed.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use semver::Version;
use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep, timeout};

use super::url::DatabaseUrl;
use super::{PoolLimits, Storage, StorageError};
use crate::outcome::Outcome;

static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");

const TABLE: &str = "_sqlx_migrations";
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long another `migrate`, or whoever else locks a table, is waited for.
const LOCK_LIMIT: Duration = Duration::from_mins(1);
const SQLITE_LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Asks for the migrations that a database has.
pub(super) const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";

/// Asks for the oldest release that works on the schema as it is.
pub(super) const OLDEST_RELEASE: &str =
    "SELECT oldest_release FROM schema_contract ORDER BY migration DESC LIMIT 1";

/// How a database's schema compares with what this release needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SchemaState {
    UpToDate,
    /// The migrations that are missing.
    Behind(Vec<i64>),
    /// A newer release has migrated it, in a way that this one still works on.
    Ahead,
    /// A newer release has migrated it in such a way that only this release, or a later one, works on it.
    TooNew(String),
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
    #[error("{0}")]
    Schema(SchemaState),
    #[error("cannot ask for the schema")]
    Look(#[source] StorageError),
}

/// What `migrate` did or would do: migrations as "version description".
#[derive(Debug)]
pub(crate) struct Report {
    migrations: Vec<String>,
    /// The last of all migrations that the database has then.
    schema_version: i64,
    dry_run: bool,
}

impl SchemaState {
    pub(super) fn of_postgres(applied: &[i64], oldest_release: Option<&str>) -> Self {
        Self::of(
            &versions(&POSTGRES),
            applied,
            oldest_release,
            env!("CARGO_PKG_VERSION"),
        )
    }

    pub(super) fn of_sqlite(applied: &[i64], oldest_release: Option<&str>) -> Self {
        Self::of(
            &versions(&SQLITE),
            applied,
            oldest_release,
            env!("CARGO_PKG_VERSION"),
        )
    }

    fn of(known: &[i64], applied: &[i64], oldest_release: Option<&str>, release: &str) -> Self {
        let is_missing = |version: &i64| !applied.contains(version);
        let missing: Vec<i64> = known.iter().copied().filter(is_missing).collect();
        let is_ahead = applied.iter().any(|it| !known.contains(it));
        match oldest_release {
            Some(oldest) if is_ahead && !is_at_least(release, oldest) => {
                Self::TooNew(oldest.to_owned())
            }
            _ if !missing.is_empty() => Self::Behind(missing),
            _ if is_ahead => Self::Ahead,
            _ => Self::UpToDate,
        }
    }

    /// What it is, without what to do: for those who know better.
    pub(crate) fn fact(&self) -> String {
        match self {
            Self::UpToDate => "the schema is up to date".to_owned(),
            Self::Behind(missing) => format!("the schema is {} migration(s) behind", missing.len()),
            Self::Ahead => {
                "the schema is that of a newer release, and this one works on it".to_owned()
            }
            Self::TooNew(oldest) => format!(
                "the schema is that of a newer release and needs chat-server {oldest} or later, this is {}",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }

    /// Whether this release can work on it.
    pub(crate) fn fits(&self) -> bool {
        matches!(self, Self::UpToDate | Self::Ahead)
    }
}

/// What it is and, if it doesn't fit, what to do.
impl fmt::Display for SchemaState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.fact())?;
        formatter.write_str(match self {
            Self::UpToDate | Self::Ahead => "",
            Self::Behind(_) => ": run `chat-server migrate` with the same database",
            Self::TooNew(_) => {
                ": run that release, or go back to a backup from before its migration"
            }
        })
    }
}

/// Whether a release is this one or a later one. What isn't a version is no release that anything works on.
fn is_at_least(release: &str, oldest: &str) -> bool {
    match (Version::parse(release), Version::parse(oldest)) {
        (Ok(release), Ok(oldest)) => release >= oldest,
        _ => false,
    }
}

fn versions(migrator: &Migrator) -> Vec<i64> {
    migrator.iter().map(|migration| migration.version).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.migrations.is_empty() {
            return formatter.write_str("nothing to do, the schema is up to date");
        }
        let verb = if self.dry_run {
            "would apply"
        } else {
            "applied"
        };
        write!(formatter, "{verb} {}", self.migrations.join(", "))
    }
}

impl From<Report> for Outcome {
    fn from(report: Report) -> Self {
        Self::told(&report.to_string()).of_migrations(report.migrations, report.schema_version)
    }
}

/// How the schema compares with what this release needs.
pub(crate) async fn schema_state(url: &DatabaseUrl) -> Result<SchemaState, StorageError> {
    let storage = Storage::new(url, PoolLimits::COMMAND);
    let state = storage.schema_state().await;
    storage.close().await;
    state
}

/// Which migrations the database doesn't have, if this release can work on it.
pub(crate) async fn dry_run(url: &DatabaseUrl) -> Result<Report, MigrationError> {
    let migrator = match url {
        DatabaseUrl::Postgres(_) => &POSTGRES,
        DatabaseUrl::Sqlite(_) => &SQLITE,
    };
    let missing = match schema_state(url).await.map_err(MigrationError::Look)? {
        SchemaState::Behind(missing) => missing,
        state @ SchemaState::TooNew(_) => return Err(MigrationError::Schema(state)),
        SchemaState::UpToDate | SchemaState::Ahead => Vec::new(),
    };
    let is_missing = |migration: &&Migration| missing.contains(&migration.version);
    Ok(Report {
        migrations: migrator.iter().filter(is_missing).map(name).collect(),
        schema_version: versions(migrator).into_iter().max().unwrap_or_default(),
        dry_run: true,
    })
}

/// Apply the migrations that the database doesn't have. Never twice at once: another `migrate` is waited for. A schema
/// that this release can't work on is left alone.
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
    refuse_newer(&DatabaseUrl::Postgres(Box::new(options))).await?;
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
    refuse_newer(&DatabaseUrl::Sqlite(path.to_owned())).await?;
    let report = apply(&SQLITE, &mut *transaction).await?;
    transaction.commit().await.map_err(MigrationError::Commit)?;
    connection.close().await.map_err(MigrationError::Commit)?;
    Ok(report)
}

/// Go no further on a schema that this release can't work on.
async fn refuse_newer(url: &DatabaseUrl) -> Result<(), MigrationError> {
    match schema_state(url).await.map_err(MigrationError::Look)? {
        state @ SchemaState::TooNew(_) => Err(MigrationError::Schema(state)),
        _ => Ok(()),
    }
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
    let is_new = |migration: &&Migration| {
        before
            .iter()
            .all(|earlier| earlier.version != migration.version)
    };
    let earlier = before.iter().map(|earlier| earlier.version);
    Ok(Report {
        migrations: migrator.iter().filter(is_new).map(name).collect(),
        schema_version: earlier.chain(versions(&migrator)).max().unwrap_or_default(),
        dry_run: false,
    })
}

fn name(migration: &Migration) -> String {
    format!("{} {}", migration.version, migration.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(applied: &[i64], oldest_release: Option<&str>) -> SchemaState {
        SchemaState::of(&[1, 2, 3], applied, oldest_release, "0.2.0")
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(state(&[], None), SchemaState::Behind(vec![1, 2, 3]));
        assert_eq!(state(&[1], None), SchemaState::Behind(vec![2, 3]));
        assert_eq!(state(&[1, 2, 3], Some("0.1.0")), SchemaState::UpToDate);
    }

    #[test]
    fn a_newer_schema_is_worked_on_if_its_contract_lets_this_release() {
        assert_eq!(state(&[1, 2, 3, 4], Some("0.1.0")), SchemaState::Ahead);
        assert_eq!(state(&[1, 2, 3, 4], Some("0.2.0")), SchemaState::Ahead);
        for oldest in ["0.2.1", "0.3.0", "0.10.0", "1.0.0"] {
            assert_eq!(
                state(&[1, 2, 3, 4], Some(oldest)),
                SchemaState::TooNew(oldest.to_owned())
            );
        }
    }

    #[test]
    fn a_contract_that_is_no_version_lets_nobody() {
        assert_eq!(
            state(&[1, 2, 3, 4], Some("next")),
            SchemaState::TooNew("next".to_owned())
        );
    }

    #[test]
    fn a_schema_of_another_branch_is_behind_or_too_new_never_fit() {
        assert_eq!(
            state(&[1, 3, 4], Some("0.1.0")),
            SchemaState::Behind(vec![2])
        );
        assert_eq!(
            state(&[1, 3, 4], Some("0.3.0")),
            SchemaState::TooNew("0.3.0".to_owned())
        );
    }

    #[test]
    fn the_oldest_release_of_the_last_migration_is_not_newer_than_this_one() {
        for migrator in [&POSTGRES, &SQLITE] {
            for migration in migrator.iter().filter(|migration| migration.version > 1) {
                let sql = migration.sql.as_str();
                let (_, values) = sql
                    .split_once("INSERT INTO schema_contract VALUES")
                    .unwrap_or_else(|| panic!("{} has no contract", migration.version));
                let row = format!("({}, '", migration.version);
                let (_, oldest) = values
                    .split_once(&row)
                    .unwrap_or_else(|| panic!("{} has no contract of its own", migration.version));
                let oldest = oldest.split('\'').next().expect("a text");
                assert!(is_at_least(env!("CARGO_PKG_VERSION"), oldest), "{oldest}");
            }
        }
    }
}
