//! Thousands of requests that schemathesis makes up from the API's description, valid ones and others: every answer is as
//! described, and none is a failure of the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::database::Database;
use crate::program::chat_server;
use crate::server::Server;
use crate::wait;

const REQUIREMENTS: &str = include_str!("../schemathesis/requirements.txt");

/// The fewest requests that are worth the name.
const ENOUGH: usize = 10_000;

/// Where `cluster/prepare.sh schemathesis` puts the program.
fn program() -> PathBuf {
    let cache = std::env::var_os("CHATAPP_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/chatapp"),
        PathBuf::from,
    );
    let version = REQUIREMENTS
        .lines()
        .find_map(|line| line.strip_prefix("schemathesis=="))
        .expect("its version");
    cache.join(format!("schemathesis-{version}/bin/schemathesis"))
}

/// Send what is made up from this seed.
async fn run(program: &Path, server: &Server, seed: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let run = Command::new(program)
        .arg("run")
        .arg(format!("http://{}/openapi.json", server.address()))
        .args(["--checks", "all", "--continue-on-failure"])
        .args(["--seed", &seed.to_string(), "--max-examples", "550"])
        .args(["--generation-database", "none"])
        .current_dir(&directory)
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output()
        .await
        .expect("it runs");
    let report = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{report}");
    println!("{report}");
}

#[tokio::test]
async fn ten_thousand_requests_are_answered_as_described() {
    let program = program();
    assert!(
        program.exists(),
        "{} is missing: run cluster/prepare.sh packages schemathesis",
        program.display()
    );
    let database = Database::postgres().await;
    database.migrate();
    let server = Server::spawn(
        chat_server(&["serve", "--listen", "127.0.0.1:0", "--rate-limit", "0"])
            .env("DATABASE_URL", database.url())
            .env("LOG_FORMAT", "json"),
    )
    .await;
    // One for each processor of a small machine: schemathesis itself uses only one.
    tokio::join!(run(&program, &server, 1), run(&program, &server, 2));

    let mut answers = BTreeMap::<_, usize>::new();
    wait::until("the last request is logged", async || {
        answers.clear();
        for line in server.log_lines() {
            let status = line["status"].as_u64();
            if let (Some("request"), Some(status)) = (line["message"].as_str(), status) {
                let route = line["route"].as_str().unwrap_or_default().to_owned();
                *answers.entry((route, status)).or_default() += 1;
            }
        }
        answers.values().sum::<usize>() >= ENOUGH
    })
    .await;
    println!("answers by route and status: {answers:?}");
    for (route, status) in [
        ("/start_chat", 200),
        ("/message", 200),
        ("/message", 404),
        ("/message", 405),
        ("/message", 422),
        ("/transcript/{chat_id}", 200),
        ("/transcript/{chat_id}", 204),
        ("/transcript/{chat_id}", 404),
    ] {
        assert!(
            answers.contains_key(&(route.to_owned(), status)),
            "none is {status} {route}"
        );
    }
    assert!(
        answers.keys().all(|(_, status)| *status < 500),
        "{answers:?}"
    );
}
