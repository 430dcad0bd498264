//! A real PostgreSQL for the tests: a cluster of its own in a temporary directory, on a free port of 127.0.0.1.
//!
//! A small shell stands between the tests and the database. It holds the reading end of a pipe, and when the writing
//! end closes, it stops the database and removes the directory. The kernel closes it however the tests end.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{ConnectOptions as _, PgConnection};

use crate::wait;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Looked for in logs, so nothing else is called so.
pub(crate) const PASSWORD: &str = "wombat-password";

const GUARD: &str = r#"
directory=$1; shift
"$@" >"$directory/log" 2>&1 </dev/null &
read -r word
kill -QUIT $!
wait $!
[ "$word" = stop ] || rm -rf "$directory"
"#;

/// For tests: what is lost with the machine doesn't matter.
const TEST_SETTINGS: &[&str] = &["fsync=off", "max_connections=300"];

pub(crate) struct Postgres {
    directory: PathBuf,
    port: u16,
    settings: &'static [&'static str],
    guard: Option<Child>,
}

impl Postgres {
    /// A running PostgreSQL.
    pub(crate) fn start() -> Self {
        Self::start_with(TEST_SETTINGS)
    }

    /// A running PostgreSQL whose settings aren't the default ones.
    pub(crate) fn start_with(settings: &'static [&'static str]) -> Self {
        Self::start_in(initialised_directory(), settings)
    }

    /// A standby that follows another PostgreSQL, until it is promoted.
    pub(crate) fn start_standby_of(primary: &Self) -> Self {
        let directory = empty_directory();
        let mut backup = Command::new(as_postgres()[0]);
        backup
            .args(&as_postgres()[1..])
            .arg(program("pg_basebackup"))
            .args([
                "--no-sync",
                "--checkpoint=fast",
                "--write-recovery-conf",
                "--pgdata",
            ])
            .arg(directory.join("data"))
            .args(["--dbname", &primary.url("postgres")])
            .current_dir(&directory);
        run(&mut backup);
        Self::start_in(directory, TEST_SETTINGS)
    }

    fn start_in(directory: PathBuf, settings: &'static [&'static str]) -> Self {
        let mut postgres = Self {
            directory,
            port: free_port(),
            settings,
            guard: None,
        };
        postgres.start_again();
        postgres
    }

    /// Start after [`Self::stop`], on the same port.
    pub(crate) fn start_again(&mut self) {
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&self.directory)
            .args(as_postgres())
            .arg(program("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-k"])
            .arg(&self.directory)
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh runs");
        self.guard = Some(guard);
        wait::until_blocking("PostgreSQL takes connections", || {
            Command::new(program("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
        });
    }

    /// Stop at once, as if the machine had gone; the data stays.
    pub(crate) fn stop(&mut self) {
        self.end_guard("stop\n");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// A connection for the test itself.
    pub(crate) async fn connect(&self, database: &str) -> PgConnection {
        let options: sqlx::postgres::PgConnectOptions =
            self.url(database).parse().expect("a valid URL");
        options
            .connect()
            .await
            .expect("PostgreSQL takes the connection")
    }

    /// A new, empty database.
    pub(crate) async fn create_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("chat_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(statement)
            .execute(&mut self.connect("postgres").await)
            .await
            .expect("the database is created");
        name
    }

    /// The process that all others of this PostgreSQL come from.
    pub(crate) fn main_process(&self) -> i32 {
        let file =
            std::fs::read_to_string(self.data().join("postmaster.pid")).expect("PostgreSQL runs");
        file.lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a process id")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn end_guard(&mut self, word: &str) {
        if let Some(mut guard) = self.guard.take() {
            let mut pipe = guard.stdin.take().expect("the guard has a pipe");
            pipe.write_all(word.as_bytes()).expect("the guard listens");
            drop(pipe);
            guard.wait().expect("the guard ends");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end_guard("");
    }
}

pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(PROGRAMS).join(name);
    assert!(
        path.exists(),
        "{} is missing: apt-get install postgresql-15",
        path.display()
    );
    path
}

/// PostgreSQL refuses to run as root: root becomes the user that the Debian package made.
pub(crate) fn as_postgres() -> &'static [&'static str] {
    let is_root = std::fs::metadata("/proc/self")
        .expect("proc is mounted")
        .uid()
        == 0;
    if is_root {
        &[
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
        ]
    } else {
        &["env"]
    }
}

/// A directory that belongs to the user of PostgreSQL.
pub(crate) fn empty_directory() -> PathBuf {
    // Short, because the socket's path has a limit; removed by the guard.
    let directory = tempfile::Builder::new()
        .prefix("chat-pg-")
        .tempdir_in("/tmp")
        .expect("a directory")
        .keep();
    own(&directory);
    directory
}

/// Give a file or directory to the user of PostgreSQL.
pub(crate) fn own(path: &Path) {
    if as_postgres()[0] == "setpriv" {
        run(Command::new("chown").args(["-R", "postgres"]).arg(path));
    }
}

fn initialised_directory() -> PathBuf {
    let initdb = program("initdb");
    let directory = empty_directory();
    let password_file = directory.join("password");
    std::fs::write(&password_file, PASSWORD).expect("the password is written");
    own(&password_file);
    let mut initdb_command = Command::new(as_postgres()[0]);
    initdb_command
        .args(&as_postgres()[1..])
        .arg(initdb)
        .args([
            "--no-sync",
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg("-D")
        .arg(directory.join("data"))
        .current_dir(&directory);
    run(&mut initdb_command);
    directory
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is there");
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
