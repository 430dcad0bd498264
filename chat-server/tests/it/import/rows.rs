//! Rows: which are taken and how, and what becomes of the others.

use serde_json::json;

use super::*;
use crate::export::exported;
use crate::on_both_storages;
use crate::server::Server;

const SECRET: &str = "the-secret-text";

/// Rows that can't be taken, as SQL, and why. CHAT and SECRET stand for good values.
const BAD_ROWS: [(&str, &str); 15] = [
    ("2, NULL, 1, 'USER', SECRET", "chat_id is NULL"),
    ("3, CHAT, NULL, 'USER', SECRET", "time is NULL"),
    ("4, CHAT, 1, NULL, SECRET", "sender is NULL"),
    ("5, CHAT, 1, 'USER', NULL", "text is NULL"),
    ("6, '  ', 1, 'USER', SECRET", "chat_id is blank"),
    (
        "7, 1.5, 1, 'USER', SECRET",
        "chat_id is a number, must be a text",
    ),
    (
        "8, CHAT, 'noon', 'USER', SECRET",
        "time must be seconds since 1970",
    ),
    (
        "9, CHAT, -1, 'USER', SECRET",
        "time must be within the years 1970 to 9999",
    ),
    (
        "10, CHAT, 1700000000000, 'USER', SECRET",
        "time must be within the years 1970 to 9999",
    ),
    (
        "11, CHAT, 1, 'ADMIN', SECRET",
        "sender is \"ADMIN\", must be USER or BOT",
    ),
    (
        "12, CHAT, 1, 'USER', 'a' || char(0) || 'b'",
        "text contains the character U+0000",
    ),
    (
        "13, CHAT, 1, 'USER', x'fffe'",
        "text is a blob, must be a text",
    ),
    (
        "14, CHAT, 1, 'USER', CAST(x'fffe' AS TEXT)",
        "text is not valid UTF-8",
    ),
    (
        "-3, CHAT, 1, 'USER', SECRET",
        "its number is outside of 1 to",
    ),
    (
        "1 << 40, CHAT, 1, 'USER', SECRET",
        "its number is outside of 1 to",
    ),
];

/// A file with these rows, between two good ones.
fn with_bad_rows() -> Prototype {
    let prototype = Prototype::without_tables();
    // Without types, SQLite keeps each value as it is given.
    prototype.execute("CREATE TABLE messages (chat_id, time, sender, text)");
    let good = [
        ("1, CHAT, 1, 'USER', SECRET", ""),
        ("20, CHAT, 2, 'BOT', 'good'", ""),
    ];
    for (row, _) in good.iter().chain(&BAD_ROWS) {
        let row = row
            .replace("CHAT", &format!("'{CHAT}'"))
            .replace("SECRET", &format!("'{SECRET}'"));
        prototype.execute(&format!(
            "INSERT INTO messages (rowid, chat_id, time, sender, text) VALUES ({row})"
        ));
    }
    prototype
}

