//! Traces: what a collector gets, and that one that is down, silent or misnamed is nobody's trouble.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;

use crate::collector::{Collector, attribute, server_with};
use crate::database::Database;
use crate::on_both_storages;
use crate::postgres::PASSWORD;
use crate::server::{Server, answer};
use crate::wait;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const ERROR: i32 = 2;

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

async fn say_within_trace(server: &Server, chat: &str, text: &str) -> u16 {
    let request = server
        .request(reqwest::Method::POST, "/message?wombat-secret")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("tracestate", "wombat-secret=1")
        .header("Authorization", "Bearer wombat-secret");
    answer(request.json(&json!({"chat_id": chat, "text": text})))
        .await
        .status
}

on_both_storages! {
    async fn a_request_is_a_span_below_the_callers_and_above_that_of_the_database(database) {
        let collector = Collector::start().await;
        let server = server_with(&database, &[(ENDPOINT, &collector.url), SOON]).await;
        let chat = server.new_chat().await;
        assert_eq!(say_within_trace(&server, &chat, "wombat-secret").await, 200);

        let request = collector.span("POST /message").await;
        assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
        assert_eq!(request.kind, SERVER);
        for (name, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/message"),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
        ] {
            assert_eq!(attribute(&request.attributes, name).as_deref(), Some(value), "{request:?}");
        }
        assert!(request.status.is_none_or(|status| status.code != ERROR));

        let write = collector.span("add_exchange").await;
        assert_eq!((hex(&write.trace_id), &write.parent_span_id), (TRACE.to_owned(), &request.span_id));
        assert_eq!(write.kind, CLIENT);
        let system = if matches!(database, Database::Sqlite { .. }) { "sqlite" } else { "postgresql" };
        assert_eq!(attribute(&write.attributes, "db.system.name").as_deref(), Some(system), "{write:?}");

        wait::until("the request's line has the trace", async || {
            server.log_lines().iter().any(|line| line["message"] == "request" && line["span"]["trace_id"] == TRACE)
        }).await;
    }

    async fn a_failure_of_the_database_is_an_error_in_both_spans(database) {
        let collector = Collector::start().await;
        let server = server_with(&database, &[(ENDPOINT, &collector.url), SOON]).await;
        let chat = server.new_chat().await;
        database.connect().await.execute("DROP TABLE messages").await;
        assert_eq!(say_within_trace(&server, &chat, "hello").await, 503);
        let request = collector.span("POST /message").await;
        assert_eq!(attribute(&request.attributes, "error.type").as_deref(), Some("503"));
        let write = collector.span("add_exchange").await;
        assert_eq!(attribute(&write.attributes, "error.type").as_deref(), Some("other"));
        for span in [request, write] {
            assert_eq!(span.status.map(|status| status.code), Some(ERROR));
        }
    }

    async fn nothing_secret_is_sent_and_nothing_of_the_sending(database) {
        let collector = Collector::start().await;
        let mut server = server_with(&database, &[(ENDPOINT, &collector.url), SOON]).await;
        let chat = server.new_chat().await;
        assert_eq!(say_within_trace(&server, &chat, "wombat-secret").await, 200);
        say_within_trace(&server, "wombat-secret", "wombat-secret").await;
        server.transcript(&chat).await;
        server.transcript("wombat-secret").await;
        server.get("/wombat-secret").await;
        let method = reqwest::Method::from_bytes(b"WOMBAT-SECRET").expect("a token");
        answer(server.request(method, "/message")).await;
        // What is sent now would show that sending was traced before.
        collector.span("GET /transcript/{chat_id}").await;
        server.signal("TERM");
        assert!(server.ended().await.success());
        let names: BTreeSet<_> = collector.spans().into_iter().map(|span| span.name).collect();
        let expected = [
            "GET", "GET /transcript/{chat_id}", "POST /message", "POST /start_chat", "HTTP /message", "add_exchange", "schema_state",
            "start_chat", "transcript",
        ];
        assert_eq!(names, expected.map(ToOwned::to_owned).into());
        for secret in ["wombat", "WOMBAT", PASSWORD, &chat] {
            assert!(!collector.got(secret), "{secret} is in what was sent");
        }
    }
}

