//! pgbench: what the database does by itself, with a script of ours.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use crate::database::Database;
use crate::postgres;

const THREADS: &str = "2";

/// A script of pgbench's language, in a file.
pub(crate) struct Script {
    file: NamedTempFile,
}

impl Script {
    pub(crate) fn new(text: &str) -> anyhow::Result<Self> {
        let mut file = NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Ok(Self { file })
    }

    /// Transactions per second.
    pub(crate) async fn run(
        &self,
        database: &Database<'_>,
        clients: usize,
        duration: Duration,
    ) -> anyhow::Result<f64> {
        let output = tokio::process::Command::new(postgres::program("pgbench"))
            .args(["--no-vacuum", "--protocol=prepared", "--define=ready=0"])
            .args(["--jobs", THREADS, "--client", &clients.to_string()])
            .args(["--time", &duration.as_secs().max(1).to_string()])
            .arg("--file")
            .arg(self.file.path())
            .arg(database.url())
            .kill_on_drop(true)
            .output()
            .await
            .context("pgbench doesn't run")?;
        anyhow::ensure!(
            output.status.success(),
            "pgbench: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8_lossy(&output.stdout);
        let per_second = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        // It says nothing when it wasn't done with a single one.
        Ok(per_second.unwrap_or_default())
    }
}
