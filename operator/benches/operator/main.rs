//! `./just bench operator`: what many ChatApps cost, with the real release program on a real etcd and API server of their own. Pods,
//! Jobs and databases are marked ready by stand-ins ([`stand_ins`]); the same objects are applied by a client that does nothing else
//! ([`bare`]), on an API server of its own, with the same stand-ins. Figures are ratios where they can be. Nothing here fails a test.

#[path = "../../tests/it/api_server.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "it is the tests' own"
)]
mod api_server;
mod apps;
mod bare;
#[path = "../../tests/it/operator.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "it is the tests' own"
)]
mod operator;
#[path = "../../tests/it/process.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "it is the tests' own"
)]
mod process;
mod stand_ins;
mod usage;
#[path = "../../tests/it/wait.rs"]
#[allow(dead_code, reason = "it is the tests' own")]
mod wait;
mod writes;

use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    operator::{Operator, Options},
    stand_ins::StandIns,
    usage::Usage,
};

/// Figures of the operator, as a table and in target/bench/operator.json
#[derive(Parser)]
#[command(name = "./just bench operator")]
struct Arguments {
    /// How many ChatApps
    #[arg(value_name = "COUNT", default_values_t = [10, 100, 1000])]
    counts: Vec<usize>,

    /// How long to look at the operator at rest, in seconds
    #[arg(long, default_value_t = 300)]
    rest: u64,

    /// Given by `cargo bench`; without it nothing is measured, as by `cargo test --all-targets`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Changes whose latency is measured.
const CHANGES: usize = 100;

/// What was measured with one count.
struct Figures {
    count: usize,
    objects: usize,
    time: Duration,
    bare_time: Duration,
    writes: writes::Writes,
    bare_writes: usize,
    writes_at_rest: usize,
    cpu_at_rest: f64,
    rss_mib: f64,
    restart: Duration,
    writes_after_restart: usize,
    /// Median and 99th percentile.
    change: (Duration, Duration),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        return Ok(());
    }
    let mut all = Vec::new();
    for count in &arguments.counts {
        eprintln!("{count} ChatApps ...");
        match measure(*count, Duration::from_secs(arguments.rest)).await {
            Ok(figures) => all.push(figures),
            Err(error) => eprintln!("not measured: {error:#}"),
        }
    }
    report(&all)
}

async fn measure(count: usize, rest: Duration) -> anyhow::Result<Figures> {
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let client = server.client().await;
    apps::create(&client, count).await?;
    let stand_ins = StandIns::start(&client);

    let start = Instant::now();
    let operator = Operator::spawn(&server, &server.directory, "operator", Options::default());
    apps::until_ready(&client, count).await?;
    let time = start.elapsed();
    apps::until_quiet(&operator).await?;
    let writes = writes::of_operator(&server)?;
    let objects = bare::objects(&client).await?;

    let before = Usage::of_operator()?;
    let resting = Instant::now();
    tokio::time::sleep(rest).await;
    let after = Usage::of_operator()?;
    let cpu_at_rest =
        after.cpu.saturating_sub(before.cpu).as_secs_f64() / resting.elapsed().as_secs_f64();
    let writes_at_rest = writes::of_operator(&server)?.total() - writes.total();

    let change = apps::changes(&client, count, CHANGES).await?;
    apps::until_quiet(&operator).await?;
    let settled = writes::of_operator(&server)?.total();
    operator.stop();
    let restarted = Instant::now();
    let operator = Operator::spawn(&server, &server.directory, "again", Options::default());
    apps::until_passes(&operator, count).await?;
    apps::until_quiet(&operator).await?;
    let restart = restarted.elapsed();
    let writes_after_restart = writes::of_operator(&server)?.total() - settled;
    operator.stop();
    drop(stand_ins);
    drop(server);

    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let (bare_time, bare_writes) = bare::apply(&server.client().await, &objects).await?;
    Ok(Figures {
        count,
        objects: objects.len(),
        time,
        bare_time,
        writes,
        bare_writes,
        writes_at_rest,
        cpu_at_rest,
        rss_mib: after.rss_mib,
        restart,
        writes_after_restart,
        change,
    })
}

#[allow(clippy::cast_precision_loss, reason = "figures are small")]
fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other.max(1) as f64
}

fn rounded(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

fn report(all: &[Figures]) -> anyhow::Result<()> {
    println!(
        "| ChatApps | objects | to Ready s | bare s | ratio | writes | bare | ratio | at rest: writes | CPU % | RSS MiB | restart s | writes | change p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut json = serde_json::Map::new();
    for figures in all {
        let time = figures.time.as_secs_f64() / figures.bare_time.as_secs_f64();
        let writes = ratio(figures.writes.total(), figures.bare_writes);
        let (p50, p99) = figures.change;
        println!(
            "| {} | {} | {:.1} | {:.1} | {time:.2} | {} + {} status | {} | {writes:.2} | {} | {:.2} | {:.0} | {:.1} | {} | {} | {} |",
            figures.count,
            figures.objects,
            figures.time.as_secs_f64(),
            figures.bare_time.as_secs_f64(),
            figures.writes.objects,
            figures.writes.statuses,
            figures.bare_writes,
            figures.writes_at_rest,
            figures.cpu_at_rest * 100.0,
            figures.rss_mib,
            figures.restart.as_secs_f64(),
            figures.writes_after_restart,
            p50.as_millis(),
            p99.as_millis(),
        );
        let mut put = |name: &str, value: Value| {
            json.insert(format!("{name}_{}", figures.count), value);
        };
        put("time_vs_bare_client", rounded(time));
        put("writes_vs_bare_client", rounded(writes));
        put("rss_mib", rounded(figures.rss_mib));
        put("ready_s", rounded(figures.time.as_secs_f64()));
        put("restart_s", rounded(figures.restart.as_secs_f64()));
        put("cpu_percent_at_rest", rounded(figures.cpu_at_rest * 100.0));
        put("change_p99_ms", json!(p99.as_millis()));
        put("change_p50_ms", json!(p50.as_millis()));
    }
    // The names without a count are those of the most ChatApps.
    if let Some(most) = all.iter().max_by_key(|figures| figures.count) {
        for name in [
            "time_vs_bare_client",
            "writes_vs_bare_client",
            "change_p99_ms",
        ] {
            if let Some(value) = json.get(&format!("{name}_{}", most.count)).cloned() {
                json.insert(name.to_owned(), value);
            }
        }
        json.insert("writes_at_rest".to_owned(), json!(most.writes_at_rest));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
    std::fs::create_dir_all(folder)?;
    std::fs::write(
        format!("{folder}/operator.json"),
        serde_json::to_string_pretty(&json)? + "\n",
    )?;
    Ok(())
}
