//! A running `chat-server serve` on a free port, its log, and requests to it. It dies with the test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::database::Database;
use crate::{program, wait};

pub(crate) struct Server {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    address: String,
    client: reqwest::Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<String>,
    pub(crate) allow: Option<String>,
}

impl Server {
    /// A server on a database that this migrates.
    pub(crate) async fn start(database: &Database) -> Self {
        database.migrate();
        Self::start_with(&["--database-url", &database.url()]).await
    }

    /// A server with these arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let mut command =
            program::chat_server(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.args(arguments);
        Self::spawn(&mut command).await
    }

    /// A server from a command that logs JSON.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("chat-server runs");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(line);
            }
        });
        let mut server = Self {
            process,
            log,
            address: String::new(),
            client: reqwest::Client::new(),
        };
        wait::until("the server listens", async || {
            let ended = server.process.try_wait().expect("a child");
            assert!(ended.is_none(), "the server ended: {}", server.log());
            server.address = server
                .logged("listening")
                .and_then(|line| Some(line["address"].as_str()?.to_owned()))
                .unwrap_or_default();
            !server.address.is_empty()
        })
        .await;
        server
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    /// The log lines so far.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        let lines = self.log.lock().expect("no panic").clone();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("a log line is JSON"))
            .collect()
    }

    /// The first log line with this message.
    pub(crate) fn logged(&self, message: &str) -> Option<Value> {
        self.log_lines().into_iter().find(|line| {
            line["message"]
                .as_str()
                .is_some_and(|it| it.starts_with(message))
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// What comes back for these bytes until the connection is closed. Whether all of them are taken doesn't matter.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address())
            .await
            .expect("it connects");
        let (mut from, mut to) = stream.split();
        let mut response = Vec::new();
        let (_, received) = tokio::join!(to.write_all(bytes), from.read_to_end(&mut response));
        received.expect("the server answers and closes");
        String::from_utf8(response).expect("a text")
    }

    /// A connection on which a transcript was asked for, and answered, but nothing of it is read yet.
    pub(crate) async fn ask_for_transcript(&self, chat: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let address = self.address().parse().expect("an address");
        let mut stream = socket.connect(address).await.expect("it connects");
        let request = format!("GET /transcript/{chat} HTTP/1.1\r\nHost: chat\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        wait::until("it is answered", async || self.logged("request").is_some()).await;
        stream
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn start_chat(&self) -> Answer {
        answer(self.request(Method::POST, "/start_chat")).await
    }

    /// The id of a new chat.
    pub(crate) async fn new_chat(&self) -> String {
        let started = self.start_chat().await;
        assert_eq!(started.status, 200, "{started:?}");
        started.body["chat_id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn say(&self, chat: &str, text: &str) -> Answer {
        answer(
            self.request(Method::POST, "/message")
                .json(&json!({"chat_id": chat, "text": text})),
        )
        .await
    }

    /// Say something under an idempotency key.
    pub(crate) async fn say_once(&self, chat: &str, text: &str, key: &str) -> Answer {
        answer(
            self.request(Method::POST, "/message")
                .header("Idempotency-Key", key)
                .json(&json!({"chat_id": chat, "text": text})),
        )
        .await
    }

    pub(crate) async fn transcript(&self, chat: &str) -> Answer {
        self.get(&format!("/transcript/{chat}")).await
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        let scrape = self.request(Method::GET, "/metrics").send().await;
        let scrape = scrape.expect("the server answers");
        assert_eq!(scrape.status(), 200);
        scrape.text().await.expect("a text")
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) async fn delete(&self, chat: &str) -> Answer {
        answer(self.request(Method::DELETE, &format!("/transcript/{chat}"))).await
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(
            signal,
            i32::try_from(self.process.id()).expect("a process id"),
        );
    }

    /// How the process ended, once it does.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait::until("the server ends", async || {
            status = self.process.try_wait().expect("a child");
            status.is_some()
        })
        .await;
        status.expect("it ended")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    /// An error with this status, whose detail contains this.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, detail: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let fields: Vec<_> = self.body.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["detail"], "{self:?}");
        assert!(
            self.body["detail"]
                .as_str()
                .is_some_and(|it| it.contains(detail)),
            "{self:?}"
        );
        assert_eq!(
            self.retry_after.is_some(),
            [429, 503].contains(&status),
            "{self:?}"
        );
    }
}

/// Send a request and read the answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the server answers");
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().expect("ASCII").to_owned())
    };
    let (retry_after, allow) = (header("retry-after"), header("allow"));
    let status = response.status().as_u16();
    Answer {
        status,
        retry_after,
        allow,
        body: match status {
            204 => Value::Null,
            _ => response.json().await.expect("the body is JSON"),
        },
    }
}

/// Send a signal to a process that a test started.
pub(crate) fn kill(signal: &str, process: i32) {
    let status = Command::new("kill")
        .args([&format!("-{signal}"), &process.to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success(), "no process {process}");
}
