//! The headers of answers: for security, and for pages of other origins.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use crate::database::Database;
use crate::program::run;
use crate::server::Server;

const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const PAGE: &str = "https://page.example.org";

async fn with_arguments(database: &Database, arguments: &[&str]) -> Server {
    database.migrate();
    Server::start_with(&[&["--database-url", &database.url()], arguments].concat()).await
}

/// Status and headers of the answer to a request with these headers.
async fn sent(
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap) {
    let mut request = server.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.headers().clone())
}

#[track_caller]
fn expect(headers: &HeaderMap, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let values: Vec<_> = headers.get_all(*name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

#[tokio::test]
async fn answers_of_the_api_can_not_be_shown_embedded_kept_or_guessed() {
    let database = Database::sqlite();
    let server = with_arguments(&database, &[]).await;
    for (method, path, status) in [
        (Method::POST, "/start_chat", 200),
        (Method::POST, "/message", 422),
        (Method::GET, "/transcript/none", 404),
        (Method::GET, "/openapi.json", 200),
        (Method::GET, "/readyz", 200),
        (Method::GET, "/", 404),
        (Method::PUT, "/message", 405),
    ] {
        let (answered, headers) = sent(&server, method, path, &[]).await;
        assert_eq!(answered, status, "{path}");
        expect(
            &headers,
            &[
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("content-security-policy", API_POLICY),
                ("cache-control", "no-store"),
                ("content-type", "application/json"),
            ],
        );
        assert!(headers.contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test]
async fn the_page_has_a_policy_that_it_can_work_with() {
    let database = Database::sqlite();
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("assets")).expect("a directory");
    for file in ["index.html", "assets/main-1.js"] {
        std::fs::write(directory.path().join(file), "x").expect("written");
    }
    let path = directory.path().to_str().expect("UTF-8");
    let server = with_arguments(&database, &["--static-dir", path]).await;
    let nginx = include_str!("../../../images/frontend/nginx.conf.template");
    for (path, kept) in [
        ("/", "no-cache"),
        ("/assets/main-1.js", "public, max-age=31536000, immutable"),
    ] {
        let (status, headers) = sent(&server, Method::GET, path, &[]).await;
        assert_eq!(status, 200, "{path}");
        expect(
            &headers,
            &[
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cache-control", kept),
            ],
        );
        let policy = headers["content-security-policy"].to_str().expect("ASCII");
        assert!(nginx.contains(policy), "nginx sends another: {policy}");
    }
    for path in ["/nothing", "/assets/nothing"] {
        let (status, headers) = sent(&server, Method::GET, path, &[]).await;
        assert_eq!(status, 404);
        expect(
            &headers,
            &[
                ("content-security-policy", API_POLICY),
                ("cache-control", "no-store"),
            ],
        );
    }
}

#[tokio::test]
async fn a_page_of_a_configured_origin_may_use_the_api() {
    let database = Database::sqlite();
    let origins = format!("http://localhost:5173,{PAGE}");
    let server = with_arguments(&database, &["--cors-origins", &origins]).await;
    let (status, headers) = sent(
        &server,
        Method::OPTIONS,
        "/message",
        &[
            ("origin", PAGE),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "content-type,idempotency-key",
            ),
        ],
    )
    .await;
    assert_eq!(status, 200);
    expect(&headers, &[("access-control-allow-origin", PAGE)]);
    for (header, values) in [
        (
            "access-control-allow-methods",
            &["POST", "GET", "DELETE"][..],
        ),
        (
            "access-control-allow-headers",
            &["content-type", "idempotency-key"],
        ),
    ] {
        let allowed = headers[header].to_str().expect("ASCII");
        for value in values {
            assert!(allowed.split(',').any(|it| it == *value), "{allowed}");
        }
    }
    let (status, headers) = sent(&server, Method::POST, "/start_chat", &[("origin", PAGE)]).await;
    assert_eq!(status, 200);
    expect(
        &headers,
        &[
            ("access-control-allow-origin", PAGE),
            ("access-control-expose-headers", "retry-after,x-request-id"),
        ],
    );
    let varies = headers
        .get_all("vary")
        .iter()
        .any(|it| it.to_str().is_ok_and(|it| it.contains("origin")));
    assert!(varies, "{headers:?}");
}

#[tokio::test]
async fn pages_of_other_origins_may_not() {
    let database = Database::sqlite();
    for (arguments, origin) in [
        (&[][..], PAGE),
        (&["--cors-origins", PAGE], "https://evil.example.org"),
        (&["--cors-origins", PAGE], "http://page.example.org"),
        (&["--cors-origins", PAGE], "null"),
    ] {
        let server = with_arguments(&database, arguments).await;
        for method in [Method::OPTIONS, Method::POST] {
            let asked = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
            ];
            let (_, headers) = sent(&server, method, "/start_chat", &asked).await;
            assert!(
                !headers.contains_key("access-control-allow-origin"),
                "{headers:?}"
            );
        }
    }
}

#[test]
fn settings_that_are_not_understood_are_errors_of_usage() {
    for (setting, wrong, reason) in [
        ("--cors-origins", "*", "'*' is no origin"),
        (
            "--cors-origins",
            "https://a.example/b",
            "'https://a.example/b' is no origin",
        ),
        ("--trusted-proxies", "nginx", "'nginx' is no network"),
        ("--rate-limit", "many", "'many'"),
        ("--max-connections", "0", "'0'"),
    ] {
        let arguments = ["serve", "--database-url", "sqlite://a", setting, wrong];
        run(&arguments).expect_failure(2, reason);
    }
}
