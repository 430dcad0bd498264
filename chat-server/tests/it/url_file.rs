//! `--database-url-file`: a file that changes under a server at work.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use time::OffsetDateTime;

use crate::postgres::{PASSWORD, Postgres};
use crate::server::Server;
use crate::{program, wait};

async fn start_postgres() -> Postgres {
    tokio::task::spawn_blocking(Postgres::start)
        .await
        .expect("it starts")
}

async fn execute(postgres: &Postgres, statement: &'static str) {
    sqlx::raw_sql(statement)
        .execute(&mut postgres.connect("postgres").await)
        .await
        .expect("the statement succeeds");
}

/// As Kubernetes does it: the file is replaced as a whole.
fn write(file: &Path, url: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, url).expect("it is written");
    std::fs::rename(next, file).expect("it is replaced");
}

fn url_as(postgres: &Postgres, user: &str, password: &str) -> String {
    postgres.url("postgres").replace(
        &format!("postgres:{PASSWORD}@"),
        &format!("{user}:{password}@"),
    )
}

async fn server_on(file: &Path) -> Server {
    server_with(file, &[]).await
}

async fn server_with(file: &Path, more: &[&str]) -> Server {
    let file = file.to_str().expect("UTF-8");
    let arguments = ["--rate-limit", "0", "--database-url-file", file];
    Server::start_with(&[&arguments, more].concat()).await
}

/// A migrated database with a role of its own for the server, so that its password can be changed.
async fn with_role() -> Postgres {
    let postgres = start_postgres().await;
    program::migrate(&postgres.url("postgres")).expect_success();
    execute(
        &postgres,
        "CREATE ROLE chat LOGIN PASSWORD 'first'; GRANT ALL ON ALL TABLES IN SCHEMA public TO chat",
    )
    .await;
    postgres
}

