//! `GET /transcript` of chats of 50 messages by 64 and by 16 connections, against the best that pgbench reaches with the
//! same query, with either number of clients. There are 2,000 chats, whose messages lie as far apart as if everybody had
//! talked at the same time.

use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;

use crate::Bench;
use crate::database::Database;
use crate::load::{Client, Connection, closed_loop};
use crate::pgbench::Script;
use crate::report::{Figure, Report, Series};
use crate::requests::{self, Request};
use crate::server::Server;

/// The first is the one that counts.
const CONNECTIONS: [usize; 2] = [64, 16];
const PGBENCH_CLIENTS: [usize; 2] = [16, 64];
const CHATS: usize = 2000;
const WARM_UP: Duration = Duration::from_secs(1);

/// A chat's id is its number, so that pgbench can choose one.
const FILL: &str = "
    INSERT INTO chats (id)
    SELECT lpad(to_hex(chat), 32, '0')::uuid FROM generate_series(1, 2000) AS chat;
    INSERT INTO messages (chat_id, sender, body)
    SELECT lpad(to_hex(chat), 32, '0')::uuid,
           CASE WHEN turn % 2 = 0 THEN 'USER' ELSE 'BOT' END,
           left(repeat('what did the weather do today? ', 4), 10 + (chat * 13 + turn * 37) % 91)
    FROM generate_series(1, 50) AS turn, generate_series(1, 2000) AS chat
    ORDER BY turn, chat";
const QUERY: &str = "\\set chat random(1, 2000)
SELECT id, sent_at, sender, body FROM messages
WHERE chat_id = lpad(to_hex(:chat::int), 32, '0')::uuid ORDER BY id;
";

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let database = Database::migrated(&bench.postgres).await?;
    database.execute(FILL).await?;
    database.settle().await?;
    let server = Server::start(&database.url()).await?;
    check(&server).await?;
    let script = Script::new(QUERY)?;

    let mut pgbench = PGBENCH_CLIENTS.map(|clients| (clients, Series::default()));
    let mut all =
        CONNECTIONS.map(|connections| (connections, Series::default(), Series::default()));
    for _ in 0..bench.effort.rounds {
        let mut best: f64 = 0.0;
        for (clients, reached) in &mut pgbench {
            let alone = script.run(&database, *clients, bench.effort.run).await?;
            best = best.max(alone);
            reached.push(alone);
        }
        ensure!(best > 0.0, "pgbench did nothing");
        for (connections, transcripts, ratio) in &mut all {
            let clients = clients(&server, *connections).await?;
            let warm = closed_loop(clients, WARM_UP).await;
            let run = closed_loop(warm.clients, bench.effort.run).await;
            ensure!(run.failed == 0, "{} requests failed", run.failed);
            transcripts.push(run.per_second);
            ratio.push(run.per_second / best);
        }
    }

    for (clients, reached) in &pgbench {
        let name = format!("transcript_pgbench_per_s_{clients}");
        report.add([Figure::of(name, "/s", reached)]);
    }
    for (connections, transcripts, ratio) in &all {
        let named = |name: &str| format!("{name}_{connections}");
        report.add([
            Figure::of(named("transcript_vs_pgbench"), "", ratio),
            Figure::of(named("transcripts_per_s"), "/s", transcripts),
        ]);
    }
    let [(_, _, ratio), _] = &all;
    report.add([Figure::of("transcript_vs_pgbench", "", ratio)]);
    Ok(())
}

/// Clients that share the chats out among them.
async fn clients(server: &Server, count: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(count);
    for first in 1..=count {
        let requests = (first..=CHATS)
            .step_by(count)
            .map(|chat| Request::same_each_time(requests::get(&path(chat))))
            .collect();
        clients.push(Client::open(server.address, requests).await?);
    }
    Ok(clients)
}

fn path(chat: usize) -> String {
    let id = u128::try_from(chat).map_or(uuid::Uuid::nil(), uuid::Uuid::from_u128);
    format!("/transcript/{id}")
}

/// The answer is the whole transcript.
async fn check(server: &Server) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address).await?;
    let request = requests::get(&path(CHATS));
    let answer = connection.ask(&request).await?;
    let transcript: Value = serde_json::from_slice(answer.body)?;
    let messages = transcript.get("messages").and_then(Value::as_array);
    let count = messages.map_or(0, Vec::len);
    ensure!(count == 50, "a transcript has {count} messages, not 50");
    Ok(())
}
