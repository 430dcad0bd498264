//! `unanswered`: what people said most that no dialogue answers.

use crate::database::Database;
use crate::on_both_storages;
use crate::program;
use crate::server::Server;

fn unanswered(database: &Database, arguments: &[&str]) -> String {
    program::run(
        &[
            &["unanswered", "--database-url", &database.url()],
            arguments,
        ]
        .concat(),
    )
    .expect_success()
    .stdout
}

on_both_storages! {
    async fn the_most_frequent_come_first(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        for text in ["hello", "Pizza?", " PIZZA? ", "pizza?", "a\tb\nc", "Größe", "GRÖSSE", "größe"] {
            assert_eq!(server.say(&chat, text).await.status, 200);
        }
        assert_eq!(unanswered(&database, &[]), "3\tpizza?\n2\tgröße\n1\ta\\tb\\nc\n1\tgrösse\n");
        assert_eq!(unanswered(&database, &["--limit", "1", "--since", "1d"]), "3\tpizza?\n");
        database.connect().await.execute("UPDATE messages SET sent_at = '2020-01-01T00:00:00.000Z' WHERE body = 'Pizza?'").await;
        assert_eq!(unanswered(&database, &["--limit", "1", "--since", "30d"]), "2\tgröße\n");
        assert_eq!(unanswered(&database, &["--limit", "1", "--since", "1000years"]), "3\tpizza?\n");
    }

    async fn dialogues_are_those_of_the_database_or_of_a_file(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        for text in ["hello", "Pizza?"] {
            assert_eq!(server.say(&chat, text).await.status, 200);
        }
        assert_eq!(unanswered(&database, &[]), "1\tpizza?\n");
        let yaml = "greetings: [a]\nfallbacks: [b]\ndialogues: [{text: PIZZA?, replies: [c]}]";
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), yaml).expect("written");
        let path = file.path().to_str().expect("UTF-8");
        assert_eq!(unanswered(&database, &["--content", path]), "1\thello\n");
        database.connect().await.execute(
            "INSERT INTO content (version, yaml)
             VALUES (1, 'greetings: [a]\nfallbacks: [b]\ndialogues: [{text: HELLO, replies: [c]}, {text: pizza?, replies: [c]}]')",
        ).await;
        assert_eq!(unanswered(&database, &[]), "");
        std::fs::write(file.path(), "greetings: []").expect("written");
        program::run(&["unanswered", "--database-url", &database.url(), "--content", path]).expect_failure(1, "is refused");
    }
}
