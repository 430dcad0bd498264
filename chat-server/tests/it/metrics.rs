//! `/metrics`: the numbers after known traffic, and the form that Prometheus reads.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::on_both_storages;
use crate::postgres::PASSWORD;
use crate::server::{Server, answer};
use crate::wait;

/// Each family that is always there: name, type, unit.
const FAMILIES: [(&str, &str, Option<&str>); 11] = [
    ("build", "info", None),
    ("process_start_time_seconds", "gauge", Some("seconds")),
    ("process_resident_memory_bytes", "gauge", Some("bytes")),
    ("log_lines_lost", "counter", None),
    ("http_requests", "counter", Some("requests")),
    (
        "http_request_duration_seconds",
        "histogram",
        Some("seconds"),
    ),
    ("http_requests_in_flight", "gauge", None),
    ("replies", "counter", None),
    ("database_errors", "counter", None),
    ("db_pool_connections", "gauge", Some("connections")),
    ("db_pool_connections_max", "gauge", None),
];

/// The value of a sample, given its name and labels as they are written.
#[track_caller]
fn value<'a>(text: &'a str, sample: &str) -> &'a str {
    find(text, sample).unwrap_or_else(|| panic!("no {sample} in:\n{text}"))
}

fn find<'a>(text: &'a str, sample: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))
}

fn number(text: &str, sample: &str) -> f64 {
    value(text, sample).parse().expect("a number")
}

fn requests(method: &str, route: &str, status: &str) -> String {
    format!("http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

/// What OpenMetrics asks of a text: families with type and help before their samples, each once, and an end.
#[track_caller]
fn expect_open_metrics(text: &str) {
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1, "{text}");
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut units: HashMap<&str, &str> = HashMap::new();
    let mut helps: HashMap<&str, &str> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut family = "";
    for line in text.trim_end_matches("# EOF\n").lines() {
        if let Some(descriptor) = line.strip_prefix("# ") {
            let [keyword, name, rest] = descriptor.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("not a descriptor: {line}");
            };
            let kept = match keyword {
                "TYPE" => &mut types,
                "UNIT" => &mut units,
                "HELP" => &mut helps,
                _ => panic!("not a descriptor: {line}"),
            };
            assert!(kept.insert(name, rest).is_none(), "twice: {line}");
            family = name;
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample");
        value.parse::<f64>().expect("a number");
        assert!(seen.insert(sample), "twice: {line}");
        let name = sample.split('{').next().expect("a name");
        let suffix = name
            .strip_prefix(family)
            .unwrap_or_else(|| panic!("{line} is below {family}"));
        let allowed: &[_] = match types[family] {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            other => panic!("{family} is a {other}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
    }
    for (name, kind, unit) in &FAMILIES {
        assert_eq!(types.get(name), Some(kind), "{name} in {text}");
        assert_eq!(units.get(name), unit.as_ref(), "{name}");
        assert!(helps.contains_key(name), "{name} has no help");
    }
    assert_eq!(types.len(), FAMILIES.len(), "{types:?}");
}

on_both_storages! {
    async fn what_happened_is_counted(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        for text in ["Hello", "hello", "wombat-secret", " "] {
            server.say(&chat, text).await;
        }
        server.transcript(&chat).await;
        server.get("/wombat-secret").await;
        answer(server.request(Method::PUT, "/message")).await;
        let own = Method::from_bytes(b"WOMBAT-SECRET").expect("a token");
        answer(server.request(own, "/message")).await;

        let text = server.metrics().await;
        expect_open_metrics(&text);
        for (sample, expected) in [
            (requests("POST", "/start_chat", "200"), "1"),
            (requests("POST", "/message", "200"), "3"),
            (requests("POST", "/message", "422"), "1"),
            (requests("PUT", "/message", "405"), "1"),
            (requests("other", "/message", "405"), "1"),
            (requests("GET", "/transcript/{chat_id}", "200"), "1"),
            (requests("GET", "none", "404"), "1"),
            ("http_request_duration_seconds_count{method=\"POST\",route=\"/message\"}".to_owned(), "4"),
            ("http_request_duration_seconds_bucket{le=\"+Inf\",method=\"POST\",route=\"/message\"}".to_owned(), "4"),
            ("http_requests_in_flight".to_owned(), "1"),
            ("replies_total{kind=\"greeting\"}".to_owned(), "1"),
            ("replies_total{kind=\"dialogue\"}".to_owned(), "2"),
            ("replies_total{kind=\"fallback\"}".to_owned(), "1"),
            ("log_lines_lost_total".to_owned(), "0"),
            (format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), "1"),
        ] {
            assert_eq!(value(&text, &sample), expected, "{sample} in:\n{text}");
        }
        // A connection goes back a moment after its work is done.
        wait::until("all connections are idle", async || {
            let text = server.metrics().await;
            let [idle, used, max] = ["db_pool_connections{state=\"idle\"}", "db_pool_connections{state=\"used\"}", "db_pool_connections_max"]
                .map(|sample| number(&text, sample));
            idle >= 1.0 && used < 0.5 && idle <= max
        })
        .await;
        assert!(number(&text, "http_request_duration_seconds_sum{method=\"POST\",route=\"/message\"}") > 0.0);
        assert!(number(&text, "process_resident_memory_bytes") > 1e6);
        assert!(number(&text, "process_start_time_seconds") > 1.7e9);
        for secret in [&*chat, "wombat", "WOMBAT", PASSWORD] {
            assert!(!text.contains(secret), "{secret} is in:\n{text}");
        }
    }

    async fn what_the_database_refuses_is_an_error_and_no_reply(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        server.say("00000000-0000-4000-8000-000000000000", "hello").await;
        database.connect().await.execute("DROP TABLE messages").await;
        server.say(&chat, "hello").await;
        server.start_chat().await;
        let text = server.metrics().await;
        let errors = |class: &str| value(&text, &format!("database_errors_total{{class=\"{class}\"}}"));
        assert_eq!(["read_only", "too_slow", "no_connection", "busy", "other"].map(errors), ["0", "0", "0", "0", "2"]);
        let replies = |kind: &str| value(&text, &format!("replies_total{{kind=\"{kind}\"}}"));
        assert_eq!(["greeting", "dialogue", "fallback"].map(replies), ["1", "0", "0"]);
    }
}

#[tokio::test]
async fn the_form_is_open_metrics() {
    let server = Server::start(&crate::database::Database::sqlite()).await;
    let scrape = server.request(Method::GET, "/metrics").send().await;
    assert_eq!(
        scrape.expect("an answer").headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_and_no_longer_in_flight() {
    let database = crate::database::Database::sqlite();
    let server = Server::start(&database).await;
    let chat = server.new_chat().await;
    let mut writer = database.connect().await;
    writer.execute("BEGIN IMMEDIATE").await;
    let request = server
        .request(Method::POST, "/message")
        .json(&json!({"chat_id": chat, "text": "hello"}))
        .timeout(Duration::from_millis(300));
    request.send().await.expect_err("the client leaves");
    wait::until("it is counted", async || {
        let text = server.metrics().await;
        find(&text, &requests("POST", "/message", "none")) == Some("1")
            && find(&text, "http_requests_in_flight") == Some("1")
    })
    .await;
}
