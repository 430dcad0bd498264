//! `Idempotency-Key`: a message that is sent again is answered as before and recorded once.

use crate::database::Database;
use crate::on_both_storages;
use crate::server::Server;

fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

on_both_storages! {
    async fn a_message_sent_again_gets_the_first_answer_and_is_recorded_once(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let key = key();
        let first = server.say_once(&chat, "what do you think of it?", &key).await;
        assert_eq!(first.status, 200);
        for _ in 0..20 {
            let again = server.say_once(&chat, "  what do you think of it? ", &key).await;
            assert_eq!((again.status, again.body), (200, first.body.clone()));
        }
        assert_eq!(database.said().await.len(), 3);
    }

    async fn the_first_answer_is_found_among_later_messages(database) {
        let server = Server::start(&database).await;
        let (chat, other) = (server.new_chat().await, server.new_chat().await);
        let key = key();
        let first = server.say_once(&chat, "first", &key).await.body;
        for text in ["first", "second", "third"] {
            server.say(&other, text).await;
            server.say(&chat, text).await;
        }
        assert_eq!(server.say_once(&chat, "first", &key).await.body, first);
    }

    async fn keys_are_told_apart_by_key_and_by_chat(database) {
        let server = Server::start(&database).await;
        let (one, other) = (server.new_chat().await, server.new_chat().await);
        let same = key();
        for (chat, key) in [(&one, &same), (&other, &same), (&one, &key())] {
            assert_eq!(server.say_once(chat, "hello", key).await.status, 200);
        }
        assert_eq!(database.said().await.iter().filter(|line| *line == "USER: hello").count(), 3);
    }

    async fn a_key_used_for_another_text_is_refused(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let key = key();
        server.say_once(&chat, "one text", &key).await;
        server.say_once(&chat, "another text", &key).await.expect_error(409, "Idempotency-Key");
        assert_eq!(database.said().await.len(), 3);
    }

    async fn a_key_that_is_no_uuid_is_refused(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        for key in ["", "1", "not-a-uuid", "00000000-0000-4000-8000-00000000000g"] {
            server.say_once(&chat, "hello", key).await.expect_error(422, "Idempotency-Key must be one UUID");
        }
        assert_eq!(database.said().await.len(), 1);
    }

    async fn an_unknown_chat_is_404_with_a_key_too(database) {
        let server = Server::start(&database).await;
        let chat = uuid::Uuid::new_v4().to_string();
        let key = key();
        for _ in 0..2 {
            server.say_once(&chat, "hello", &key).await.expect_error(404, "no such chat");
        }
        assert!(database.said().await.is_empty());
    }
}

#[tokio::test]
async fn replicas_that_get_the_same_message_at_once_record_it_once() {
    let database = Database::postgres().await;
    let servers = [
        Server::start(&database).await,
        Server::start(&database).await,
    ];
    let chat = servers[0].new_chat().await;
    for round in 0..20 {
        let key = key();
        let text = format!("round {round}");
        let answers = tokio::join!(
            servers[0].say_once(&chat, &text, &key),
            servers[1].say_once(&chat, &text, &key),
            servers[0].say_once(&chat, &text, &key),
            servers[1].say_once(&chat, &text, &key),
        );
        for answer in [&answers.0, &answers.1, &answers.2, &answers.3] {
            assert_eq!((answer.status, &answer.body), (200, &answers.0.body));
        }
    }
    assert_eq!(database.said().await.len(), 41);
}
