//! From the start of the process to the first time that it says it is ready, on a migrated database.

use std::time::Instant;

use crate::Bench;
use crate::database::Database;
use crate::report::{Figure, Report, Series};
use crate::server::Server;

const STARTS: usize = 10;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let database = Database::migrated(&bench.postgres).await?;
    let url = database.url();
    let mut times = Series::default();
    for _ in 0..STARTS {
        let started = Instant::now();
        let mut server = Server::spawn(&url, &[])?;
        server.ready().await?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    report.add([Figure::of("start_ms", "ms", &times)]);
    Ok(())
}
