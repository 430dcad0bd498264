//! Every error that a request can cause: status, `{"detail"}`, and nothing stored.

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both_storages;
use crate::server::{Answer, Server, answer};

const NO_CHAT: &str = "00000000-0000-4000-8000-000000000000";

async fn post_json(server: &Server, body: &Value) -> Answer {
    answer(server.request(Method::POST, "/message").json(body)).await
}

async fn post_text(server: &Server, body: String) -> Answer {
    let request = server.request(Method::POST, "/message");
    answer(
        request
            .header("Content-Type", "application/json")
            .body(body),
    )
    .await
}

on_both_storages! {
    async fn an_unknown_chat_is_404_and_nothing_is_stored(database) {
        let server = Server::start(&database).await;
        server.say(NO_CHAT, "hello").await.expect_error(404, "no such chat");
        server.transcript(NO_CHAT).await.expect_error(404, "no such chat");
        server.delete(NO_CHAT).await.expect_error(404, "no such chat");
        assert!(database.said().await.is_empty());
    }

    async fn a_path_that_names_no_uuid_is_404(database) {
        let server = Server::start(&database).await;
        for name in ["1", "hello", "00000000-0000-4000-8000-00000000000", "%00", "%ff", "%25"] {
            server.transcript(name).await.expect_error(404, "no such chat");
            server.delete(name).await.expect_error(404, "no such chat");
        }
    }

    async fn a_refused_text_is_422_and_nothing_is_stored(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        for blank in ["", "   ", "\n\t\u{a0}\u{3000}"] {
            server.say(&chat, blank).await.expect_error(422, "text: must not be blank");
        }
        let too_long = "x".repeat(4001);
        server.say(&chat, &too_long).await.expect_error(422, "text: must not be longer than 4000 characters, got 4001");
        server.say(&chat, "a\0b").await.expect_error(422, "text: must not contain");
        assert_eq!(database.said().await.len(), 1);
    }

    async fn the_longest_text_is_taken_in_any_spelling(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let escaped = "\\ud83e\\udd16".repeat(4000);
        let body = format!("{{\"chat_id\": \"{chat}\", \"text\": \"{escaped}\"}}");
        assert_eq!(post_text(&server, body).await.status, 200);
        assert_eq!(server.say(&chat, &format!("  {}  ", "x".repeat(4000))).await.status, 200);
        assert_eq!(database.said().await.len(), 5);
    }

    async fn wrong_json_is_422_and_names_the_field(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        post_json(&server, &json!({"chat_id": chat})).await.expect_error(422, "text");
        post_json(&server, &json!({"text": "a"})).await.expect_error(422, "chat_id");
        post_json(&server, &json!({"chat_id": chat, "text": 5})).await.expect_error(422, "text");
        post_json(&server, &json!({"chat_id": chat, "text": null})).await.expect_error(422, "text");
        post_json(&server, &json!({"chat_id": chat, "text": ["a"]})).await.expect_error(422, "text");
        post_json(&server, &json!({"chat_id": 5, "text": "a"})).await.expect_error(422, "chat_id");
        post_json(&server, &json!({"chat_id": "abc", "text": "a"})).await.expect_error(422, "chat_id");
        post_json(&server, &json!("a")).await.expect_error(422, "an object with chat_id and text");
        post_json(&server, &json!([])).await.expect_error(422, "an object with chat_id and text");
        post_json(&server, &json!([chat, "a"])).await.expect_error(422, "must be an object");
        post_json(&server, &json!({"chat_id": chat, "text": {"text": "a"}})).await.expect_error(422, "text");
        assert_eq!(database.said().await.len(), 1);
    }

    async fn what_is_not_json_is_422(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        for body in ["", "{", "hello", "{\"text\": \"\\ud800\"}", "{\"chat_id\": \"a\" \"text\"}"] {
            post_text(&server, body.to_owned()).await.expect_error(422, "");
        }
        let lone_byte = server.request(Method::POST, "/message").header("Content-Type", "application/json");
        answer(lone_byte.body(vec![b'"', 0xff, b'"'])).await.expect_error(422, "");
        let no_type = server.request(Method::POST, "/message").body(json!({"chat_id": chat, "text": "a"}).to_string());
        answer(no_type).await.expect_error(422, "Content-Type");
        assert_eq!(database.said().await.len(), 1);
    }

    async fn a_field_that_is_there_twice_is_422(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let twice = format!("{{\"chat_id\": \"{chat}\", \"text\": \"a\", \"text\": \"b\"}}");
        post_text(&server, twice).await.expect_error(422, "duplicate field `text`");
        assert_eq!(database.said().await.len(), 1);
    }

    async fn deep_nesting_is_no_trouble(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let deep = nested(30_000);
        post_text(&server, deep.clone()).await.expect_error(422, "");
        let wrong = format!("{{\"chat_id\": \"{chat}\", \"text\": {deep}}}");
        post_text(&server, wrong).await.expect_error(422, "text");
        let unknown = format!("{{\"chat_id\": \"{chat}\", \"text\": \"a\", \"x\": {deep}}}");
        assert_eq!(post_text(&server, unknown).await.status, 200);
    }

    async fn only_json_in_utf_8_is_taken(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let send = async |content_type: &'static str| {
            let body = json!({"chat_id": chat, "text": "a"}).to_string();
            answer(server.request(Method::POST, "/message").header("Content-Type", content_type).body(body)).await
        };
        for taken in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"", "application/json; x=y"] {
            assert_eq!(send(taken).await.status, 200, "{taken}");
        }
        for refused in ["text/plain", "application/xml", "application/jsonp", "application/json; charset=iso-8859-1", "json", ""] {
            send(refused).await.expect_error(422, "Content-Type must be application/json");
        }
    }

    async fn an_idempotency_key_that_is_no_uuid_is_422(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let send = async |keys: &[&str]| {
            let mut request = server.request(Method::POST, "/message").json(&json!({"chat_id": chat, "text": "a"}));
            for key in keys {
                request = request.header("Idempotency-Key", *key);
            }
            answer(request).await
        };
        for refused in [&["1"][..], &[""], &["hello"], &[NO_CHAT, NO_CHAT]] {
            send(refused).await.expect_error(422, "header Idempotency-Key must be one UUID");
        }
        assert_eq!(database.said().await.len(), 1);
        assert_eq!(send(&[NO_CHAT]).await.status, 200);
    }

    async fn a_body_over_64_kib_is_413(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        let start = format!("{{\"chat_id\": \"{chat}\", \"text\": \"hello\"");
        let of_size = |size: usize| format!("{start}{}}}", " ".repeat(size - start.len() - 1));
        post_text(&server, of_size(64 * 1024 + 1)).await.expect_error(413, "64 KiB");
        assert_eq!(database.said().await.len(), 1);
        assert_eq!(post_text(&server, of_size(64 * 1024)).await.status, 200);
        let head = |size: usize| format!("POST /message HTTP/1.1\r\nHost: chat\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n");
        let sent_whole = [head(1024 * 1024).into_bytes(), vec![b'x'; 1024 * 1024]].concat();
        for much in [sent_whole, head(1024 * 1024 + 1).into_bytes()] {
            let response = server.raw(&much).await;
            assert!(response.starts_with("HTTP/1.1 413 ") && response.contains("64 KiB"), "{response}");
        }
        assert_eq!(database.said().await.len(), 3);
    }

    async fn what_is_no_http_is_refused(database) {
        let server = Server::start(&database).await;
        let long = format!("GET /healthz HTTP/1.1\r\nHost: chat\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        for (sent, status) in [
            ("hello\r\n\r\n", 400),
            ("GET / HTTP/9.9\r\n\r\n", 400),
            ("POST /message HTTP/1.1\r\nHost: chat\r\nContent-Length: -1\r\n\r\n", 400),
            (long.as_str(), 431),
        ] {
            let response = server.raw(sent.as_bytes()).await;
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{sent} {response}");
        }
        let chunks = "POST /message HTTP/1.1\r\nHost: chat\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
        let response = server.raw(chunks.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 422 ") && response.contains("couldn't be read"), "{response}");
        assert_eq!(server.get("/healthz").await.status, 200);
    }

    async fn other_paths_are_404_and_other_methods_405(database) {
        let server = Server::start(&database).await;
        for (method, path) in [(Method::GET, "/"), (Method::POST, "/nothing"), (Method::DELETE, "/transcript"), (Method::GET, "/transcript/")] {
            answer(server.request(method, path)).await.expect_error(404, "nothing at this path");
        }
        for (method, path, allow) in [
            (Method::GET, "/start_chat", "POST"),
            (Method::PUT, "/message", "POST"),
            (Method::POST, "/healthz", "GET,HEAD"),
            (Method::POST, &format!("/transcript/{NO_CHAT}"), "GET,HEAD,DELETE"),
            (Method::OPTIONS, "/message", "POST"),
            (Method::from_bytes(b"BREW").expect("a method"), "/openapi.json", "GET,HEAD"),
        ] {
            let refused = answer(server.request(method, path)).await;
            refused.expect_error(405, "method");
            assert_eq!(refused.allow.as_deref(), Some(allow), "{path}");
        }
    }

    async fn a_table_that_is_gone_is_503_without_internals(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        database.connect().await.execute("DROP TABLE messages").await;
        for refused in [server.start_chat().await, server.say(&chat, "hello").await, server.transcript(&chat).await] {
            refused.expect_error(503, "try again");
            assert!(!refused.body.to_string().contains("messages"), "{refused:?}");
        }
        assert_eq!(database.texts("SELECT 'chat' FROM chats").await.len(), 1, "no chat without its greeting");
    }
}
