//! A migrated database for one measurement, and what PostgreSQL says about itself.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::postgres::Postgres;
use crate::server;

pub(crate) struct Database<'a> {
    postgres: &'a Postgres,
    name: String,
}

impl<'a> Database<'a> {
    /// A new database with the schema in it.
    pub(crate) async fn migrated(postgres: &'a Postgres) -> anyhow::Result<Self> {
        let name = postgres.create_database().await;
        let database = Self { postgres, name };
        let migrated = server::program(&["migrate", "--database-url", &database.url()])
            .output()
            .context("chat-server doesn't run")?;
        anyhow::ensure!(
            migrated.status.success(),
            "migrate failed: {}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        Ok(database)
    }

    pub(crate) fn url(&self) -> String {
        self.postgres.url(&self.name)
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        self.postgres.connect(&self.name).await
    }

    pub(crate) async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut self.connect().await)
            .await
            .with_context(|| format!("{statement} failed"))?;
        Ok(())
    }

    /// Begin a run as all others: nothing to clean up, everything written.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        self.execute("VACUUM (ANALYZE) messages").await?;
        self.execute("CHECKPOINT").await
    }
}

/// Its version and what makes a commit durable.
pub(crate) async fn describe(postgres: &Postgres) -> Vec<(&'static str, String)> {
    let settings: Result<(String, String, String, String), _> = sqlx::query_as(
        "SELECT current_setting('server_version'), current_setting('wal_sync_method'),
                current_setting('fsync'), current_setting('synchronous_commit')",
    )
    .fetch_one(&mut postgres.connect("postgres").await)
    .await;
    match settings {
        Ok((version, method, fsync, commit)) => vec![
            ("PostgreSQL", version),
            (
                "durability",
                format!("fsync {fsync} ({method}), synchronous_commit {commit}"),
            ),
        ],
        Err(error) => vec![("PostgreSQL", error.to_string())],
    }
}
