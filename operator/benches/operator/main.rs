//! `./just bench operator`: what many ChatApps cost, with the real release program on a real etcd and API server of their own. Pods,
//! Jobs and databases are marked ready by stand-ins ([`stand_ins`]); the same objects are made by a client that does nothing else
//! ([`bare`]), on an API server of its own, with the same stand-ins. Figures are ratios where they can be. Nothing here fails a test.

#[path = "../../tests/it/api_server.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "it is the tests' own"
)]
mod api_server;
mod applied;
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
mod report;
mod requests;
mod stand_ins;
mod usage;
#[path = "../../tests/it/wait.rs"]
#[allow(dead_code, reason = "it is the tests' own")]
mod wait;

use std::time::{Duration, Instant};

use clap::Parser;

use crate::{
    api_server::ApiServer,
    bare::How,
    operator::{Operator, Options},
    report::Figures,
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
    report::print(&all);
    report::write(&all)
}

async fn measure(count: usize, rest: Duration) -> anyhow::Result<Figures> {
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let client = server.client().await;
    apps::create(&client, count).await?;
    let stand_ins = StandIns::start(&client);

    let before = (usage::of_servers(&server.directory)?, usage::of_this()?);
    let start = Instant::now();
    let operator = Operator::spawn(&server, &server.directory, "operator", Options::default());
    apps::until_ready(&client, count).await?;
    let time = start.elapsed();
    let operator_cpu = Usage::of_operator()?.cpu;
    let servers_cpu = usage::of_servers(&server.directory)?.saturating_sub(before.0);
    let cpu = operator_cpu + servers_cpu + usage::of_this()?.saturating_sub(before.1);
    apps::until_quiet(&operator).await?;
    let requests = requests::of_operator(&server)?;
    let objects = bare::objects(&client, &requests).await?;

    let before = Usage::of_operator()?;
    let resting = Instant::now();
    tokio::time::sleep(rest).await;
    let after = Usage::of_operator()?;
    let cpu_at_rest =
        after.cpu.saturating_sub(before.cpu).as_secs_f64() / resting.elapsed().as_secs_f64();
    let writes_at_rest = requests::of_operator(&server)?.writes() - requests.writes();

    let change = apps::changes(&client, count, CHANGES).await?;
    apps::until_quiet(&operator).await?;
    let settled = requests::of_operator(&server)?.writes();
    operator.stop();
    let restarted = Instant::now();
    let operator = Operator::spawn(&server, &server.directory, "again", Options::default());
    apps::until_passes(&operator, count).await?;
    apps::until_quiet(&operator).await?;
    let restart = restarted.elapsed();
    let writes_after_restart = requests::of_operator(&server)?.writes() - settled;
    operator.stop();
    drop(stand_ins);
    drop(server);

    let bare = bare::make(&objects, How::Apply).await?;
    let creating = bare::make(&objects, How::Create).await?;
    Ok(Figures {
        count,
        objects: objects.len(),
        time,
        requests,
        operator_cpu,
        servers_cpu,
        cpu,
        bare,
        creating,
        writes_at_rest,
        cpu_at_rest,
        rss_mib: after.rss_mib,
        peak_rss_mib: after.peak_rss_mib,
        restart,
        writes_after_restart,
        change,
    })
}
