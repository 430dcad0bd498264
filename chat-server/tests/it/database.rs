//! An empty database for one test, in either storage, and a look into it past the server.

use std::path::PathBuf;
use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::postgres::Postgres;
use crate::program;

/// The PostgreSQL that most tests share; each has its own database in it.
static SHARED: OnceLock<Postgres> = OnceLock::new();

pub(crate) enum Database {
    Sqlite { directory: TempDir },
    Postgres { name: String },
}

/// A connection of the test's own.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) async fn postgres() -> Self {
        let postgres = tokio::task::spawn_blocking(|| SHARED.get_or_init(Postgres::start))
            .await
            .expect("it starts");
        Self::Postgres {
            name: postgres.create_database().await,
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite { .. } => format!("sqlite://{}", self.file().display()),
            Self::Postgres { name } => shared().url(name),
        }
    }

    pub(crate) async fn connect(&self) -> Connection {
        match self {
            Self::Sqlite { .. } => {
                let options: sqlx::sqlite::SqliteConnectOptions =
                    self.url().parse().expect("a valid URL");
                Connection::Sqlite(options.connect().await.expect("the file opens"))
            }
            Self::Postgres { name } => Connection::Postgres(shared().connect(name).await),
        }
    }

    /// The file of an SQLite database.
    pub(crate) fn file(&self) -> PathBuf {
        let Self::Sqlite { directory } = self else {
            unreachable!("PostgreSQL has no file");
        };
        directory.path().join("chat.db")
    }

    /// The types of ids and times, for casts, and the present time as the schema writes it.
    pub(crate) fn id_type(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "text",
            Self::Postgres { .. } => "uuid",
        }
    }

    pub(crate) fn time_type(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "text",
            Self::Postgres { .. } => "timestamptz",
        }
    }

    pub(crate) fn now(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
            Self::Postgres { .. } => "clock_timestamp()",
        }
    }

    pub(crate) fn migrate(&self) {
        program::migrate(&self.url()).expect_success();
    }

    /// The id of a new chat with 32 MB of messages, which is more than the system keeps for a connection.
    pub(crate) async fn long_chat(&self) -> &'static str {
        const CHAT: &str = "INSERT INTO chats (id) VALUES ('00000000-0000-4000-8000-000000000000')";
        const MESSAGES: &str = "
            WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 8000)
            INSERT INTO messages (chat_id, sender, body)
            SELECT '00000000-0000-4000-8000-000000000000', 'USER', replace(hex(zeroblob(2000)), '0', 'x') FROM numbers";
        self.migrate();
        let mut connection = self.connect().await;
        connection.execute(CHAT).await;
        connection.execute(MESSAGES).await;
        "00000000-0000-4000-8000-000000000000"
    }

    /// The first column of what a query finds.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        match self.connect().await {
            Connection::Sqlite(mut connection) => {
                sqlx::query_scalar(query).fetch_all(&mut connection).await
            }
            Connection::Postgres(mut connection) => {
                sqlx::query_scalar(query).fetch_all(&mut connection).await
            }
        }
        .expect("rows")
    }

    /// Everything that anybody said in any chat, as "sender: text".
    pub(crate) async fn said(&self) -> Vec<String> {
        self.texts("SELECT sender || ': ' || body FROM messages ORDER BY id")
            .await
    }
}

impl Connection {
    pub(crate) async fn execute(&mut self, statement: &'static str) {
        self.try_execute(statement)
            .await
            .expect("the statement succeeds");
    }

    pub(crate) async fn try_execute(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(statement)
                .execute(connection)
                .await
                .map(|_| ()),
            Self::Postgres(connection) => sqlx::raw_sql(statement)
                .execute(connection)
                .await
                .map(|_| ()),
        }
    }
}

fn shared() -> &'static Postgres {
    SHARED.get().expect("the test's database is in it")
}