on_both_storages! {
    async fn chats_are_as_they_were(database) {
        let prototype = Prototype::new();
        prototype.say(CHAT.to_owned(), 1_700_000_000, "BOT".to_owned(), "Hi!".to_owned());
        prototype.say("friday-chat".to_owned(), 1_700_000_001, "BOT".to_owned(), "Hi!".to_owned());
        prototype.say(CHAT.to_owned(), "2023-11-14 22:13:21".to_owned(), "USER".to_owned(), " Grüße 👋\n".to_owned());
        prototype.say(CHAT.to_uppercase(), "2023-11-14T22:13:21.5+00:00".to_owned(), "BOT".to_owned(), String::new());
        prototype.say(format!("{{{CHAT}}}"), 1_700_000_001.25, "USER".to_owned(), "100 %".to_owned());
        database.migrate();
        let imported = prototype.import(&database, &["--verify"]).expect_success();
        for line in [
            "rows in the file  5", "imported          5", "new chats         2", "chat id mapped    in 1 rows", "differing         0",
            "times backwards   in 1 rows", "first message     2023-11-14T22:13:20Z", "friday-chat -> 7bca04cd-8ac3-5557-8977-d456e246e4f9",
        ] {
            assert!(imported.stdout.contains(line), "{line:?} isn't in {}", imported.stdout);
        }

        let lines = exported(&database);
        let chats: Vec<_> = lines.iter().filter(|line| line["type"] == "chat").collect();
        assert_eq!(chats[0]["id"], CHAT);
        assert_eq!(chats[0]["created_at"], "2023-11-14T22:13:20.000000Z");
        let messages: Vec<_> = lines
            .iter()
            .filter(|line| line["type"] == "message" && line["chat_id"] == CHAT)
            .map(|line| json!([line["sent_at"], line["sender"], line["text"]]))
            .collect();
        assert_eq!(messages, [
            json!(["2023-11-14T22:13:20.000000Z", "BOT", "Hi!"]),
            json!(["2023-11-14T22:13:21.000000Z", "USER", " Grüße 👋\n"]),
            json!(["2023-11-14T22:13:21.500000Z", "BOT", ""]),
            json!(["2023-11-14T22:13:21.250000Z", "USER", "100 %"]),
        ]);

        let server = Server::start(&database).await;
        let transcript = server.transcript(CHAT).await;
        assert_eq!(transcript.status, 200);
        assert_eq!(transcript.body["messages"][1]["time"], "2023-11-14 22:13:21");
        assert_eq!(server.say(CHAT, "still here?").await.status, 200);
        assert_eq!(server.transcript(CHAT).await.body["messages"][4]["text"], "still here?");
    }

    async fn rows_that_cannot_be_taken_are_all_listed_and_nothing_is_written(database) {
        let prototype = with_bad_rows();
        database.migrate();
        let refused = prototype
            .import(&database, &[])
            .expect_failure(3, "15 row(s) can't be taken, so nothing is imported: mend them, or set them aside with --rejects");
        for (row, reason) in BAD_ROWS {
            let number = row.split(',').next().expect("a number").replace("1 << 40", "1099511627776");
            let line = format!("row {number}: {reason}");
            assert!(refused.stdout.contains(&line), "{line:?} isn't in {}", refused.stdout);
        }
        assert_eq!(refused.stdout.lines().filter(|line| line.starts_with("row ")).count(), BAD_ROWS.len());
        assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
        assert_nothing_written(&database).await;
        prototype.import(&database, &["--dry-run"]).expect_failure(3, "can't be taken");
        assert_nothing_written(&database).await;
    }

    async fn the_counts_are_told_to_the_program_that_started_it(database) {
        database.migrate();
        let prototype = with_bad_rows();
        let [rejects, outcome] = ["rejects.jsonl", "outcome"].map(|name| prototype.file(name).display().to_string());
        let import = |arguments: &[&str]| -> serde_json::Value {
            prototype.import(&database, &[&["--outcome", &outcome], arguments].concat());
            serde_json::from_slice(&std::fs::read(&outcome).expect("a file")).expect("JSON")
        };
        let refused = import(&[]);
        let message = refused["message"].as_str().expect("a text");
        assert!(message.contains("row -3: its number is outside") && !message.contains(SECRET), "{message}");
        let told = import(&["--rejects", &rejects, "--verify"]);
        assert_eq!(told["import"], json!({"rows": 2, "chats": 1, "rejected": 15}));
        let again = import(&["--rejects", &format!("{rejects}.2"), "--verify"]);
        assert_eq!(again["import"], told["import"]);
    }

    async fn rejects_are_set_aside_and_the_others_imported(database) {
        let prototype = with_bad_rows();
        let rejects = prototype.file("rejects.jsonl");
        let arguments = ["--rejects", rejects.to_str().expect("UTF-8"), "--verify"];
        database.migrate();
        std::fs::write(&rejects, "mine").expect("written");
        prototype.import(&database, &arguments).expect_failure(1, "is there already");
        assert_nothing_written(&database).await;
        assert_eq!(std::fs::read_to_string(&rejects).expect("there"), "mine");

        std::fs::remove_file(&rejects).expect("removed");
        let imported = prototype.import(&database, &arguments).expect_success();
        assert!(imported.stdout.contains("imported          2\n"), "{imported:?}");
        assert!(imported.stdout.contains("can't be taken    15\n"), "{imported:?}");
        assert_eq!(database.said().await, ["USER: the-secret-text", "BOT: good"]);
        let text = std::fs::read_to_string(&rejects).expect("there");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), BAD_ROWS.len());
        let of = |row: i64| lines.iter().find(|line| line["row"] == row).expect("listed");
        assert_eq!(of(11)["sender"], "ADMIN");
        assert_eq!(of(11)["reason"], "sender is \"ADMIN\", must be USER or BOT");
        assert_eq!(of(12)["text"], "a\0b");
        assert_eq!(of(13)["text"], json!({"blob_hex": "fffe"}));
        assert_eq!(of(14)["text"], json!({"text_hex": "fffe"}));
        assert_eq!(of(2)["chat_id"], serde_json::Value::Null);

        // A job that runs again with the same arguments has nothing more to do, and keeps its file.
        let again = prototype.import(&database, &arguments).expect_success();
        assert!(again.stdout.contains("imported          0\n"), "{again:?}");
        assert_eq!(std::fs::read_to_string(&rejects).expect("there"), text);
    }

    async fn a_dry_run_changes_nothing(database) {
        let prototype = Prototype::with_messages(20);
        prototype.execute("INSERT INTO greetings VALUES ('Hi'); INSERT INTO fallbacks VALUES ('Eh?'); INSERT INTO dialogues VALUES ('a', 'b')");
        database.migrate();
        let rejects = prototype.file("rejects");
        let report = prototype
            .import(&database, &["--dry-run", "--rejects", rejects.to_str().expect("UTF-8")])
            .expect_success();
        assert!(report.stdout.contains("to import         20\n"), "{report:?}");
        assert!(report.stdout.contains("would be taken over: 1 greetings, 1 fallbacks, 1 dialogues"), "{report:?}");
        assert_nothing_written(&database).await;
        assert!(!rejects.exists());
    }
}
