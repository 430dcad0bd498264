//! The API's description: the same wherever it is, and complete.

use reqwest::Method;
use serde_json::Value;

use crate::database::Database;
use crate::program::run;
use crate::server::{Server, answer};

const COMMITTED: &str = include_str!("../../openapi.json");

fn described() -> Value {
    serde_json::from_str(COMMITTED).expect("JSON")
}

/// Path, method and description of each operation.
fn operations(api: &Value) -> Vec<(&str, &str, &Value)> {
    let mut operations = Vec::new();
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            operations.push((path.as_str(), method.as_str(), operation));
        }
    }
    operations
}

#[test]
fn the_committed_file_is_what_the_program_prints() {
    let printed = run(&["openapi"]).expect_success().stdout;
    assert!(
        printed == COMMITTED,
        "chat-server/openapi.json is stale: run ./just generate"
    );
}

#[tokio::test]
async fn the_server_shows_it() {
    let server = Server::start(&Database::sqlite()).await;
    let answer = server
        .request(Method::GET, "/openapi.json")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.expect("a text"), COMMITTED);
}

#[tokio::test]
async fn each_path_takes_the_methods_that_are_described_and_no_others() {
    let server = Server::start(&Database::sqlite()).await;
    let api = described();
    let operations = operations(&api);
    assert!(operations.len() >= 7, "{operations:?}");
    for (path, ..) in &operations {
        let mut allowed: Vec<_> = operations
            .iter()
            .filter(|(other, ..)| other == path)
            .map(|(_, method, _)| method.to_uppercase())
            .collect();
        if allowed.contains(&"GET".to_owned()) {
            allowed.push("HEAD".to_owned());
        }
        allowed.sort();
        let refused = answer(server.request(Method::PATCH, path)).await;
        refused.expect_error(405, "method");
        let header = refused.allow.expect("Allow");
        let mut allow: Vec<_> = header.split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{path}");
    }
}

#[test]
fn each_answer_names_its_headers_and_what_it_is() {
    let api = described();
    for (path, method, operation) in operations(&api) {
        assert!(operation["summary"].is_string(), "{method} {path}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.contains_key("405"), "{method} {path}");
        for (status, response) in responses {
            let response = match response["$ref"].as_str() {
                Some(name) => api.pointer(&name[1..]).expect("it is there"),
                None => response,
            };
            let what = format!("{method} {path} {status}: {response}");
            let headers = response["headers"].as_object().expect("headers");
            assert!(headers.contains_key("X-Request-Id"), "{what}");
            let says_when = ["429", "503"].contains(&status.as_str());
            assert_eq!(headers.contains_key("Retry-After"), says_when, "{what}");
            assert_eq!(headers.contains_key("Allow"), status == "405", "{what}");
            let body = &response["content"]["application/json"]["schema"];
            let is_problem = body["$ref"] == "#/components/schemas/Problem";
            assert_eq!(is_problem, !status.starts_with('2'), "{what}");
        }
    }
}

#[tokio::test]
async fn docs_shows_it_with_nothing_from_elsewhere() {
    let server = Server::start(&Database::sqlite()).await;
    let fetch = async |path: &str| {
        let answer = server.request(Method::GET, path).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str();
        let policy = policy.expect("ASCII").to_owned();
        assert!(!policy.contains("//"), "{policy}");
        assert!(policy.contains("script-src 'self';"), "{policy}");
        answer.text().await.expect("a text")
    };
    let page = fetch("/docs").await;
    assert!(page.contains("swagger-ui-bundle.js"), "{page}");
    assert!(!page.contains("http"), "{page}");
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "index.css"] {
        assert!(!fetch(&format!("/docs/{file}")).await.is_empty());
    }
    let settings = fetch("/docs/swagger-initializer.js").await;
    assert!(settings.contains("\"/openapi.json\""), "{settings}");
    assert!(
        settings.contains("\"validatorUrl\": \"none\""),
        "{settings}"
    );
    server
        .get("/docs/nothing")
        .await
        .expect_error(404, "nothing at this path");
}
