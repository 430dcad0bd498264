//! How long a message waits for its answer when 64 connections send half of what they reach at most. The schedule is
//! fixed and the time counts from when a message was due, so that a slow answer also counts for those behind it. The
//! timer's tick of a millisecond is in the figures.

use std::time::Duration;

use anyhow::ensure;

use crate::Bench;
use crate::database::Database;
use crate::load::{closed_loop, open_loop};
use crate::report::{Figure, Report, Series};
use crate::server::Server;

const CONNECTIONS: usize = 64;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let database = Database::migrated(&bench.postgres).await?;
    let server = Server::start(&database.url()).await?;
    let (_, clients) = server.new_clients(CONNECTIONS).await?;
    let mut clients = closed_loop(clients, bench.effort.trial).await.clients;

    let mut rates = Series::default();
    let [mut half, mut most, mut longest] = [(); 3].map(|()| Series::default());
    for _ in 0..bench.effort.rounds {
        database.settle().await?;
        let fastest = closed_loop(clients, bench.effort.trial).await;
        let rate = fastest.per_second / 2.0;
        let (run, mut waits) = open_loop(fastest.clients, rate, bench.effort.run).await;
        ensure!(run.failed == 0, "{} requests failed", run.failed);
        clients = run.clients;
        waits.sort_unstable();
        rates.push(rate);
        half.push(at_percent(&waits, 50));
        most.push(at_percent(&waits, 99));
        longest.push(at_percent(&waits, 100));
    }
    report.add([
        Figure::of("p99_ms_half_load", "ms", &most),
        Figure::of("p50_ms_half_load", "ms", &half),
        Figure::of("max_ms_half_load", "ms", &longest),
        Figure::of("half_load_per_s", "/s", &rates),
    ]);
    Ok(())
}

/// In milliseconds, the wait that so many percent of all don't exceed.
fn at_percent(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted
        .get(place)
        .map_or(f64::NAN, |wait| wait.as_secs_f64() * 1000.0)
}
