//! A database that goes away, hangs, or becomes read-only under the server: 503 in a few seconds, and well again by
//! itself.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::database::Database;
use crate::postgres::{PASSWORD, Postgres};
use crate::server::{Server, kill};
use crate::{program, wait};

/// "Within about 5 s", with room for a busy machine.
const LIMIT: Duration = Duration::from_secs(7);

pub(crate) async fn start_postgres() -> Postgres {
    tokio::task::spawn_blocking(Postgres::start)
        .await
        .expect("it starts")
}

async fn start_server(postgres: &Postgres) -> Server {
    let url = postgres.url("postgres");
    program::migrate(&url).expect_success();
    Server::start_with(&["--database-url", &url]).await
}

/// Each endpoint that needs the database says 503, each within the limit, and only the process is still healthy.
async fn expect_outage(server: &Server, chat: &str) {
    let started = Instant::now();
    let (start, message, transcript, ready) = tokio::join!(
        server.start_chat(),
        server.say(chat, "lost?"),
        server.transcript(chat),
        server.get("/readyz")
    );
    assert!(started.elapsed() < LIMIT, "it took {:?}", started.elapsed());
    for refused in [start, message, transcript, ready] {
        refused.expect_error(503, "try again");
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

/// The server is ready again, has everything that it acknowledged, and takes more.
async fn expect_healed(server: &Server, chat: &str, messages: usize) {
    wait::until("the server is ready again", async || {
        server.get("/readyz").await.status == 200
    })
    .await;
    assert_eq!(server.say(chat, "back?").await.status, 200);
    let transcript = server.transcript(chat).await.body;
    assert_eq!(
        transcript["messages"].as_array().map(Vec::len),
        Some(messages + 2),
        "{transcript}"
    );
}

#[tokio::test]
async fn postgres_stopped_and_started_again() {
    let mut postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    postgres.stop();
    expect_outage(&server, &chat).await;
    postgres.start_again();
    expect_healed(&server, &chat, 1).await;
}

#[tokio::test]
async fn postgres_restarted_between_two_requests_is_not_noticed() {
    let mut postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    for _ in 0..3 {
        postgres.stop();
        postgres.start_again();
        let answer = server.say(&chat, "hello").await;
        assert_eq!(answer.status, 200, "{}", server.log());
    }
}

#[tokio::test]
async fn postgres_hangs() {
    let postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    let mut connection = postgres.connect("postgres").await;
    let mut processes = server_processes(&mut connection).await;
    assert!(!processes.is_empty());
    processes.push(postgres.main_process());
    for process in &processes {
        kill("STOP", *process);
    }
    expect_outage(&server, &chat).await;
    for process in &processes {
        kill("CONT", *process);
    }
    wait::until("the server is ready again", async || {
        server.get("/readyz").await.status == 200
    })
    .await;
    assert_eq!(server.say(&chat, "back?").await.status, 200);
}

/// As after a failover away from a machine that died: nobody closes its connections, new ones lead elsewhere.
#[tokio::test]
async fn connections_that_went_silent_are_replaced_within_the_request() {
    let postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    let mut connection = postgres.connect("postgres").await;
    let processes = server_processes(&mut connection).await;
    assert!(!processes.is_empty());
    for process in &processes {
        kill("STOP", *process);
    }
    let answer = server.say(&chat, "hello").await;
    for process in &processes {
        kill("CONT", *process);
    }
    assert_eq!(answer.status, 200);
}

/// Keep everybody from writing messages.
async fn lock_messages(connection: &mut sqlx::PgConnection) {
    for statement in ["BEGIN", "LOCK TABLE messages IN EXCLUSIVE MODE"] {
        sqlx::query(statement)
            .execute(&mut *connection)
            .await
            .expect("it is locked");
    }
}

/// The server's connection that waits for a lock, once there is one.
async fn waiting_process(connection: &mut sqlx::PgConnection) -> i32 {
    let mut process = None;
    wait::until("the server waits for a lock", async || {
        process = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'chat-server' AND wait_event_type = 'Lock'",
        )
        .fetch_optional(&mut *connection)
        .await
        .expect("rows");
        process.is_some()
    })
    .await;
    process.expect("there is one")
}

#[tokio::test]
async fn a_table_that_stays_locked() {
    let postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    let mut other = postgres.connect("postgres").await;
    assert_eq!(server.say(&chat, "before").await.status, 200);
    lock_messages(&mut other).await;
    let before = server_processes(&mut other).await;
    let started = Instant::now();
    server
        .say(&chat, "lost?")
        .await
        .expect_error(503, "try again");
    assert!(started.elapsed() < LIMIT, "it took {:?}", started.elapsed());
    assert_eq!(
        server_processes(&mut other).await,
        before,
        "a statement that timed out costs no connection"
    );
    sqlx::query("COMMIT")
        .execute(&mut other)
        .await
        .expect("it commits");
    expect_healed(&server, &chat, 3).await;
}

#[tokio::test]
async fn postgres_hangs_in_the_middle_of_a_statement() {
    let postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    let mut other = postgres.connect("postgres").await;
    let mut observer = postgres.connect("postgres").await;
    lock_messages(&mut other).await;
    let started = Instant::now();
    let (answer, process) = tokio::join!(server.say(&chat, "lost?"), async {
        let process = waiting_process(&mut observer).await;
        kill("STOP", process);
        process
    });
    answer.expect_error(503, "try again");
    assert!(started.elapsed() < LIMIT, "it took {:?}", started.elapsed());
    sqlx::query("COMMIT")
        .execute(&mut other)
        .await
        .expect("it commits");
    assert_eq!(server.say(&chat, "others go on").await.status, 200);
    kill("CONT", process);
    wait::until("the connection that hung is closed", async || {
        !server_processes(&mut observer).await.contains(&process)
    })
    .await;
}

#[tokio::test]
async fn postgres_becomes_read_only() {
    let postgres = start_postgres().await;
    let server = start_server(&postgres).await;
    let chat = server.new_chat().await;
    let mut connection = postgres.connect("postgres").await;
    let before = server_processes(&mut connection).await;
    set_read_only(&mut connection, "on").await;
    wait::until("writes are refused", async || {
        server.say(&chat, "lost?").await.status == 503
    })
    .await;
    wait::until("the connections from before are closed", async || {
        assert_eq!(server.transcript(&chat).await.status, 200, "reads go on");
        // There may be several, and each is closed by the write that it refuses.
        server.say(&chat, "lost?").await;
        let now = server_processes(&mut connection).await;
        before.iter().all(|process| !now.contains(process))
    })
    .await;
    server.get("/readyz").await.expect_error(503, "try again");
    set_read_only(&mut connection, "off").await;
    wait::until("the server is ready again", async || {
        server.get("/readyz").await.status == 200
    })
    .await;
    assert_eq!(server.say(&chat, "back?").await.status, 200);
}

#[tokio::test]
async fn postgres_is_out_of_connections() {
    let postgres = start_postgres().await;
    program::migrate(&postgres.url("postgres")).expect_success();
    let mut owner = postgres.connect("postgres").await;
    for statement in [
        "CREATE ROLE chat LOGIN PASSWORD 'pw' CONNECTION LIMIT 1",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO chat",
    ] {
        sqlx::query(statement)
            .execute(&mut owner)
            .await
            .expect("it succeeds");
    }
    let url = postgres
        .url("postgres")
        .replace(&format!("postgres:{PASSWORD}@"), "chat:pw@");
    let server = Server::start_with(&["--database-url", &url]).await;
    // The one connection is for messages; what isn't one takes another one.
    let started = Instant::now();
    server.start_chat().await.expect_error(503, "try again");
    assert!(started.elapsed() < LIMIT, "it took {:?}", started.elapsed());
    server
        .say(&Uuid::nil().to_string(), "hello")
        .await
        .expect_error(404, "no such chat");
    sqlx::query("ALTER ROLE chat CONNECTION LIMIT 10")
        .execute(&mut owner)
        .await
        .expect("it succeeds");
    wait::until("the server is ready", async || {
        server.get("/readyz").await.status == 200
    })
    .await;
    let chat = server.new_chat().await;
    assert_eq!(server.say(&chat, "back?").await.status, 200);
}

#[tokio::test]
async fn a_server_that_starts_before_its_database_waits_for_it() {
    let mut postgres = start_postgres().await;
    let url = postgres.url("postgres");
    program::migrate(&url).expect_success();
    postgres.stop();
    let server = Server::start_with(&["--database-url", &url]).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    server.get("/readyz").await.expect_error(503, "try again");
    postgres.start_again();
    wait::until("the server is ready", async || {
        server.get("/readyz").await.status == 200
    })
    .await;
    server.new_chat().await;
}

#[tokio::test]
async fn a_server_that_starts_before_its_database_still_refuses_a_schema_that_is_behind() {
    let mut postgres = start_postgres().await;
    postgres.stop();
    let mut server = Server::start_with(&["--database-url", &postgres.url("postgres")]).await;
    postgres.start_again();
    assert_eq!(server.ended().await.code(), Some(1));
    wait::until("the reason is logged", async || {
        server.log().contains("chat-server migrate")
    })
    .await;
}

#[tokio::test]
async fn a_locked_sqlite_file() {
    let database = Database::sqlite();
    let server = Server::start(&database).await;
    let chat = server.new_chat().await;
    let mut connection = database.connect().await;
    connection.execute("BEGIN IMMEDIATE").await;
    let started = Instant::now();
    let (start, message) = tokio::join!(server.start_chat(), server.say(&chat, "lost?"));
    assert!(started.elapsed() < LIMIT, "it took {:?}", started.elapsed());
    start.expect_error(503, "try again");
    message.expect_error(503, "try again");
    assert_eq!(
        server.transcript(&chat).await.status,
        200,
        "readers don't wait for a writer"
    );
    connection.execute("ROLLBACK").await;
    expect_healed(&server, &chat, 1).await;
}

async fn server_processes(connection: &mut sqlx::PgConnection) -> Vec<i32> {
    sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE application_name = 'chat-server'")
        .fetch_all(connection)
        .await
        .expect("rows")
}

pub(crate) async fn set_read_only(connection: &mut sqlx::PgConnection, value: &str) {
    for statement in [
        format!("ALTER SYSTEM SET default_transaction_read_only = {value}"),
        "SELECT pg_reload_conf()".to_owned(),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await
            .expect("it is set");
    }
}
