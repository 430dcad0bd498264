//! What is logged, and what never is.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::collector::{Collector, server_with};
use crate::database::Database;
use crate::on_both_storages;
use crate::postgres::PASSWORD;
use crate::program::chat_server;
use crate::server::{Server, kill};
use crate::wait;

const SECRET: &str = "wombat-secret";

on_both_storages! {
    async fn one_line_per_request(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        server.transcript(&chat).await;
        server.say(&chat, " ").await;
        server.get("/nothing").await;
        let requests = || server.log_lines().into_iter().filter(|line| line["message"] == "request").collect::<Vec<_>>();
        wait::until("four requests are logged", async || requests().len() == 4).await;
        let expected =
            [("POST", "/start_chat", 200), ("GET", "/transcript/{chat_id}", 200), ("POST", "/message", 422), ("GET", "none", 404)];
        for (line, (method, route, status)) in requests().iter().zip(expected) {
            assert_eq!((&line["method"], &line["route"], &line["status"]), (&method.into(), &route.into(), &status.into()));
            assert!(line["duration_ms"].as_f64().is_some_and(|it| it > 0.0), "{line}");
        }
        assert!(!server.log().contains(&chat), "{}", server.log());
    }

    async fn no_message_text_and_no_secret_however_much_is_logged(database) {
        let collector = Collector::start().await;
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer wombat-secret"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ];
        let mut server = server_with(&database, &variables).await;
        let chat = server.new_chat().await;
        ask_everything(&server, &chat).await;
        collector.span("GET /transcript/{chat_id}").await;
        database.connect().await.execute("DROP TABLE messages").await;
        ask_everything(&server, &chat).await;
        server.signal("TERM");
        assert!(server.ended().await.success());
        wait::until("the end is logged", async || server.logged("stopped").is_some()).await;
        let statuses: BTreeSet<_> = server.log_lines().iter().filter_map(|line| line["status"].as_u64()).collect();
        assert_eq!(statuses, BTreeSet::from([200, 404, 405, 413, 422, 503]));
        assert!(server.logged("the database failed").is_some(), "{}", server.log());
        for secret in [SECRET, "WOMBAT", PASSWORD, &chat] {
            assert!(!server.log().contains(secret), "{secret} is in {}", server.log());
        }
    }
}

/// Every endpoint and every kind of mistake, with the secret wherever something can be sent.
async fn ask_everything(server: &Server, chat: &str) {
    let secretly = |method: &str, path: &str| {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        let request = server.request(method, &format!("{path}?{SECRET}"));
        request
            .header("Authorization", format!("Bearer {SECRET}"))
            .header("Cookie", format!("session={SECRET}"))
            .header("X-Request-Id", format!("{SECRET} and more"))
            .header("X-Anything", SECRET)
            .header("User-Agent", SECRET)
    };
    let message = |body: serde_json::Value| secretly("POST", "/message").json(&body);
    let not_json = secretly("POST", "/message").header("Content-Type", "application/json");
    let no_type = secretly("POST", "/message");
    for request in [
        message(json!({"chat_id": chat, "text": SECRET})),
        message(json!({"chat_id": chat, "text": SECRET})).header("Idempotency-Key", SECRET),
        message(json!({"chat_id": SECRET, "text": SECRET})),
        message(json!({"chat_id": Uuid::nil(), "text": SECRET})),
        message(json!({"chat_id": chat, "text": SECRET.repeat(400)})),
        message(json!({"chat_id": chat, "text": SECRET.repeat(6000)})),
        message(json!({"chat_id": chat, "text": [SECRET]})),
        message(json!({SECRET: SECRET})),
        message(json!(SECRET)),
        not_json.body(format!("{{\"text\": {SECRET}")),
        no_type.body(SECRET),
        secretly("POST", "/start_chat"),
        secretly("GET", &format!("/transcript/{chat}")),
        secretly("GET", &format!("/transcript/{SECRET}")),
        secretly("DELETE", &format!("/transcript/{SECRET}")),
        secretly("GET", &format!("/{SECRET}")),
        secretly("WOMBAT-SECRET", "/message"),
        secretly("GET", "/healthz"),
        secretly("GET", "/readyz"),
        secretly("GET", "/metrics"),
    ] {
        request.send().await.expect("an answer");
    }
}

/// Nobody reads standard error: the pipe fills, then the memory for lines, and the server goes on.
#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_but_no_request() {
    let database = Database::sqlite();
    database.migrate();
    let mut server = chat_server(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .env("DATABASE_URL", database.url())
        .stderr(Stdio::piped())
        .spawn()
        .expect("chat-server runs");
    let mut log = BufReader::new(server.stderr.take().expect("a pipe"));
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    let listening: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let address = listening["address"].as_str().expect("an address");
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let answer = client.get(format!("http://{address}{path}")).send().await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("a text")
    };
    wait::until("lines are lost", async || {
        futures::future::join_all((0..200).map(|_| get("/healthz"))).await;
        !get("/metrics").await.contains("\nlog_lines_lost_total 0\n")
    })
    .await;
    kill("TERM", i32::try_from(server.id()).expect("a process id"));
    let started = Instant::now();
    wait::until("the server ends", async || {
        server.try_wait().expect("a child").is_some()
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_misspelt_password_parameter_is_not_logged() {
    let refused = chat_server(&[
        "migrate",
        "--database-url",
        "postgres://a@127.0.0.1:1/b?passwort=hunter2",
    ])
    .env("RUST_LOG", "trace")
    .output()
    .expect("it runs");
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("hunter2"));
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let refused = crate::program::migrate(&format!("postgres://app:{PASSWORD}@127.0.0.1:1/chat"));
    let refused = refused.expect_failure(1, "cannot migrate postgres://127.0.0.1:1/chat");
    assert!(!refused.stderr.contains(PASSWORD), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
}
