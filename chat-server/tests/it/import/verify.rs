//! `--verify`: what differs between the file and the database is found.

use super::*;
use crate::on_both_storages;

fn imported(database: &Database) -> Prototype {
    database.migrate();
    let prototype = Prototype::with_messages(2000);
    let report = prototype.import(database, &["--verify"]).expect_success();
    assert_same_checksums(&report, "2000 messages");
    prototype
}

#[track_caller]
fn assert_same_checksums(report: &Finished, messages: &str) {
    let side = |name: &str| {
        let line = report.stdout.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.strip_prefix(name))
            .expect("a line")
            .trim()
            .to_owned()
    };
    assert_eq!(side("file "), side("database "), "{report:?}");
    assert!(side("file ").starts_with(messages), "{report:?}");
}

#[track_caller]
fn assert_found(prototype: &Prototype, database: &Database, line: &str) {
    // Alone, on a file that was imported before.
    let report = prototype
        .import(database, &["--verify", "--dry-run"])
        .expect_failure(3, "1 row(s) differ between the file and the database");
    assert!(
        report.stdout.lines().any(|it| it == line),
        "{line:?} isn't in {report:?}"
    );
}

on_both_storages! {
    async fn a_text_that_was_changed(database) {
        let prototype = imported(&database);
        database.connect().await.execute("UPDATE messages SET body = body || '!' WHERE body = 'message 41'").await;
        assert_found(&prototype, &database, "row 42: text differs");
    }

    async fn a_sender_that_was_changed(database) {
        let prototype = imported(&database);
        database.connect().await.execute("UPDATE messages SET sender = 'USER' WHERE body = 'message 41'").await;
        assert_found(&prototype, &database, "row 42: sender differs");
    }

    async fn a_time_that_was_changed(database) {
        let prototype = imported(&database);
        database.connect().await.execute("UPDATE messages SET sent_at = '2020-01-01T00:00:00.001Z' WHERE body = 'message 41'").await;
        assert_found(&prototype, &database, "row 42: time differs");
    }

    async fn a_message_that_is_missing_in_the_middle(database) {
        let prototype = imported(&database);
        database.connect().await.execute("DELETE FROM messages WHERE body = 'message 941'").await;
        assert_found(&prototype, &database, "row 942: is missing in the database, though older ones of its chat are there");
    }

    async fn a_message_that_the_file_does_not_have(database) {
        let prototype = imported(&database);
        prototype.execute("DELETE FROM messages WHERE rowid = 942");
        assert_found(&prototype, &database, "row 942: is in the database, but not in the file");
    }

    async fn chats_and_messages_that_were_deleted_since_are_no_error(database) {
        let prototype = imported(&database);
        database
            .connect()
            .await
            .execute(
                "DELETE FROM chats WHERE CAST(id AS text) LIKE '%00';
                 DELETE FROM messages WHERE CAST(chat_id AS text) LIKE '%00' OR sent_at < '2020-09-13T12:26:50.000Z';",
            )
            .await;
        let report = prototype.import(&database, &["--verify"]).expect_success();
        assert_same_checksums(&report, "1981 messages");
        assert!(report.stdout.contains("deleted since     19\n"), "{report:?}");
    }

    async fn a_file_that_was_not_imported(database) {
        database.migrate();
        let report = Prototype::with_messages(10).import(&database, &["--verify", "--dry-run"]).expect_success();
        assert!(report.stdout.contains("not imported yet  10\n"), "{report:?}");
    }
}
