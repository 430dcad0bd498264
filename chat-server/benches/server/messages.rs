//! Acknowledged messages per second by 64 and by 256 connections, each with a chat of its own, against the best that
//! pgbench reaches when a transaction inserts the same two rows. Afterwards the database holds exactly the acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::ensure;
use uuid::Uuid;

use crate::Bench;
use crate::database::Database;
use crate::load::closed_loop;
use crate::pgbench::Script;
use crate::report::{Figure, Series};
use crate::server::Server;
use crate::usage::Processor;

const CONNECTIONS: [usize; 2] = [64, 256];
const PGBENCH_CLIENTS: [usize; 2] = [16, 64];
const WARM_UP: Duration = Duration::from_secs(1);

/// Each of pgbench's clients looks up a chat of its own, once.
const PICK_CHAT: &str = "\\if :ready = 0
SELECT id AS chat FROM chats ORDER BY id OFFSET :client_id LIMIT 1 \\gset
\\set ready 1
\\endif
";
const ONE_INSERT: &str = "INSERT INTO messages (chat_id, idempotency_key, sender, body) VALUES \
    (:chat::uuid, gen_random_uuid(), 'USER', 'what did the weather do today, and who asked it to?'), \
    (:chat::uuid, NULL, 'BOT', 'Let me think about that until you change the subject.');
";
const TWO_INSERTS: &str = "BEGIN;
INSERT INTO messages (chat_id, idempotency_key, sender, body) VALUES \
    (:chat::uuid, gen_random_uuid(), 'USER', 'what did the weather do today, and who asked it to?');
INSERT INTO messages (chat_id, sender, body) VALUES \
    (:chat::uuid, 'BOT', 'Let me think about that until you change the subject.');
COMMIT;
";

/// The rounds of one number of connections.
#[derive(Default)]
struct Rounds {
    messages: Series,
    ratio: Series,
    load: Series,
    server: Series,
    postgres: Series,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let database = Database::migrated(&bench.postgres).await?;
    let server = Server::start(&database.url()).await?;
    let (script, clients) = best_script(bench, &database, &server).await?;

    let mut pgbench = Series::default();
    let mut rounds: HashMap<usize, Rounds> = HashMap::new();
    for _ in 0..bench.effort.rounds {
        for connections in CONNECTIONS {
            database.settle().await?;
            let alone = script.run(&database, clients, bench.effort.run).await?;
            pgbench.push(alone);
            database.settle().await?;
            let rounds = rounds.entry(connections).or_default();
            let reached = load(&server, &database, connections, bench.effort.run, rounds).await?;
            rounds.ratio.push(reached / alone);
        }
    }

    let mut figures = Vec::new();
    for connections in CONNECTIONS {
        let rounds = rounds.remove(&connections).unwrap_or_default();
        let named = |name: &str| format!("{name}_{connections}");
        figures.extend([
            Figure::of(named("message_vs_pgbench"), "", &rounds.ratio),
            Figure::of(named("messages_per_s"), "/s", &rounds.messages),
            Figure::of(named("message_cores_load"), "cores", &rounds.load),
            Figure::of(named("message_cores_server"), "cores", &rounds.server),
            Figure::of(named("message_cores_postgres"), "cores", &rounds.postgres),
        ]);
    }
    figures.push(Figure::of("message_pgbench_per_s", "/s", &pgbench));
    figures.push(Figure::one("message_pgbench_clients", "", as_f64(clients)));
    Ok(figures)
}

/// The script and the number of clients that do most, from a short run of each.
async fn best_script(
    bench: &Bench,
    database: &Database<'_>,
    server: &Server,
) -> anyhow::Result<(Script, usize)> {
    server
        .new_chats(PGBENCH_CLIENTS.into_iter().max().unwrap_or_default())
        .await?;
    let pipelined = format!("\\startpipeline\n{TWO_INSERTS}\\endpipeline\n");
    let mut best: Option<(f64, &str, usize)> = None;
    for inserts in [ONE_INSERT, TWO_INSERTS, &pipelined] {
        let script = Script::new(&format!("{PICK_CHAT}{inserts}"))?;
        for clients in PGBENCH_CLIENTS {
            database.settle().await?;
            let reached = script.run(database, clients, bench.effort.trial).await?;
            if best.as_ref().is_none_or(|(most, ..)| reached > *most) {
                best = Some((reached, inserts, clients));
            }
        }
    }
    let (_, inserts, clients) = best.unwrap_or_default();
    Ok((Script::new(&format!("{PICK_CHAT}{inserts}"))?, clients))
}

/// Messages per second of one run, which is checked.
async fn load(
    server: &Server,
    database: &Database<'_>,
    connections: usize,
    duration: Duration,
    rounds: &mut Rounds,
) -> anyhow::Result<f64> {
    let (chats, clients) = server.new_clients(connections).await?;
    let warm = closed_loop(clients, WARM_UP).await;

    let postmaster = database.postgres().main_process();
    let before = Processor::now(server.pid(), postmaster);
    let run = closed_loop(warm.clients, duration).await;
    let used = Processor::now(server.pid(), postmaster).since(before);
    let seconds = duration.as_secs_f64();
    rounds.load.push(used.load / seconds);
    rounds.server.push(used.server / seconds);
    rounds.postgres.push(used.postgres / seconds);
    rounds.messages.push(run.per_second);

    ensure!(run.failed == 0, "{} requests failed", run.failed);
    let acknowledged = chats
        .iter()
        .zip(&run.clients)
        .map(|(chat, client)| Ok((chat.parse()?, i64::from(client.outcome.answered))))
        .collect::<anyhow::Result<_>>()?;
    check(database, &acknowledged).await?;
    Ok(run.per_second)
}

/// Each chat has its greeting and two rows for each acknowledged message, no more and no fewer.
async fn check(database: &Database<'_>, acknowledged: &HashMap<Uuid, i64>) -> anyhow::Result<()> {
    let chats: Vec<Uuid> = acknowledged.keys().copied().collect();
    let recorded: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT chat_id, count(*) FROM messages WHERE chat_id = ANY ($1) GROUP BY chat_id",
    )
    .bind(chats)
    .fetch_all(&mut database.connect().await)
    .await?;
    ensure!(recorded.len() == acknowledged.len(), "chats are missing");
    for (chat, rows) in recorded {
        let expected = acknowledged.get(&chat).map(|count| 1 + 2 * count);
        ensure!(
            expected == Some(rows),
            "a chat has {rows} rows, but {expected:?} were acknowledged"
        );
    }
    Ok(())
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}