#[tokio::test]
async fn the_last_spans_are_sent_at_the_end() {
    let database = Database::sqlite();
    let collector = Collector::start().await;
    let endpoint = format!("{}/v1/traces", collector.url);
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    ];
    let mut server = server_with(&database, &variables).await;
    server.new_chat().await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    let spans = collector.spans();
    assert!(
        spans.iter().any(|span| span.name == "POST /start_chat"),
        "{spans:?}"
    );
    assert_eq!(
        collector.resource("service.name").as_deref(),
        Some("chat-server")
    );
    assert_eq!(
        collector.resource("service.version").as_deref(),
        Some(env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn the_service_is_called_what_the_environment_says() {
    for (variable, value) in [
        ("OTEL_SERVICE_NAME", "wombat"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=wombat"),
    ] {
        let database = Database::sqlite();
        let collector = Collector::start().await;
        let variables = [(ENDPOINT, collector.url.as_str()), (variable, value), SOON];
        let server = server_with(&database, &variables).await;
        server.new_chat().await;
        collector.span("start_chat").await;
        assert_eq!(
            collector.resource("service.name").as_deref(),
            Some("wombat")
        );
    }
}

/// More requests than the queue of spans has places, each answered soon, and an end that is soon.
async fn expect_no_trouble_with(endpoint: &str) -> Server {
    let database = Database::sqlite();
    let mut server = server_with(&database, &[(ENDPOINT, endpoint), SOON]).await;
    for _ in 0..100 {
        let started = Instant::now();
        let requests = (0..30).map(|_| server.get("/healthz"));
        let answers = futures::future::join_all(requests).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    let started = Instant::now();
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        started.elapsed()
    );
    wait::until("the end is logged", async || {
        server.logged("stopped").is_some()
    })
    .await;
    server
}

#[tokio::test]
async fn a_collector_that_never_answers_is_nobodys_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    expect_no_trouble_with(&endpoint).await;
    silent.abort();
}

#[tokio::test]
async fn a_collector_that_is_down_is_nobodys_trouble() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let server = expect_no_trouble_with(&format!("http://app:hunter2@{address}")).await;
    let said = server
        .log_lines()
        .into_iter()
        .find(|line| line["level"] == "ERROR");
    let said = said.expect("the failure is logged").to_string();
    assert!(said.contains("HTTP export failed: network error"), "{said}");
    assert!(!server.log().contains("hunter2"), "{}", server.log());
}

#[tokio::test]
async fn a_collector_that_cannot_be_sent_to_is_said_once_and_the_chat_goes_on() {
    for (variables, reason) in [
        (
            [(ENDPOINT, "https://app:hunter2@collector:4318"), SOON],
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL like http://",
        ),
        (
            [(ENDPOINT, "collector:4318/hunter2"), SOON],
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL like http://",
        ),
        (
            [(ENDPOINT, "hunter2 "), SOON],
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL like http://",
        ),
        (
            [
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/hunter2"),
                (ENDPOINT, "http://127.0.0.1:4318"),
            ],
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be",
        ),
        (
            [
                (ENDPOINT, "http://127.0.0.1:4318"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ],
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf",
        ),
        (
            [
                (ENDPOINT, "http://127.0.0.1:4318"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ],
            "OTEL_EXPORTER_OTLP_COMPRESSION must be",
        ),
    ] {
        let database = Database::sqlite();
        let server = server_with(&database, &variables).await;
        server.new_chat().await;
        let said = server.logged("no traces are sent: ").unwrap_or_default();
        assert!(
            said["message"].to_string().contains(reason),
            "{variables:?}: {}",
            server.log()
        );
        assert_eq!(said["level"], "WARN");
        assert!(!server.log().contains("hunter2"), "{}", server.log());
    }
}

#[tokio::test]
async fn a_sampler_that_does_not_exist_is_said() {
    let database = Database::sqlite();
    let variables = [
        (ENDPOINT, "http://127.0.0.1:9"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ];
    let server = server_with(&database, &variables).await;
    let said = server.logged("Unrecognized sampler type 'sometimes'");
    assert!(said.is_some(), "{}", server.log());
}

#[tokio::test]
async fn nothing_of_it_is_there_when_no_collector_is_named() {
    let threads = |server: &Server| -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.process_id()));
        tasks
            .expect("a process")
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
            .collect()
    };
    let sends = |server: &Server| {
        threads(server)
            .iter()
            .any(|name| name.starts_with("OpenTelemetry"))
    };
    let named = [(ENDPOINT, "http://127.0.0.1:9")];
    assert!(sends(&server_with(&Database::sqlite(), &named).await));
    let empty = [(ENDPOINT, "")];
    let disabled = [named[0], ("OTEL_SDK_DISABLED", "true")];
    for variables in [&[][..], &empty, &disabled] {
        let server = server_with(&Database::sqlite(), variables).await;
        server.new_chat().await;
        assert!(!sends(&server), "{variables:?}");
        assert!(!server.log().contains("trace_id"), "{}", server.log());
    }
}