/// Clients that talk until they are told to stop; how many messages were acknowledged. Each request has to succeed.
async fn talk(server: &Server, stop: &AtomicBool, acknowledged: &AtomicUsize) {
    let client = async {
        let chat = server.new_chat().await;
        while !stop.load(Ordering::Relaxed) {
            let answer = server.say(&chat, "hello").await;
            assert_eq!(answer.status, 200, "{answer:?} {}", server.log());
            assert_eq!(
                server.transcript(&chat).await.status,
                200,
                "{}",
                server.log()
            );
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(client, async {
        futures::future::join_all((0..7).map(|_| async {
            let chat = server.new_chat().await;
            while !stop.load(Ordering::Relaxed) {
                let answer = server.say(&chat, "hello").await;
                assert_eq!(answer.status, 200, "{answer:?} {}", server.log());
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }))
        .await;
    });
}

#[tokio::test]
async fn a_password_is_changed_under_load_and_no_request_fails() {
    let postgres = with_role().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("url");
    write(&file, &url_as(&postgres, "chat", "first"));
    let server = server_on(&file).await;
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let more = async |count: usize| {
        let start = acknowledged.load(Ordering::Relaxed);
        wait::until("messages are acknowledged", async || {
            acknowledged.load(Ordering::Relaxed) >= start + count
        })
        .await;
    };
    tokio::join!(talk(&server, &stop, &acknowledged), async {
        more(200).await;
        let changed = now(&postgres).await;
        execute(&postgres, "ALTER ROLE chat PASSWORD 'second'").await;
        write(&file, &url_as(&postgres, "chat", "second"));
        wait::until("the server goes over", async || {
            server.logged("went over").is_some()
        })
        .await;
        more(200).await;
        all_are_newer(&postgres, changed).await;
        stop.store(true, Ordering::Relaxed);
    });
    let recorded = said_in(&postgres).await;
    assert_eq!(recorded, acknowledged.load(Ordering::Relaxed));
    for password in ["first", "second"] {
        assert!(
            !server.log().contains(&format!(":{password}@")),
            "{}",
            server.log()
        );
    }
}

/// The database's time.
async fn now(postgres: &Postgres) -> OffsetDateTime {
    sqlx::query_scalar("SELECT now()")
        .fetch_one(&mut postgres.connect("postgres").await)
        .await
        .expect("a time")
}

/// Wait until no connection of the role `chat` is older than this.
async fn all_are_newer(postgres: &Postgres, time: OffsetDateTime) {
    let mut observer = postgres.connect("postgres").await;
    wait::until("connections from before are closed", async || {
        let older: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'chat' AND backend_start < $1",
        )
        .bind(time)
        .fetch_one(&mut observer)
        .await
        .expect("a count");
        older == 0
    })
    .await;
}

async fn said_in(postgres: &Postgres) -> usize {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM messages WHERE sender = 'USER'")
        .fetch_one(&mut postgres.connect("postgres").await)
        .await
        .expect("a count");
    usize::try_from(count).expect("not negative")
}

/// The file follows a change of the password after a minute or so, and no new connection is to be had meanwhile.
#[tokio::test]
async fn old_connections_are_used_until_the_file_has_the_new_password() {
    let postgres = with_role().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("url");
    write(&file, &url_as(&postgres, "chat", "first"));
    let server = server_with(&file, &["--database-connection-lifetime", "1s"]).await;
    let chat = server.new_chat().await;
    assert_eq!(server.say(&chat, "hello").await.status, 200);
    all_are_older_than_a_second(&postgres).await;
    let changed = now(&postgres).await;
    execute(&postgres, "ALTER ROLE chat PASSWORD 'second'").await;
    for _ in 0..3 {
        expect_all_served(&server, &chat).await;
    }
    wait::until("a new connection was wanted", async || {
        server.logged(REFUSED).is_some()
    })
    .await;
    write(&file, &url_as(&postgres, "chat", "second"));
    all_are_newer(&postgres, changed).await;
    expect_all_served(&server, &chat).await;
    assert!(
        server.logged("the database failed").is_none(),
        "{}",
        server.log()
    );
}

#[tokio::test]
async fn the_first_message_needs_no_new_connection() {
    let postgres = with_role().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("url");
    write(&file, &url_as(&postgres, "chat", "first"));
    let server = server_on(&file).await;
    let chat = server.new_chat().await;
    // Two at the same time want two connections, and one is there.
    let other = server.new_chat().await;
    for (statement, password) in [
        ("ALTER ROLE chat PASSWORD 'second'", "second"),
        ("ALTER ROLE chat PASSWORD 'third'", "third"),
    ] {
        let changed = now(&postgres).await;
        execute(&postgres, statement).await;
        let (first, second) = tokio::join!(server.say(&chat, "hello"), server.say(&other, "hello"));
        for answer in [first, second] {
            assert_eq!(answer.status, 200, "{}", server.log());
        }
        write(&file, &url_as(&postgres, "chat", password));
        all_are_newer(&postgres, changed).await;
    }
}

/// No connection is left, as after a failover: what waits for one has it as soon as the file has the new password.
#[tokio::test]
async fn a_request_waits_for_the_new_password() {
    let postgres = with_role().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("url");
    write(&file, &url_as(&postgres, "chat", "first"));
    let server = server_on(&file).await;
    let chat = server.new_chat().await;
    execute(
        &postgres,
        "ALTER ROLE chat PASSWORD 'second';
         SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'chat'",
    )
    .await;
    let (answer, ()) = tokio::join!(server.say(&chat, "hello"), async {
        wait::until("a new connection is wanted", async || {
            server.logged(REFUSED).is_some()
        })
        .await;
        write(&file, &url_as(&postgres, "chat", "second"));
    });
    assert_eq!(answer.status, 200, "{}", server.log());
}

#[tokio::test]
async fn a_password_that_was_never_right_is_told_at_once() {
    let postgres = with_role().await;
    let server =
        Server::start_with(&["--database-url", &url_as(&postgres, "chat", "wombat")]).await;
    server.get("/readyz").await.expect_error(503, "try again");
    for message in ["the database isn't there yet", "the database failed"] {
        let mut error = String::new();
        wait::until("it is told", async || {
            error = server
                .logged(message)
                .map_or_else(String::new, |line| line["error"].to_string());
            !error.is_empty()
        })
        .await;
        assert!(error.contains("password authentication failed"), "{error}");
    }
}

/// The log's word on a password that was changed.
const REFUSED: &str = "the database refuses the password that it took before";

/// Each kind of request, and more at the same time than there are connections.
async fn expect_all_served(server: &Server, chat: &str) {
    let many = futures::future::join_all((0..20).map(|_| server.transcript(chat)));
    let (ready, start, said, transcripts) = tokio::join!(
        server.get("/readyz"),
        server.start_chat(),
        server.say(chat, "hello"),
        many
    );
    for answer in transcripts.into_iter().chain([ready, start, said]) {
        assert_eq!(answer.status, 200, "{answer:?} {}", server.log());
    }
}

/// Wait until each connection of the role `chat` has reached that age.
async fn all_are_older_than_a_second(postgres: &Postgres) {
    let mut observer = postgres.connect("postgres").await;
    wait::until("the connections are old", async || {
        sqlx::query_scalar(
            "SELECT bool_and(backend_start < now() - interval '1 s') FROM pg_stat_activity WHERE usename = 'chat'",
        )
        .fetch_one(&mut observer)
        .await
        .expect("a row")
    })
    .await;
}

#[tokio::test]
async fn another_database_is_used_once_it_can_be_and_not_before() {
    let (here, there) = tokio::join!(start_postgres(), start_postgres());
    program::migrate(&here.url("postgres")).expect_success();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("url");
    write(&file, &here.url("postgres"));
    let server = server_on(&file).await;
    let chat = server.new_chat().await;
    for (url, reason) in [
        (
            "mysql://a:wombat@b/c".to_owned(),
            "must start with postgres://",
        ),
        ("sqlite:///tmp/chat.db".to_owned(), "takes a restart"),
        (
            url_as(&there, "postgres", "wombat"),
            "password authentication failed",
        ),
        (there.url("postgres"), "run `chat-server migrate`"),
    ] {
        write(&file, &url);
        wait::until("the reason is told", async || server.log().contains(reason)).await;
        assert_eq!(
            server.say(&chat, "still here").await.status,
            200,
            "{reason}"
        );
        assert_eq!(server.get("/readyz").await.status, 200, "{reason}");
    }
    program::migrate(&there.url("postgres")).expect_success();
    wait::until("the server goes over", async || {
        server.logged("went over").is_some()
    })
    .await;
    server
        .say(&chat, "where am I?")
        .await
        .expect_error(404, "no such chat");
    let chat = server.new_chat().await;
    assert_eq!(server.say(&chat, "now there").await.status, 200);
    assert_eq!((said_in(&here).await, said_in(&there).await), (4, 1));
    assert!(
        !server.log().contains("wombat@") && !server.log().contains(PASSWORD),
        "{}",
        server.log()
    );
}

#[tokio::test]
async fn a_file_that_vanishes_changes_nothing() {
    let postgres = start_postgres().await;
    program::migrate(&postgres.url("postgres")).expect_success();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("url");
    write(&file, &postgres.url("postgres"));
    let server = server_on(&file).await;
    std::fs::remove_file(&file).expect("it is removed");
    wait::until("it is told", async || {
        server.log().contains("cannot read the database URL from")
    })
    .await;
    server.new_chat().await;
}
