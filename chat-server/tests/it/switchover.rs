//! A switchover between two real PostgreSQL servers, under load: connections stay on the demoted one, which goes on to
//! answer reads and refuses writes for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::postgres::{PASSWORD, Postgres};
use crate::server::Server;
use crate::{program, wait};

const CLIENTS: usize = 8;
const RESUME_LIMIT: Duration = Duration::from_secs(5);

/// What a Service is to the server: new connections lead to the present target, those that are open stay where they are.
struct Service {
    target: Arc<AtomicU16>,
    port: u16,
}

impl Service {
    async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let target = Arc::new(AtomicU16::new(target));
        let current = target.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let port = current.load(Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
                        // Either side may leave without a word.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { target, port }
    }
}

async fn is_true(postgres: &Postgres, question: &str) -> bool {
    sqlx::query_scalar(sqlx::AssertSqlSafe(question.to_owned()))
        .fetch_one(&mut postgres.connect("postgres").await)
        .await
        .expect("an answer")
}

async fn execute(postgres: &Postgres, statement: &'static str) {
    let mut connection = postgres.connect("postgres").await;
    for part in statement.split(';') {
        sqlx::query(part)
            .execute(&mut connection)
            .await
            .expect("the statement succeeds");
    }
}

/// What one client was told is recorded, and when.
#[derive(Default)]
struct Acknowledged {
    texts: Vec<String>,
    last: Option<Instant>,
    refused: usize,
}

/// Say one thing after another, each until it is acknowledged.
async fn talk(server: &Server, chat: &str, stop: &AtomicBool, acknowledged: &Mutex<Acknowledged>) {
    for number in 0.. {
        let text = format!("number {number}");
        let key = uuid::Uuid::new_v4().to_string();
        loop {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let answer = server.say_once(chat, &text, &key).await;
            let mut acknowledged = acknowledged.lock().await;
            if answer.status == 200 {
                acknowledged.texts.push(text);
                acknowledged.last = Some(Instant::now());
                break;
            }
            answer.expect_error(503, "try again");
            acknowledged.refused += 1;
        }
    }
}

#[tokio::test]
async fn writes_resume_on_the_new_primary_and_nothing_acknowledged_is_lost_or_doubled() {
    let (old, new) = tokio::task::spawn_blocking(|| {
        let old = Postgres::start();
        program::migrate(&old.url("postgres")).expect_success();
        let new = Postgres::start_standby_of(&old);
        (old, new)
    })
    .await
    .expect("they start");
    let service = Service::start(old.port()).await;
    let url = format!(
        "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
        service.port
    );
    let server = Server::start_with(&["--rate-limit", "0", "--database-url", &url]).await;
    let chats = join_all((0..CLIENTS).map(|_| server.new_chat())).await;
    let stop = AtomicBool::new(false);
    let clients: HashMap<_, _> = chats
        .iter()
        .map(|chat| (chat.as_str(), Mutex::new(Acknowledged::default())))
        .collect();
    let everybody_acknowledged_after = async |moment: Instant| {
        for client in clients.values() {
            if client.lock().await.last.is_none_or(|last| last <= moment) {
                return false;
            }
        }
        true
    };
    let resumed = async {
        let start = Instant::now();
        wait::until("everybody talks", async || {
            everybody_acknowledged_after(start).await
        })
        .await;

        execute(
            &old,
            "ALTER SYSTEM SET default_transaction_read_only = on;SELECT pg_reload_conf()",
        )
        .await;
        let demoted = Instant::now();
        wait::until("writes are refused", async || {
            is_true(
                &old,
                "SELECT current_setting('transaction_read_only') = 'on'",
            )
            .await
        })
        .await;
        wait_for_standby(&old, &new).await;
        // Long enough for every connection of the server to meet the refusal, and for a request to give up.
        wait::until("somebody is refused", async || {
            let mut refused = false;
            for client in clients.values() {
                refused |= client.lock().await.refused > 0;
            }
            refused
        })
        .await;
        server.get("/readyz").await.expect_error(503, "try again");
        execute(&new, "SELECT pg_promote()").await;
        wait::until("the new primary is ready", async || {
            is_true(&new, "SELECT NOT pg_is_in_recovery()").await
        })
        .await;
        service.target.store(new.port(), Ordering::Relaxed);
        let ready = Instant::now();
        wait::until("everybody talks again", async || {
            everybody_acknowledged_after(ready).await
        })
        .await;
        let resumed = ready.elapsed();
        wait::until("the server is ready", async || {
            server.get("/readyz").await.status == 200
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        println!(
            "refused for {:?}, resumed after {resumed:?}",
            ready - demoted
        );
        resumed
    };
    let (_, resumed) = tokio::join!(
        join_all(clients.iter().map(|(chat, acknowledged)| talk(
            &server,
            chat,
            &stop,
            acknowledged
        ))),
        resumed
    );
    assert!(resumed < RESUME_LIMIT, "it took {resumed:?}");

    for (chat, acknowledged) in &clients {
        expect_recorded_once(&new, chat, &acknowledged.lock().await.texts).await;
    }
}

/// The person's messages of a chat are those that were acknowledged, in their order. The last one may have been recorded
/// without its answer having arrived before the end.
async fn expect_recorded_once(postgres: &Postgres, chat: &str, acknowledged: &[String]) {
    let recorded: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM messages WHERE chat_id = $1::uuid AND sender = 'USER' ORDER BY id",
    )
    .bind(chat)
    .fetch_all(&mut postgres.connect("postgres").await)
    .await
    .expect("rows");
    assert!(
        recorded.starts_with(acknowledged) && recorded.len() <= acknowledged.len() + 1,
        "{recorded:?} isn't {acknowledged:?}"
    );
}

async fn wait_for_standby(primary: &Postgres, standby: &Postgres) {
    wait::until("the standby has everything", async || {
        let position: String = sqlx::query_scalar("SELECT pg_current_wal_lsn()::text")
            .fetch_one(&mut primary.connect("postgres").await)
            .await
            .expect("a position");
        is_true(
            standby,
            &format!("SELECT pg_last_wal_replay_lsn() >= '{position}'"),
        )
        .await
    })
    .await;
}
