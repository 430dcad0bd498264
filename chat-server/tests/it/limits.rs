//! What one client may take: requests per second, connections, and time. The times are the real ones, so these tests
//! take a little longer than theirs.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::database::Database;
use crate::on_both_storages;
use crate::server::{Answer, Server, answer};
use crate::wait;

const SECOND: Duration = Duration::from_secs(1);

async fn with_arguments(database: &Database, arguments: &[&str]) -> Server {
    database.migrate();
    Server::start_with(&[&["--database-url", &database.url()], arguments].concat()).await
}

/// Start chats on behalf of this client until it may not; the answer to that.
async fn exhaust(server: &Server, client: &str) -> Answer {
    let mut answer = start_chat(server, client).await;
    wait::until("it has asked too often", async || {
        answer = start_chat(server, client).await;
        answer.status != 200
    })
    .await;
    answer
}

async fn start_chat(server: &Server, client: &str) -> Answer {
    let request = server.request(Method::POST, "/start_chat");
    answer(request.header("X-Forwarded-For", client)).await
}

on_both_storages! {
    async fn a_client_that_asks_too_often_is_told_when_to_come_back(database) {
        let server = with_arguments(&database, &["--rate-limit", "1"]).await;
        let refused = exhaust(&server, "198.51.100.1").await;
        refused.expect_error(429, "too many requests");
        assert_eq!(refused.retry_after.as_deref(), Some("1"));
        assert_eq!(start_chat(&server, "198.51.100.2").await.status, 200, "another client");
        wait::until("it may again", async || start_chat(&server, "198.51.100.1").await.status == 200).await;
    }
}

#[tokio::test]
async fn all_that_needs_the_database_counts_and_nothing_else() {
    let database = Database::sqlite();
    let server = with_arguments(&database, &["--rate-limit", "1"]).await;
    let chat = server.new_chat().await;
    let said = json!({"chat_id": chat, "text": "a"});
    let transcript = format!("/transcript/{chat}");
    for (last, method, path) in [
        (1, Method::POST, "/message"),
        (2, Method::GET, transcript.as_str()),
        (3, Method::DELETE, "/transcript/none"),
    ] {
        let client = format!("198.51.100.{last}");
        exhaust(&server, &client).await;
        let request = server.request(method, path).json(&said);
        answer(request.header("X-Forwarded-For", client))
            .await
            .expect_error(429, "");
    }
    for _ in 0..20 {
        for path in ["/healthz", "/readyz", "/openapi.json"] {
            assert_eq!(server.get(path).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn only_proxies_that_are_trusted_name_the_client() {
    let database = Database::sqlite();
    let server = with_arguments(
        &database,
        &["--rate-limit", "1", "--trusted-proxies", "192.0.2.0/24"],
    )
    .await;
    exhaust(&server, "198.51.100.1").await;
    start_chat(&server, "198.51.100.2")
        .await
        .expect_error(429, "");
}

#[tokio::test]
async fn without_a_limit_all_is_answered() {
    let database = Database::sqlite();
    let server = with_arguments(&database, &["--rate-limit", "0"]).await;
    for _ in 0..200 {
        assert_eq!(server.transcript("none").await.status, 404);
    }
}

/// Send a beginning, then more each second, and say what came back and after how long the connection was closed.
async fn slowly(server: &Server, first: &str, each_second: &str) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("it connects");
    let (mut from, mut to) = stream.split();
    let send = async {
        let mut next = first;
        while to.write_all(next.as_bytes()).await.is_ok() {
            next = each_second;
            sleep(SECOND).await;
        }
    };
    let mut response = Vec::new();
    tokio::select! {
        () = send => {}
        _ = from.read_to_end(&mut response) => {}
    }
    let response = String::from_utf8(response).expect("a text");
    (response, began.elapsed())
}

#[tokio::test]
async fn slow_clients_are_given_up_after_ten_seconds_and_others_are_not() {
    let database = Database::sqlite();
    let server = Server::start(&database).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: chat\r\n";
    let post = "POST /message HTTP/1.1\r\nHost: chat\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let idle = async {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("it connects");
        let mut answers = Vec::new();
        for pause in [12, 0] {
            stream
                .write_all(format!("{get}\r\n").as_bytes())
                .await
                .expect("sent");
            let mut answer = vec![0; 1000];
            let length = stream.read(&mut answer).await.expect("received");
            answers.push(String::from_utf8_lossy(&answer[..length]).into_owned());
            sleep(pause * SECOND).await;
        }
        answers
    };
    let (silent, head, dribbled_head, body, dribbled_body, idle) = tokio::join!(
        slowly(&server, "", ""),
        slowly(&server, get, ""),
        slowly(&server, get, "X: y\r\n"),
        slowly(&server, post, ""),
        slowly(&server, post, " "),
        idle,
    );
    for (response, after) in [silent, head, dribbled_head] {
        assert_eq!(response, "");
        assert!((SECOND * 9..SECOND * 20).contains(&after), "{after:?}");
    }
    for (response, after) in [body, dribbled_body] {
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
        assert!(
            response.contains("{\"detail\":\"the request didn't arrive in time\"}"),
            "{response}"
        );
        assert!((SECOND * 9..SECOND * 20).contains(&after), "{after:?}");
    }
    for answer in idle {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_maximum_wait_for_a_place() {
    let database = Database::sqlite();
    let server = with_arguments(&database, &["--max-connections", "1"]).await;
    let first = TcpStream::connect(server.address())
        .await
        .expect("it connects");
    let mut second = Box::pin(server.get("/healthz"));
    assert!(
        timeout(SECOND, &mut second).await.is_err(),
        "it has to wait"
    );
    drop(first);
    assert_eq!(second.await.status, 200);
}

#[tokio::test]
async fn a_server_that_is_out_of_files_goes_on_when_it_has_some_again() {
    let database = Database::sqlite();
    database.migrate();
    let mut command = std::process::Command::new("/bin/sh");
    command
        .env_clear()
        .args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_chat-server"))
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--database-url", &database.url()]);
    let server = Server::spawn(&mut command).await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        let client = TcpStream::connect(server.address()).await;
        clients.push(client.expect("it connects"));
    }
    wait::until("there are no files left", async || {
        server.logged("cannot accept connections").is_some()
    })
    .await;
    drop(clients);
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_place_after_ten_seconds() {
    let database = Database::sqlite();
    let chat = database.long_chat().await;
    let server = with_arguments(&database, &["--max-connections", "1"]).await;
    let _unread = server.ask_for_transcript(chat).await;
    let began = Instant::now();
    assert_eq!(server.get("/healthz").await.status, 200);
    let after = began.elapsed();
    assert!((SECOND * 8..SECOND * 20).contains(&after), "{after:?}");
}
