//! `import sqlite`: files as the prototype writes them, and what becomes of them.

mod again;
mod beside;
mod bot_lines;
mod crash;
mod files;
mod fuzz;
mod rows;
mod verify;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rusqlite::types::Value;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::database::Database;
use crate::program::{self, Finished};

const CHAT: &str = "0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11";
const OTHER: &str = "7e0e6c3a-9d55-4a0d-9a4c-6f1d2b3c4d5e";

/// The prototype's file.
struct Prototype {
    directory: TempDir,
}

impl Prototype {
    fn new() -> Self {
        let prototype = Self::without_tables();
        prototype.execute(
            "CREATE TABLE greetings (bot_replies);
             CREATE TABLE fallbacks (bot_replies);
             CREATE TABLE dialogues (user_says, bot_replies);
             CREATE TABLE messages (chat_id TEXT, time INTEGER, sender TEXT, text TEXT);",
        );
        prototype
    }

    fn without_tables() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory }
    }

    /// A file with this many messages, in chats of ten.
    fn with_messages(count: usize) -> Self {
        let prototype = Self::new();
        prototype.append(0..count);
        prototype
    }

    fn append(&self, numbers: std::ops::Range<usize>) {
        let mut connection = self.open();
        let transaction = connection.transaction().expect("begun");
        {
            let mut insert = transaction
                .prepare("INSERT INTO messages VALUES (?, ?, ?, ?)")
                .expect("valid");
            for number in numbers {
                // The chats of a thousand messages are mixed, as those of many people are.
                let chat = number / 1000 * 100 + number % 100;
                let chat = format!("00000000-0000-4000-8000-{chat:012x}");
                let sender = if number.is_multiple_of(2) {
                    "USER"
                } else {
                    "BOT"
                };
                let time = 1_600_000_000 + i64::try_from(number).expect("few");
                insert
                    .execute(params![chat, time, sender, format!("message {number}")])
                    .expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("prototype.db")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self) -> Connection {
        Connection::open(self.path()).expect("the file opens")
    }

    fn execute(&self, statements: &str) {
        self.open().execute_batch(statements).expect("executed");
    }

    fn say(
        &self,
        chat: impl Into<Value>,
        time: impl Into<Value>,
        sender: impl Into<Value>,
        text: impl Into<Value>,
    ) {
        self.open()
            .execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?)",
                [chat.into(), time.into(), sender.into(), text.into()],
            )
            .expect("inserted");
    }

    fn import(&self, database: &Database, arguments: &[&str]) -> Finished {
        import(&self.path(), database, arguments)
    }

    fn begin_import(&self, database: &Database, arguments: &[&str]) -> Child {
        let (file, url) = (self.path(), database.url());
        program::chat_server(&["import", "sqlite", "--database-url", &url])
            .arg(file)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chat-server runs")
    }
}

fn import(file: &Path, database: &Database, arguments: &[&str]) -> Finished {
    let (file, url) = (file.to_str().expect("UTF-8"), database.url());
    let arguments = [
        &["import", "sqlite", file, "--database-url", &url],
        arguments,
    ]
    .concat();
    program::run(&arguments)
}

/// How many rows there are in each table that an import writes.
async fn written(database: &Database) -> Vec<String> {
    database
        .texts(
            "SELECT 'chats ' || count(*) FROM chats UNION ALL SELECT 'messages ' || count(*) FROM messages
             UNION ALL SELECT 'imports ' || count(*) FROM imports UNION ALL SELECT 'content ' || count(*) FROM content",
        )
        .await
}

async fn assert_nothing_written(database: &Database) {
    assert_eq!(
        written(database).await,
        ["chats 0", "messages 0", "imports 0", "content 0"]
    );
}

/// That the messages of a [`Prototype::with_messages`] are there, each once, and in order in each chat.
async fn assert_complete(database: &Database, count: usize) {
    let mut found: Vec<(String, i64, usize)> = database
        .texts("SELECT CAST(chat_id AS text) || ' ' || id || ' ' || body FROM messages")
        .await
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (
                words[0].to_owned(),
                words[1].parse().expect("an id"),
                words[3].parse().expect("a number"),
            )
        })
        .collect();
    found.sort_unstable();
    for pair in found.windows(2) {
        assert!(
            pair[0].0 != pair[1].0 || pair[0].2 < pair[1].2,
            "not in order: {pair:?}"
        );
    }
    let mut numbers: Vec<usize> = found.into_iter().map(|(.., number)| number).collect();
    numbers.sort_unstable();
    assert!(
        numbers.iter().copied().eq(0..count),
        "{} of {count} messages",
        numbers.len()
    );
}
