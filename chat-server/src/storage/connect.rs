//! One connection for a command that runs beside the servers: `import`, `export`, `purge`, `unanswered`. Such work takes
//! as long as it takes, so it has none of the server's limits. It needs a schema that fits.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::StorageError;
use super::migrations::{SchemaState, schema_state};
use super::url::DatabaseUrl;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long another writer of an SQLite file is waited for.
pub(crate) const SQLITE_LOCK_LIMIT: Duration = Duration::from_mins(1);

/// Why there is no connection to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the database: {0}")]
    Schema(SchemaState),
    #[error("cannot look at the database's schema")]
    Look(#[source] StorageError),
    #[error("no connection to the database within {CONNECT_LIMIT:?}")]
    Timeout,
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
}

/// A connection to the database.
pub(crate) enum Connection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Connect to a database whose schema fits.
pub(crate) async fn connect(url: &DatabaseUrl) -> Result<Connection, ConnectError> {
    require_schema(url).await?;
    Ok(match url {
        DatabaseUrl::Postgres(options) => Connection::Postgres(connect_postgres(options).await?),
        DatabaseUrl::Sqlite(path) => Connection::Sqlite(connect_sqlite(path).await?),
    })
}

/// Refuse a schema that this release can't work on.
pub(crate) async fn require_schema(url: &DatabaseUrl) -> Result<(), ConnectError> {
    match schema_state(url).await.map_err(ConnectError::Look)? {
        state if state.fits() => Ok(()),
        state => Err(ConnectError::Schema(state)),
    }
}

pub(crate) async fn connect_postgres(
    options: &PgConnectOptions,
) -> Result<PgConnection, ConnectError> {
    // That a statement takes long is no news here.
    let options = options.clone().disable_statement_logging();
    timeout(CONNECT_LIMIT, options.connect())
        .await
        .map_err(|_| ConnectError::Timeout)?
        .map_err(ConnectError::Connect)
}

async fn connect_sqlite(path: &Path) -> Result<SqliteConnection, ConnectError> {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(SQLITE_LOCK_LIMIT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(ConnectError::Connect)
}

impl Connection {
    /// Say goodbye, so that nothing of the work is left in a buffer.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => connection.close().await,
            Self::Sqlite(connection) => connection.close().await,
        }
    }
}
