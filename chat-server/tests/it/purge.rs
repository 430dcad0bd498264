//! `purge`: what is old is deleted, and nothing else.

use crate::database::Database;
use crate::on_both_storages;
use crate::program::{self, Finished};
use crate::server::Server;

fn purge(database: &Database, arguments: &[&str]) -> Finished {
    program::run(&[&["purge", "--database-url", &database.url()], arguments].concat())
}

/// Chats numbered 1, 2, ...: of their 10 messages each, those of the odd ones are old, and one of the even ones.
async fn with_old_messages(database: &Database, chats: usize) {
    database.migrate();
    let statement = "
        INSERT INTO chats (id, created_at)
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < CHATS)
        SELECT CAST('00000000-0000-4000-8000-00000' || (1000000 + n) AS CHAT_ID), '2020-01-01T00:00:00.000Z' FROM number;
        INSERT INTO messages (chat_id, sent_at, sender, body)
        WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < CHATS * 10 - 1)
        SELECT CAST('00000000-0000-4000-8000-00000' || (1000001 + n / 10) AS CHAT_ID),
            CASE WHEN n / 10 % 2 = 0 OR n % 10 = 0 THEN '2020-01-01T00:00:00.000Z' ELSE 'NOW' END,
            'USER', CASE WHEN n / 10 % 2 = 0 OR n % 10 = 0 THEN 'old' ELSE 'new' END
        FROM number;";
    let now = database
        .texts(
            "SELECT CAST(NOW AS text)"
                .replace("NOW", database.now())
                .leak(),
        )
        .await;
    let statement = statement
        .replace("CHATS", &chats.to_string())
        .replace("CHAT_ID", database.id_type())
        .replace(
            "'2020-01-01T00:00:00.000Z'",
            &format!(
                "CAST('2020-01-01T00:00:00.000Z' AS {})",
                database.time_type()
            ),
        )
        .replace(
            "'NOW'",
            &format!("CAST('{}' AS {})", now[0], database.time_type()),
        );
    database.connect().await.execute(statement.leak()).await;
}

async fn counts(database: &Database) -> Vec<String> {
    database
        .texts("SELECT CAST(count(*) AS text) FROM chats UNION ALL SELECT body || ' ' || count(*) FROM messages GROUP BY body")
        .await
}

on_both_storages! {
    async fn deletes_old_messages_in_batches_and_chats_without_any(database) {
        // More than one batch of messages, and of chats.
        with_old_messages(&database, 2200).await;
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let dry = purge(&database, &["--older-than", "90d", "--dry-run"]).expect_success();
        assert!(dry.stdout.starts_with("would delete 12100 messages from before "), "{dry:?}");
        assert!(dry.stdout.contains(" and 1100 chats"), "{dry:?}");
        assert_eq!(counts(&database).await[0], "2201");

        let done = purge(&database, &["--older-than", "90d"]).expect_success();
        assert!(done.stdout.starts_with("deleted 12100 messages from before "), "{done:?}");
        assert!(done.stdout.contains(" and 1100 chats"), "{done:?}");
        let left = counts(&database).await;
        assert_eq!(left[0], "1101");
        assert!(left.contains(&"new 9900".to_owned()), "{left:?}");
        assert!(!left.iter().any(|line| line.starts_with("old")), "{left:?}");
        assert_eq!(server.say(&chat, "still here?").await.status, 200);

        let again = purge(&database, &["--older-than", "90d"]).expect_success();
        assert!(again.stdout.starts_with("deleted 0 messages"), "{again:?}");
    }

    async fn an_age_that_looks_like_a_slip_is_refused(database) {
        with_old_messages(&database, 4).await;
        let before = counts(&database).await;
        purge(&database, &["--older-than", "0s"]).expect_failure(2, "add --force if that is meant");
        purge(&database, &["--older-than", "90m"]).expect_failure(2, "less than a day");
        purge(&database, &["--older-than", "90"]).expect_failure(2, "time unit needed");
        purge(&database, &["--older-than", "-1d"]).expect_failure(2, "--older-than");
        purge(&database, &[]).expect_failure(2, "--older-than");
        purge(&database, &["--older-than", "500years"]).expect_success();
        assert_eq!(counts(&database).await, before);
        purge(&database, &["--older-than", "0s", "--force"]).expect_success();
        assert_eq!(counts(&database).await, ["0"]);
    }
}

#[tokio::test]
async fn a_chat_in_which_somebody_speaks_just_now_stays() {
    let database = Database::postgres().await;
    database.migrate();
    let mut connection = database.connect().await;
    connection
        .execute(
            "INSERT INTO chats VALUES ('0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11', '2020-01-01'), (gen_random_uuid(), '2020-01-01')",
        )
        .await;
    connection
        .execute(
            "BEGIN;
             SELECT FROM chats WHERE id = '0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11' FOR NO KEY UPDATE;
             INSERT INTO messages (chat_id, sender, body) VALUES ('0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11', 'USER', 'hi')",
        )
        .await;
    let purged = purge(&database, &["--older-than", "90d"]).expect_success();
    assert!(purged.stdout.contains(" and 1 chats"), "{purged:?}");
    connection.execute("COMMIT").await;
    assert_eq!(database.said().await, ["USER: hi"]);
}
