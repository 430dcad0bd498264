//! `./just bench server`: how fast the real release program is, on a real PostgreSQL of its own with default durability,
//! everything on this machine in one run. Speeds are ratios to what the database does by itself, measured in turns, so
//! that they mean the same on another machine. This file decides what is measured, in which order, and that a figure
//! that can't be had is a note and never a failure. Each measurement is a file.

mod database;
mod import;
mod latency;
mod load;
mod machine;
mod memory;
mod messages;
mod pgbench;
#[path = "../../tests/it/postgres.rs"]
#[allow(dead_code, clippy::expect_used, reason = "it is the tests' own")]
mod postgres;
mod report;
mod requests;
mod server;
mod start;
mod transcripts;
mod usage;
#[path = "../../tests/it/wait.rs"]
#[allow(dead_code, reason = "it is the tests' own")]
mod wait;

use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use futures::FutureExt as _;

use crate::postgres::Postgres;
use crate::report::Report;

/// The longest that one measurement may take.
const LIMIT: Duration = Duration::from_mins(3);
/// Default settings, but for as many clients as pgbench brings.
const SETTINGS: &[&str] = &["max_connections=300"];
/// 1,000 connections need more open files than many shells allow; what this starts inherits it.
const OPEN_FILES: &str = "--nofile=8192";

/// Figures of the chat server, as a table and in target/bench/server.json
#[derive(Parser)]
#[command(name = "./just bench server")]
struct Options {
    /// What to measure [default: everything]
    #[arg(value_enum, value_name = "NAME")]
    what: Vec<Measurement>,

    /// Fewer and shorter rounds: about a minute
    #[arg(long)]
    quick: bool,

    /// Given by `cargo bench`; without it nothing is measured, as by `cargo test --all-targets`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Acknowledged messages per second, against pgbench
    Messages,
    /// How long messages wait at half of the greatest load
    Latency,
    /// Resident memory with 1,000 idle connections
    Memory,
    /// Transcripts per second, against pgbench
    Transcripts,
    /// Rows per second of `import sqlite`
    Import,
    /// From start to ready
    Start,
}

/// What the measurements share.
struct Bench {
    postgres: Postgres,
    effort: Effort,
}

/// How long to look.
struct Effort {
    rounds: usize,
    run: Duration,
    /// Of a run that only warms up, or finds what to measure.
    trial: Duration,
    import_rows: u32,
}

const FULL: Effort = Effort {
    rounds: 3,
    run: Duration::from_secs(5),
    trial: Duration::from_secs(2),
    import_rows: 1_000_000,
};
const QUICK: Effort = Effort {
    rounds: 1,
    run: Duration::from_secs(3),
    trial: Duration::from_secs(2),
    import_rows: 200_000,
};

/// One thread: it is the load generator, and shares the cores with what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = Options::parse();
    if !options.bench {
        println!("nothing measured: run it as ./just bench server");
        return;
    }
    let _ = Command::new("prlimit")
        .args([OPEN_FILES, "--pid", &std::process::id().to_string()])
        .status();
    let mut report = Report::new(machine::describe());
    match start(options.quick).await {
        Ok(bench) => {
            report.describe(database::describe(&bench.postgres).await);
            for measurement in Measurement::value_variants() {
                if options.what.is_empty() || options.what.contains(measurement) {
                    eprintln!("measuring {measurement:?} ...");
                    if let Err(error) = measure(*measurement, &bench, &mut report).await {
                        report.note(&format!("{measurement:?}: {error:#}"));
                    }
                }
            }
        }
        Err(error) => report.note(&format!("nothing measured: {error:#}")),
    }
    print!("{report}");
    match report.write() {
        Ok(file) => println!("\nwritten: {}", file.display()),
        Err(error) => println!("\nnot written: {error:#}"),
    }
}

async fn start(quick: bool) -> anyhow::Result<Bench> {
    let postgres = tokio::task::spawn_blocking(|| Postgres::start_with(SETTINGS))
        .await
        .context("PostgreSQL doesn't start")?;
    Ok(Bench {
        postgres,
        effort: if quick { QUICK } else { FULL },
    })
}

/// One measurement, whose failure of whatever kind costs the others nothing.
async fn measure(
    measurement: Measurement,
    bench: &Bench,
    report: &mut Report,
) -> anyhow::Result<()> {
    let measuring = async {
        match measurement {
            Measurement::Messages => messages::measure(bench, report).await,
            Measurement::Latency => latency::measure(bench, report).await,
            Measurement::Memory => memory::measure(bench, report).await,
            Measurement::Transcripts => transcripts::measure(bench, report).await,
            Measurement::Import => import::measure(bench, report).await,
            Measurement::Start => start::measure(bench, report).await,
        }
    };
    tokio::time::timeout(LIMIT, AssertUnwindSafe(measuring).catch_unwind())
        .await
        .with_context(|| format!("took longer than {LIMIT:?}"))?
        .unwrap_or_else(|_| Err(anyhow::anyhow!("gave up, as said above")))
}
