//! What each endpoint does when all is well.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::on_both_storages;
use crate::server::Server;

const CONTENT: &str = "
greetings: [welcome]
fallbacks: [what?]
dialogues:
  - {text: Grüße, replies: [hallo, servus]}
  - {text: \"%\", replies: [a character]}
";

/// A server whose answers are known.
async fn server(database: &crate::database::Database) -> Server {
    let content = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(content.path(), CONTENT).expect("content is written");
    database.migrate();
    let path = content.path().to_str().expect("UTF-8");
    Server::start_with(&["--database-url", &database.url(), "--content", path]).await
}

fn messages(transcript: &Value) -> &Vec<Value> {
    transcript["messages"].as_array().expect("a list")
}

/// "sender: text" of each message.
fn said(transcript: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    messages(transcript)
        .iter()
        .map(|it| format!("{}: {}", text(&it["sender"]), text(&it["text"])))
        .collect()
}

fn fields(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

on_both_storages! {
    async fn start_chat_greets_and_records_it(database) {
        let server = server(&database).await;
        let started = server.start_chat().await;
        assert_eq!(started.status, 200);
        assert_eq!(fields(&started.body), ["chat_id", "reply"]);
        assert_eq!(started.body["reply"], "welcome");
        let chat = started.body["chat_id"].as_str().expect("an id");
        assert_eq!(uuid::Uuid::parse_str(chat).expect("a UUID").to_string(), chat);
        assert_eq!(said(&server.transcript(chat).await.body), ["BOT: welcome"]);
        assert_eq!(database.said().await, ["BOT: welcome"]);
    }

    async fn message_answers_and_records_both(database) {
        let server = server(&database).await;
        let chat = server.new_chat().await;
        let answer = server.say(&chat, "  gRÜSSE? \n").await;
        assert_eq!((answer.status, fields(&answer.body)), (200, vec!["reply"]));
        assert_eq!(answer.body["reply"], "what?");
        let answer = server.say(&chat, " GRÜßE ").await;
        let reply = answer.body["reply"].as_str().expect("a text");
        assert!(["hallo", "servus"].contains(&reply), "{reply}");
        let expected = ["BOT: welcome", "USER: gRÜSSE?", "BOT: what?", "USER: GRÜßE", &format!("BOT: {reply}")];
        assert_eq!(said(&server.transcript(&chat).await.body), expected);
        assert_eq!(database.said().await, expected);
    }

    async fn percent_is_a_character(database) {
        let server = server(&database).await;
        let chat = server.new_chat().await;
        assert_eq!(server.say(&chat, "%").await.body["reply"], "a character");
        for pattern in ["%%", "_", "g%", "'; DROP TABLE messages; --"] {
            assert_eq!(server.say(&chat, pattern).await.body["reply"], "what?", "{pattern}");
        }
        assert_eq!(database.said().await.len(), 11);
    }

    async fn any_text_comes_back_as_it_was(database) {
        let server = server(&database).await;
        let chat = server.new_chat().await;
        let texts = ["\u{1f9d1}\u{200d}\u{1f680} \u{5e9}\u{5dc}\u{5d5}\u{5dd}", "a\nb\t\"c\" \\ ?1 $1 \u{1}", &"\u{10ffff}".repeat(4000)];
        for text in texts {
            assert_eq!(server.say(&chat, text).await.status, 200);
        }
        let transcript = server.transcript(&chat).await.body;
        let from_user: Vec<_> = messages(&transcript).iter().filter(|it| it["sender"] == "USER").collect();
        assert_eq!(from_user.iter().map(|it| it["text"].as_str().expect("a text")).collect::<Vec<_>>(), texts);
    }

    async fn transcript_has_times_and_rising_ids(database) {
        let server = server(&database).await;
        let before = time::OffsetDateTime::now_utc();
        let chat = server.new_chat().await;
        server.say(&chat, "hello").await;
        let transcript = server.transcript(&chat).await.body;
        assert_eq!(fields(&transcript), ["messages"]);
        let mut last = 0;
        for message in messages(&transcript) {
            assert_eq!(
                fields(message).into_iter().collect::<BTreeSet<_>>(),
                BTreeSet::from(["id", "time", "timestamp", "sender", "text"])
            );
            let id = message["id"].as_i64().expect("a number");
            assert!(id > last, "{transcript}");
            last = id;
            let timestamp = message["timestamp"].as_str().expect("a text");
            let moment = time::OffsetDateTime::parse(timestamp, &time::format_description::well_known::Rfc3339).expect("RFC 3339");
            assert!(timestamp.ends_with('Z'), "{timestamp}");
            assert!((moment - before).abs() < time::Duration::minutes(1), "{timestamp}");
            assert_eq!(message["time"].as_str().expect("a text"), timestamp[..19].replace('T', " "));
        }
    }

    async fn chats_do_not_see_each_other(database) {
        let server = server(&database).await;
        let (one, other) = (server.new_chat().await, server.new_chat().await);
        server.say(&one, "only here").await;
        assert_eq!(said(&server.transcript(&one).await.body).len(), 3);
        assert_eq!(said(&server.transcript(&other).await.body), ["BOT: welcome"]);
    }

    async fn messages_at_the_same_time_keep_question_and_answer_together(database) {
        let server = server(&database).await;
        let chat = server.new_chat().await;
        let answers = tokio::join!(
            server.say(&chat, "a"), server.say(&chat, "b"), server.say(&chat, "c"),
            server.say(&chat, "d"), server.say(&chat, "e"), server.say(&chat, "f"),
        );
        for status in [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5].map(|it| it.status) {
            assert_eq!(status, 200);
        }
        let said = said(&server.transcript(&chat).await.body);
        assert_eq!(said.len(), 13);
        for pair in said[1..].chunks(2) {
            assert!(pair[0].starts_with("USER: ") && pair[1] == "BOT: what?", "{said:?}");
        }
    }

    async fn chats_outlive_the_server(database) {
        let first = server(&database).await;
        let chat = first.new_chat().await;
        first.say(&chat, "hello").await;
        let transcript = first.transcript(&chat).await.body;
        drop(first);
        assert_eq!(server(&database).await.transcript(&chat).await.body, transcript);
    }

    async fn a_chat_that_is_deleted_is_gone_with_its_messages_and_no_other_is(database) {
        let server = server(&database).await;
        let (chat, other) = (server.new_chat().await, server.new_chat().await);
        server.say(&chat, "only here").await;
        assert_eq!(server.delete(&chat).await.status, 204);
        assert_eq!(database.said().await, ["BOT: welcome"]);
        server.delete(&chat).await.expect_error(404, "no such chat");
        server.transcript(&chat).await.expect_error(404, "no such chat");
        server.say(&chat, "hello?").await.expect_error(404, "no such chat");
        assert_eq!(said(&server.transcript(&other).await.body), ["BOT: welcome"]);
    }

    async fn unknown_fields_and_queries_are_ignored(database) {
        let server = server(&database).await;
        let chat = server.new_chat().await;
        let body = serde_json::json!({"chat_id": chat, "text": "a", "sender": "BOT", "mood": {"happy": [1, null]}});
        let said = crate::server::answer(server.request(reqwest::Method::POST, "/message?text=b&chat_id=1").json(&body)).await;
        assert_eq!((said.status, said.body["reply"].as_str()), (200, Some("what?")));
        let transcript = server.get(&format!("/transcript/{chat}?sender=BOT&limit=1")).await;
        assert_eq!(messages(&transcript.body).len(), 3);
    }

    async fn head_is_get_without_a_body(database) {
        let server = server(&database).await;
        let path = format!("/transcript/{}", server.new_chat().await);
        for (path, status) in [(path.as_str(), 200), ("/healthz", 200), ("/nothing", 404)] {
            let answer = server.request(reqwest::Method::HEAD, path).send().await.expect("an answer");
            assert_eq!(answer.status(), status, "{path}");
            assert!(answer.headers()["content-length"] != "0", "{path}");
            assert_eq!(answer.text().await.expect("a body"), "", "{path}");
        }
    }

    async fn the_schema_knows_only_two_senders(database) {
        database.migrate();
        let mut connection = database.connect().await;
        connection.execute("INSERT INTO chats (id) VALUES ('00000000-0000-4000-8000-000000000000')").await;
        let insert = "INSERT INTO messages (chat_id, sender, body) VALUES ('00000000-0000-4000-8000-000000000000', 'ADMIN', 'x')";
        let refusal = connection.try_execute(insert).await.expect_err("refused").to_string();
        assert!(refusal.to_lowercase().contains("check constraint"), "{refusal}");
    }

    async fn health_and_readiness(database) {
        let server = server(&database).await;
        for path in ["/healthz", "/readyz"] {
            let answer = server.get(path).await;
            assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some("ok")), "{path}");
        }
    }
}
