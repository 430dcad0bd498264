//! The prototype's greetings, fallbacks and dialogues.

use super::*;
use crate::on_both_storages;
use crate::server::Server;

fn with_lines() -> Prototype {
    let prototype = Prototype::new();
    prototype.execute(
        "INSERT INTO greetings VALUES ('Ahoy!'), ('no: YAML');
         INSERT INTO fallbacks VALUES ('Eh?');
         INSERT INTO dialogues VALUES ('Ping', 'pong'), ('How?', '# so'), (' PING ', 'pang');",
    );
    prototype
}

async fn yaml(database: &Database) -> Vec<String> {
    database
        .texts("SELECT yaml FROM content WHERE version = 1")
        .await
}

on_both_storages! {
    async fn are_taken_over_and_those_of_one_text_merged(database) {
        database.migrate();
        let imported = with_lines().import(&database, &[]).expect_success();
        assert!(imported.stdout.contains("taken over: 2 greetings, 1 fallbacks, 2 dialogues"), "{imported:?}");
        let yaml = yaml(&database).await;
        assert_eq!(yaml.len(), 1);
        for line in ["Ahoy!", "no: YAML", "Eh?", "Ping", "pong", "pang", "# so"] {
            assert!(yaml[0].contains(line), "{line} isn't in {}", yaml[0]);
        }
        assert_eq!(yaml[0].matches("text:").count(), 2, "{}", yaml[0]);
        // What it says there is a content file that a server takes.
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &yaml[0]).expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let server = Server::start_with(&["--database-url", &database.url(), "--content", path]).await;
        let chat = server.new_chat().await;
        let reply = server.say(&chat, "ping").await.body["reply"].clone();
        assert!(reply == "pong" || reply == "pang", "{reply}");
    }

    async fn are_left_if_there_is_content_already(database) {
        database.migrate();
        database.connect().await.execute("INSERT INTO content (version, yaml) VALUES (7, 'mine')").await;
        let imported = with_lines().import(&database, &[]).expect_success();
        assert!(imported.stdout.contains("left: the database has content already"), "{imported:?}");
        let dry = with_lines().import(&database, &["--dry-run"]).expect_success();
        assert!(dry.stdout.contains("left: the database has content already"), "{dry:?}");
        assert_eq!(database.texts("SELECT yaml FROM content").await, ["mine"]);
    }

    async fn are_left_with_the_reason_if_they_are_not_valid(database) {
        database.migrate();
        for (statement, reason) in [
            ("DROP TABLE greetings", "left: as a content file it is refused: line 1: greetings must not be empty"),
            ("INSERT INTO fallbacks VALUES (' ')", "fallbacks[1] must not be blank"),
            ("INSERT INTO dialogues VALUES ('hm', NULL)", "left: bot_replies of row 4 of dialogues is no text"),
            ("INSERT INTO greetings VALUES (CAST(x'ff' AS TEXT))", "left: bot_replies of row 3 of greetings is no text"),
            ("ALTER TABLE dialogues RENAME COLUMN user_says TO said", "left: the table dialogues has no column user_says"),
        ] {
            let prototype = with_lines();
            prototype.append(0..2);
            prototype.execute(statement);
            let imported = prototype.import(&database, &[]).expect_success();
            assert!(imported.stdout.contains(reason), "{reason:?} isn't in {imported:?}");
        }
        assert_eq!(yaml(&database).await, [""; 0]);
        assert_complete(&database, 2).await;
    }

    async fn need_not_be_there(database) {
        database.migrate();
        let prototype = Prototype::without_tables();
        prototype.execute("CREATE TABLE messages (chat_id, time, sender, text)");
        let imported = prototype.import(&database, &[]).expect_success();
        assert!(imported.stdout.contains("bot's lines       the file has none"), "{imported:?}");
        assert_nothing_written(&database).await;
    }
}
