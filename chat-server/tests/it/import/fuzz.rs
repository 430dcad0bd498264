//! Files that somebody has scribbled in: they are imported or refused, never a panic, and whatever is refused has
//! written nothing.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::Config;
use rusqlite::types::Value;

use super::*;

/// Each case runs the program.
const CASES: u32 = 48;

fn config() -> Config {
    Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    }
}

/// A migrated database that each case gets a copy of.
struct Empty(Database);

impl Empty {
    fn new() -> Self {
        let database = Database::sqlite();
        database.migrate();
        Self(database)
    }

    fn copy(&self) -> Database {
        let copy = Database::sqlite();
        fs::copy(self.0.file(), copy.file()).expect("copied");
        copy
    }
}

fn try_import(database: &Database, file: &Path) -> Result<(), TestCaseError> {
    let finished = import(file, database, &["--verify"]);
    prop_assert!(!finished.stderr.contains("panicked"), "{:?}", finished);
    match finished.code {
        Some(0) => Ok(()),
        Some(1 | 3) => {
            let count = "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM chats)
                + (SELECT count(*) FROM imports) + (SELECT count(*) FROM content)";
            let written: i64 = Connection::open(database.file())
                .expect("opens")
                .query_row(count, [], |row| row.get(0))
                .expect("counted");
            prop_assert_eq!(written, 0, "{:?}", finished);
            Ok(())
        }
        _ => Err(TestCaseError::fail(format!("{finished:?}"))),
    }
}

/// A small file with small pages, so that bytes that matter are hit often.
fn valid_file() -> Vec<u8> {
    let prototype = Prototype::without_tables();
    prototype.execute(
        "PRAGMA page_size = 512;
         CREATE TABLE greetings (bot_replies);
         CREATE TABLE fallbacks (bot_replies);
         CREATE TABLE dialogues (user_says, bot_replies);
         CREATE TABLE messages (chat_id TEXT, time INTEGER, sender TEXT, text TEXT);
         INSERT INTO greetings VALUES ('Hi');
         INSERT INTO fallbacks VALUES ('Eh?');
         INSERT INTO dialogues VALUES ('ping', 'pong');",
    );
    prototype.append(0..40);
    prototype.say(CHAT.to_owned(), 5, "USER".to_owned(), "long ".repeat(500));
    fs::read(prototype.path()).expect("read")
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        (0_i64..253_402_300_800).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        any::<String>().prop_map(Value::Text),
        prop::sample::select(vec!["USER", "BOT", CHAT, "2023-11-14 22:13:20", "a\0b", ""])
            .prop_map(|text| Value::Text(text.to_owned())),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ]
}

#[test]
fn random_bytes() {
    let empty = Empty::new();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("random.db");
    proptest!(config(), |(bytes: Vec<u8>, with_header: bool)| {
        let header: &[u8] = if with_header { b"SQLite format 3\0" } else { b"" };
        fs::write(&file, [header, &bytes].concat()).expect("written");
        try_import(&empty.copy(), &file)?;
    });
}

#[test]
fn flipped_and_missing_bytes() {
    let empty = Empty::new();
    let valid = valid_file();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("scribbled.db");
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20);
    proptest!(config(), |(flips in flips, in_header: bool, end in prop::option::of(any::<prop::sample::Index>()))| {
        let mut bytes = valid.clone();
        for (index, byte) in flips {
            // The first pages hold the header, the schema and the roots.
            let place = index.index(if in_header { 1024 } else { bytes.len() });
            bytes[place] = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(valid.len()));
        }
        fs::write(&file, bytes).expect("written");
        try_import(&empty.copy(), &file)?;
    });
}

#[test]
fn odd_values_in_every_column() {
    let empty = Empty::new();
    let rows = prop::collection::vec((any_value(), any_value(), any_value(), any_value()), 1..6);
    let lines = prop::collection::vec((any_value(), any_value()), 0..4);
    proptest!(config(), |(rows in rows, lines in lines, rejects: bool)| {
        let prototype = Prototype::without_tables();
        prototype.execute(
            "CREATE TABLE dialogues (user_says, bot_replies); CREATE TABLE greetings (bot_replies);
             CREATE TABLE messages (chat_id, time, sender, text)",
        );
        prototype.append(0..3);
        for (chat, time, sender, text) in rows {
            prototype.say(chat, time, sender, text);
        }
        for (text, reply) in lines {
            let connection = prototype.open();
            connection.execute("INSERT INTO greetings VALUES (?)", [&reply]).expect("inserted");
            connection.execute("INSERT INTO dialogues VALUES (?, ?)", [text, reply]).expect("inserted");
        }
        let database = empty.copy();
        if rejects {
            let set_aside = prototype.file("rejects");
            let finished = prototype.import(&database, &["--verify", "--rejects", set_aside.to_str().expect("UTF-8")]);
            prop_assert_eq!(finished.code, Some(0), "{:?}", finished);
        } else {
            try_import(&database, &prototype.path())?;
        }
    });
}
