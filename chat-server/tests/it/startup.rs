//! Settings: from flags, the environment and files; what is missing or wrong is said before anything is served.

use crate::database::Database;
use crate::on_both_storages;
use crate::program::{chat_server, run};
use crate::server::Server;
use crate::wait;

on_both_storages! {
    async fn every_setting_can_come_from_the_environment(database) {
        database.migrate();
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("the file is written");
            path
        };
        let url_file = file("url", &format!("\n  {}\n\n", database.url()));
        let content_file = file("content.yaml", "greetings: [ahoy]\nfallbacks: [x]\ndialogues: [{text: a, replies: [b]}]\n");
        file("index.html", "<title>the page</title>");
        let server = Server::spawn(
            chat_server(&["serve"])
                .env("LISTEN", "127.0.0.1:0")
                .env("DATABASE_URL_FILE", url_file)
                .env("CONTENT_FILE", content_file)
                .env("STATIC_DIR", directory.path())
                .env("CORS_ORIGINS", "https://page.example.org")
                .env("RATE_LIMIT", "1")
                .env("TRUSTED_PROXIES", "")
                .env("MAX_CONNECTIONS", "10")
                .env("LOG_FORMAT", "json")
                .env("RUST_LOG", "info"),
        )
        .await;
        assert_eq!(server.start_chat().await.body["reply"], "ahoy");
        let page = server.request(reqwest::Method::GET, "/").send().await.expect("an answer");
        assert_eq!(page.status(), 200);
        assert_eq!(page.text().await.expect("a text"), "<title>the page</title>");
        server.get("/nothing").await.expect_error(404, "nothing at this path");
        crate::server::answer(server.request(reqwest::Method::POST, "/")).await.expect_error(404, "nothing at this path");
        let page = server.request(reqwest::Method::GET, "/").header("Origin", "https://page.example.org").send().await.expect("an answer");
        assert_eq!(page.headers()["access-control-allow-origin"], "https://page.example.org");
        wait::until("the rate limit is reached", async || server.start_chat().await.status == 429).await;
        server.get("/../Cargo.toml").await.expect_error(404, "nothing at this path");
    }
}

#[tokio::test]
async fn the_built_in_content_answers_hello() {
    let database = Database::sqlite();
    let server = Server::start(&database).await;
    let chat = server.new_chat().await;
    let reply = server.say(&chat, "Hello").await.body["reply"]
        .as_str()
        .expect("a text")
        .to_lowercase();
    assert!(reply.contains("hello"), "{reply}");
}

#[test]
fn a_database_is_named_exactly_once() {
    run(&["migrate"]).expect_failure(2, "--database-url");
    run(&["serve"]).expect_failure(2, "--database-url");
    run(&[
        "migrate",
        "--database-url",
        "sqlite://a.db",
        "--database-url-file",
        "b",
    ])
    .expect_failure(2, "cannot be used with");
}

#[test]
fn a_database_url_that_is_not_understood_is_an_error_of_usage_and_not_repeated() {
    for url in [
        "mysql://app:hunter2@db/app",
        "hunter2",
        "postgres://app:hunter2@db:port/app",
        "",
    ] {
        let refused =
            run(&["migrate", "--database-url", url]).expect_failure(2, "the database URL");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
}

#[test]
fn help_does_not_show_the_database_url_of_the_environment() {
    for command in ["serve", "migrate"] {
        let help = chat_server(&[command, "--help"])
            .env("DATABASE_URL", "postgres://a:hunter2@b/c")
            .output()
            .expect("it runs");
        assert!(help.status.success());
        assert!(!String::from_utf8_lossy(&help.stdout).contains("hunter2"));
    }
}

#[test]
fn files_that_are_missing_are_named() {
    run(&["migrate", "--database-url-file", "/nowhere/url"]).expect_failure(1, "/nowhere/url");
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "sqlite:///nowhere/chat.db",
    ];
    run(&[&serve[..], &["--content", "/nowhere/content.yaml"]].concat())
        .expect_failure(1, "/nowhere/content.yaml");
    run(&[&serve[..], &["--static-dir", "/nowhere/dist"]].concat())
        .expect_failure(1, "/nowhere/dist has no index.html");
    run(&["migrate", "--database-url", "sqlite:///nowhere/chat.db"])
        .expect_failure(1, "sqlite:///nowhere/chat.db");
}

#[test]
fn broken_content_is_refused_with_line_and_reason() {
    let content = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        content.path(),
        "greetings: [a]\nfallbacks: []\ndialogues: []\n",
    )
    .expect("content is written");
    let path = content.path().to_str().expect("UTF-8");
    let refused = run(&[
        "serve",
        "--database-url",
        "sqlite://chat.db",
        "--content",
        path,
    ]);
    let refused = refused.expect_failure(1, "line 2: fallbacks must not be empty");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let database = Database::sqlite();
    database.migrate();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    run(&[
        "serve",
        "--listen",
        &address,
        "--database-url",
        &database.url(),
    ])
    .expect_failure(1, &address);
}
