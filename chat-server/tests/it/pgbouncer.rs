//! The server behind a real `PgBouncer` in transaction mode, which forgets prepared statements and session settings.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use futures::future::join_all;
use tempfile::TempDir;

use crate::postgres::{PASSWORD, Postgres, as_postgres, free_port, own};
use crate::server::Server;
use crate::{program, wait};

const PROGRAM: &str = "/usr/sbin/pgbouncer";

struct PgBouncer {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl PgBouncer {
    /// In front of this PostgreSQL, with two connections to it for everybody.
    async fn start(postgres: &Postgres, more_settings: &str) -> Self {
        assert!(
            PathBuf::from(PROGRAM).exists(),
            "{PROGRAM} is missing: apt-get install pgbouncer"
        );
        let directory = tempfile::Builder::new()
            .prefix("chat-bouncer-")
            .tempdir_in("/tmp")
            .expect("a directory");
        let port = free_port();
        let (users, settings) = (
            directory.path().join("users"),
            directory.path().join("pgbouncer.ini"),
        );
        std::fs::write(&users, format!("\"postgres\" \"{PASSWORD}\"\n")).expect("it is written");
        std::fs::write(
            &settings,
            format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = 2\n{more_settings}\n",
                postgres.port(),
                users.display()
            ),
        )
        .expect("it is written");
        own(directory.path());
        let process = Command::new(as_postgres()[0])
            .args(&as_postgres()[1..])
            .arg(PROGRAM)
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        wait::until("PgBouncer listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        Self {
            process,
            port,
            _directory: directory,
        }
    }

    fn url(&self) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn everything_works_behind(more_settings: &'static str, found: &str) {
    let postgres = tokio::task::spawn_blocking(Postgres::start)
        .await
        .expect("it starts");
    program::migrate(&postgres.url("postgres")).expect_success();
    let bouncer = PgBouncer::start(&postgres, more_settings).await;
    program::run(&["migrate", "--check", "--database-url", &bouncer.url()]).expect_success();
    // By a URL of its own, and by the database's own URL with the pool's host, as the operator has it.
    let (url, host) = (
        postgres.url("postgres"),
        format!("127.0.0.1:{}", bouncer.port),
    );
    let direct = ["--rate-limit", "0", "--database-url", &bouncer.url()].map(str::to_owned);
    let through = [
        "--rate-limit",
        "0",
        "--database-url",
        &url,
        "--database-host",
        &host,
    ]
    .map(str::to_owned);
    let servers = [
        Server::start_with(&direct.each_ref().map(String::as_str)).await,
        Server::start_with(&through.each_ref().map(String::as_str)).await,
    ];
    let chats = join_all((0..40).map(|number| servers[number % 2].new_chat())).await;
    join_all(chats.iter().enumerate().map(|(number, chat)| {
        let server = &servers[number % 2];
        async move {
            let key = uuid::Uuid::new_v4().to_string();
            for text in ["one", "two", "three"] {
                assert_eq!(server.say(chat, text).await.status, 200);
                assert_eq!(server.transcript(chat).await.status, 200);
            }
            let first = server.say_once(chat, "four", &key).await;
            assert_eq!(server.say_once(chat, "four", &key).await.body, first.body);
            server
                .say(&uuid::Uuid::new_v4().to_string(), "?")
                .await
                .expect_error(404, "no such chat");
            assert_eq!(server.get("/readyz").await.status, 200);
            let transcript = server.transcript(chat).await.body;
            assert_eq!(transcript["messages"].as_array().map(Vec::len), Some(9));
        }
    }))
    .await;
    for server in &servers {
        assert!(server.logged(found).is_some(), "{}", server.log());
        assert!(
            server.logged("the database failed").is_none(),
            "{}",
            server.log()
        );
    }
}

#[tokio::test]
async fn one_that_refuses_session_settings() {
    everything_works_behind(
        "",
        "the database is behind a pooler that takes no session settings",
    )
    .await;
}

#[tokio::test]
async fn one_that_drops_session_settings() {
    everything_works_behind(
        "ignore_startup_parameters = extra_float_digits,options",
        "the database is behind a pooler that drops session settings",
    )
    .await;
}
