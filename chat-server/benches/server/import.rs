//! The prototype's file into an empty database: rows per second of the whole command.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::Bench;
use crate::database::Database;
use crate::report::{Figure, Report, Series};
use crate::requests;
use crate::server;

const ROWS_PER_CHAT: usize = 30;
/// Chats that go on at the same time, so their rows alternate.
const CHATS_AT_A_TIME: usize = 100;
const FIRST_SECOND: usize = 1_700_000_000;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let help = server::program(&["import", "--help"]).output()?;
    ensure!(help.status.success(), "chat-server has no import yet");

    let rows = bench.effort.import_rows;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("prototype.db");
    generate(&file, rows).context("the file to import wasn't made")?;
    let file = file.to_str().context("a path that is no text")?;

    let mut speed = Series::default();
    for _ in 0..bench.effort.rounds {
        let database = Database::migrated(&bench.postgres).await?;
        database.settle().await?;
        let url = database.url();
        let arguments = ["import", "sqlite", file, "--database-url", &url];
        let started = Instant::now();
        let output = tokio::process::Command::from(server::program(&arguments))
            .kill_on_drop(true)
            .output()
            .await?;
        let seconds = started.elapsed().as_secs_f64();
        ensure!(
            output.status.success(),
            "import failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let imported: i64 = sqlx::query_scalar("SELECT count(*) FROM messages")
            .fetch_one(&mut database.connect().await)
            .await?;
        ensure!(
            imported == i64::from(rows),
            "{imported} of {rows} rows were imported"
        );
        speed.push(f64::from(rows) / seconds);
    }
    report.add([
        Figure::of("import_rows_per_s", "/s", &speed),
        Figure::one("import_rows", "", f64::from(rows)),
    ]);
    Ok(())
}

/// A file as the prototype leaves it.
fn generate(file: &Path, rows: u32) -> anyhow::Result<()> {
    let mut connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA synchronous = OFF;
         CREATE TABLE greetings (bot_replies TEXT);
         CREATE TABLE fallbacks (bot_replies TEXT);
         CREATE TABLE dialogues (user_says TEXT, bot_replies TEXT);
         CREATE TABLE messages (chat_id TEXT, time INTEGER, sender TEXT, text TEXT);",
    )?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare("INSERT INTO messages VALUES (?, ?, ?, ?)")?;
    let mut chats = Vec::new();
    for row in 0..usize::try_from(rows)? {
        if row % (CHATS_AT_A_TIME * ROWS_PER_CHAT) == 0 {
            chats = (0..CHATS_AT_A_TIME)
                .map(|_| Uuid::new_v4().to_string())
                .collect();
        }
        let sender = if (row / CHATS_AT_A_TIME).is_multiple_of(2) {
            "BOT"
        } else {
            "USER"
        };
        let chat = chats.get(row % CHATS_AT_A_TIME);
        let time = i64::try_from(FIRST_SECOND + row / 10)?;
        insert.execute(params![chat, time, sender, requests::text(row)])?;
    }
    drop(insert);
    transaction.commit()?;
    Ok(())
}
