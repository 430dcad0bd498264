//! SIGTERM and SIGINT: requests in flight are finished and recorded, new ones aren't taken.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::database::Database;
use crate::on_both_storages;
use crate::server::Server;
use crate::wait;

/// A message of which the server has read the head and waits for the body.
async fn begin_message(server: &Server, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("it connects");
    let head = format!(
        "POST /message HTTP/1.1\r\nHost: chat\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream
        .write_all(head.as_bytes())
        .await
        .expect("the head is sent");
    let expected = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut interim = vec![0; expected.len()];
    stream
        .read_exact(&mut interim)
        .await
        .expect("the server asks for the body");
    assert_eq!(String::from_utf8_lossy(&interim), expected);
    stream
}

async fn finish(stream: &mut TcpStream, body: &str) -> String {
    stream
        .write_all(body.as_bytes())
        .await
        .expect("the body is sent");
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .await
        .expect("the server answers and closes");
    response
}

on_both_storages! {
    async fn a_request_in_flight_is_finished(database) {
        for signal in ["TERM", "INT"] {
            let mut server = Server::start(&database).await;
            let body = json!({"chat_id": server.new_chat().await, "text": format!("last words on {signal}")}).to_string();
            let mut stream = begin_message(&server, &body).await;
            server.signal(signal);
            wait::until("no connections are taken", async || TcpStream::connect(server.address()).await.is_err()).await;
            let response = finish(&mut stream, &body).await;
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
            assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
            assert!(database.said().await.contains(&format!("USER: last words on {signal}")));
        }
    }

    async fn a_connection_that_is_idle_holds_nothing_up(database) {
        let mut server = Server::start(&database).await;
        server.new_chat().await;
        let _silent = TcpStream::connect(server.address()).await.expect("it connects");
        let started = std::time::Instant::now();
        server.signal("TERM");
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
        assert!(started.elapsed() < Duration::from_secs(10), "{}", server.log());
    }

    async fn who_asks_for_readiness_while_it_stops_hears_that(database) {
        let mut server = Server::start(&database).await;
        let mut probe = TcpStream::connect(server.address()).await.expect("it connects");
        probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: chat\r\n").await.expect("most of the head is sent");
        let _unfinished = begin_message(&server, "{}").await;
        server.signal("TERM");
        wait::until("no connections are taken", async || TcpStream::connect(server.address()).await.is_err()).await;
        let response = finish(&mut probe, "\r\n").await;
        assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("the server is stopping"), "{response}");
        server.signal("TERM");
        assert!(server.ended().await.success(), "{}", server.log());
    }

    async fn a_second_signal_ends_at_once(database) {
        let mut server = Server::start(&database).await;
        let _unfinished = begin_message(&server, "{}").await;
        let started = std::time::Instant::now();
        server.signal("TERM");
        wait::until("the first signal is seen", async || server.logged("stopping").is_some()).await;
        server.signal("TERM");
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
        assert!(started.elapsed() < Duration::from_secs(20), "{}", server.log());
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off_after_25_seconds() {
    let database = Database::sqlite();
    let chat = database.long_chat().await;
    let mut server = Server::start(&database).await;
    let mut stream = server.ask_for_transcript(chat).await;
    // Slow enough for a minute, fast enough not to be given up.
    let reader = tokio::spawn(async move {
        let mut some = vec![0; 64 * 1024];
        while stream.read(&mut some).await.is_ok_and(|length| length > 0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    let cut_off = server.logged("requests were still in flight after 25s");
    assert!(cut_off.is_some(), "{}", server.log());
    reader.abort();
}
