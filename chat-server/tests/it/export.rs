//! `export`: everything as JSON Lines.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::Value;

use crate::database::Database;
use crate::on_both_storages;
use crate::program;
use crate::server::Server;

/// What `export` writes.
pub(crate) fn exported(database: &Database) -> Vec<Value> {
    lines(
        &program::run(&["export", "--database-url", &database.url()])
            .expect_success()
            .stdout,
    )
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

on_both_storages! {
    async fn holds_everything_in_order(database) {
        let server = Server::start(&database).await;
        let (one, two) = (server.new_chat().await, server.new_chat().await);
        for chat in [&one, &two, &one] {
            assert_eq!(server.say(chat, "100 % \"fun\"\n👋").await.status, 200);
        }
        database.connect().await.execute(
            "INSERT INTO content (version, yaml) VALUES (3, 'a: b');
             INSERT INTO imports (source, last_row) VALUES ('0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11', 5);
             UPDATE messages SET idempotency_key = '7e0e6c3a-9d55-4a0d-9a4c-6f1d2b3c4d5e', import_key = 9 WHERE id = 3",
        ).await;
        let lines = exported(&database);
        let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
        assert_eq!(of("content")[0]["yaml"], "a: b");
        assert_eq!(of("content")[0]["version"], 3);
        assert_eq!(of("import")[0]["last_row"], 5);
        assert_eq!(of("import")[0]["source"], "0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11");
        assert_eq!(of("chat").len(), 2);
        let messages = of("message");
        assert_eq!(messages.len(), 8);
        assert!(messages.is_sorted_by_key(|message| message["id"].as_i64()));
        assert_eq!(messages[2]["idempotency_key"], "7e0e6c3a-9d55-4a0d-9a4c-6f1d2b3c4d5e");
        assert_eq!(messages[2]["import_key"], 9);
        assert!(messages[3].get("import_key").is_none());
        for chat in [&one, &two] {
            let transcript = server.transcript(chat).await;
            let said: Vec<_> = transcript.body["messages"].as_array().expect("a list").iter()
                .map(|it| (it["id"].clone(), it["timestamp"].clone(), it["sender"].clone(), it["text"].clone())).collect();
            let kept: Vec<_> = messages.iter().filter(|it| it["chat_id"] == **chat)
                .map(|it| (it["id"].clone(), it["sent_at"].clone(), it["sender"].clone(), it["text"].clone())).collect();
            assert_eq!(said, kept);
        }
    }

    async fn a_file_appears_whole_and_replaces_none(database) {
        let server = Server::start(&database).await;
        server.new_chat().await;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("export.jsonl");
        let arguments = ["export", "--database-url", &database.url(), "--output", file.to_str().expect("UTF-8")];
        program::run(&arguments).expect_success();
        assert_eq!(lines(&std::fs::read_to_string(&file).expect("there")).len(), 2);
        program::run(&arguments).expect_failure(1, "is there already");
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 1);
    }

    async fn a_schema_that_is_behind_is_refused(database) {
        for command in [&["export"][..], &["purge", "--older-than", "90d"], &["unanswered"]] {
            program::run(&[command, &["--database-url", &database.url()]].concat())
                .expect_failure(1, "run `chat-server migrate`");
        }
    }

    async fn a_reader_that_leaves_is_no_panic(database) {
        database.migrate();
        database.connect().await.execute(
            "INSERT INTO chats (id)
             WITH RECURSIVE number (n) AS (SELECT 100000 UNION ALL SELECT n + 1 FROM number WHERE n < 110000)
             SELECT CAST('00000000-0000-4000-8000-000000' || n AS CHAT_ID) FROM number".replace("CHAT_ID", database.id_type()).leak(),
        ).await;
        let mut export = program::chat_server(&["export", "--database-url", &database.url()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chat-server runs");
        let mut first = [0; 10];
        export.stdout.take().expect("a pipe").read_exact(&mut first).expect("read");
        let finished = program::Finished::from(export.wait_with_output().expect("ended"));
        let finished = finished.expect_failure(1, "cannot write the export");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
}
