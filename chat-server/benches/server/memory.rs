//! Resident memory with 1,000 keep-alive connections that have each asked once, all at the same time, and are idle since.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::join_all;

use crate::Bench;
use crate::database::Database;
use crate::load::Client;
use crate::report::{Figure, Report};
use crate::requests::{self, Request};
use crate::server::Server;
use crate::usage;

const CONNECTIONS: usize = 1000;
const IDLE: Duration = Duration::from_secs(2);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let database = Database::migrated(&bench.postgres).await?;
    let server = Server::start(&database.url()).await?;
    let at_start = resident(&server)?;

    let (_, mut clients) = server.new_clients(CONNECTIONS / 2).await?;
    for _ in clients.len()..CONNECTIONS {
        let health = Request::same_each_time(requests::get("/healthz"));
        clients.push(Client::open(server.address, vec![health]).await?);
    }
    join_all(clients.iter_mut().map(Client::ask_next)).await;
    let answered: u32 = clients.iter().map(|client| client.outcome.answered).sum();
    ensure!(
        usize::try_from(answered)? == CONNECTIONS,
        "only {answered} of {CONNECTIONS} connections were answered"
    );
    tokio::time::sleep(IDLE).await;
    let idle = resident(&server)?;
    drop(clients);
    report.add([
        Figure::one("rss_mib_1000_idle", "MiB", idle),
        Figure::one("rss_mib_start", "MiB", at_start),
    ]);
    Ok(())
}

fn resident(server: &Server) -> anyhow::Result<f64> {
    usage::resident_mib(server.pid()).context("no VmRSS of the server")
}
