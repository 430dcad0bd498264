//! Acknowledged messages per second by 64 and by 256 connections, each with a chat of its own, against the best that
//! pgbench reaches when a transaction inserts the same two rows. Afterwards the database holds exactly the acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use crate::Bench;
use crate::database::Database;
use crate::load::closed_loop;
use crate::pgbench::Script;
use crate::postgres::Postgres;
use crate::report::{Figure, Report, Series};
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

/// How pgbench did best.
struct Best {
    script: Script,
    clients: usize,
    description: String,
}

/// The rounds of one number of connections.
struct Rounds {
    connections: usize,
    messages: Series,
    ratio: Series,
    cores: Cores,
}

/// Who used the processors.
#[derive(Default)]
struct Cores {
    load: Series,
    server: Series,
    postgres: Series,
    others: Series,
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let database = Database::migrated(&bench.postgres).await?;
    let server = Server::start(&database.url()).await?;
    let best = best_of_pgbench(bench, &database, &server).await?;
    report.describe([("pgbench at its best", best.description)]);

    let mut alone = Series::default();
    let mut cores_alone = Cores::default();
    let mut all = CONNECTIONS.map(Rounds::of);
    for _ in 0..bench.effort.rounds {
        for rounds in &mut all {
            database.settle().await?;
            let before = Processor::now(&server, &bench.postgres);
            let pgbench = best
                .script
                .run(&database, best.clients, bench.effort.run)
                .await?;
            cores_alone.push(before, &server, &bench.postgres, bench.effort.run);
            ensure!(pgbench > 0.0, "pgbench did nothing");
            alone.push(pgbench);
            database.settle().await?;
            match rounds.run(bench, &server, &database).await {
                Ok(per_second) => rounds.ratio.push(per_second / pgbench),
                Err(error) => {
                    report.note(&format!("{} connections: {error:#}", rounds.connections));
                }
            }
        }
    }

    for rounds in &all {
        report.add(rounds.figures(bench.effort.rounds));
    }
    report.add([
        Figure::of("message_pgbench_per_s", "/s", &alone),
        Figure::of("message_pgbench_cores_load", "cores", &cores_alone.load),
        Figure::of(
            "message_pgbench_cores_postgres",
            "cores",
            &cores_alone.postgres,
        ),
    ]);
    Ok(())
}

/// The script and the number of clients that do most, from short runs of each.
async fn best_of_pgbench(
    bench: &Bench,
    database: &Database<'_>,
    server: &Server,
) -> anyhow::Result<Best> {
    let chats = PGBENCH_CLIENTS.into_iter().max().unwrap_or_default();
    server.new_chats(chats).await?;
    let pipelined = format!("\\startpipeline\n{TWO_INSERTS}\\endpipeline\n");
    let forms = [
        ("one INSERT of two rows", ONE_INSERT),
        ("two INSERTs", TWO_INSERTS),
        ("two INSERTs in a pipeline", &pipelined),
    ];
    let mut most: Option<(f64, Best)> = None;
    for _ in 0..bench.effort.rounds {
        for (name, inserts) in forms {
            for clients in PGBENCH_CLIENTS {
                let script = Script::new(&format!("{PICK_CHAT}{inserts}"))?;
                database.settle().await?;
                let reached = script.run(database, clients, bench.effort.trial).await?;
                if most.as_ref().is_none_or(|(most, _)| reached > *most) {
                    let description = format!("{name}, {clients} clients");
                    let best = Best {
                        script,
                        clients,
                        description,
                    };
                    most = Some((reached, best));
                }
            }
        }
    }
    most.map(|(_, best)| best).context("pgbench did nothing")
}

impl Rounds {
    fn of(connections: usize) -> Self {
        Self {
            connections,
            messages: Series::default(),
            ratio: Series::default(),
            cores: Cores::default(),
        }
    }

    /// Messages per second of one run, in which nothing failed and nothing was lost.
    async fn run(
        &mut self,
        bench: &Bench,
        server: &Server,
        database: &Database<'_>,
    ) -> anyhow::Result<f64> {
        let (chats, clients) = server.new_clients(self.connections).await?;
        let warm = closed_loop(clients, WARM_UP).await;
        let before = Processor::now(server, &bench.postgres);
        let run = closed_loop(warm.clients, bench.effort.run).await;
        self.cores
            .push(before, server, &bench.postgres, bench.effort.run);
        self.messages.push(run.per_second);
        ensure!(run.failed == 0, "{} requests failed", run.failed);
        let acknowledged = chats
            .iter()
            .zip(&run.clients)
            .map(|(chat, client)| Ok((chat.parse()?, i64::from(client.outcome.answered))))
            .collect::<anyhow::Result<_>>()?;
        check(database, &acknowledged).await?;
        Ok(run.per_second)
    }

    fn figures(&self, expected: usize) -> [Figure; 6] {
        // A run in which something failed has no ratio, and then the others don't count either.
        let ratio = if self.ratio.len() == expected {
            self.ratio.clone()
        } else {
            Series::default()
        };
        let named = |name: &str| format!("{name}_{}", self.connections);
        [
            Figure::of(named("message_vs_pgbench"), "", &ratio),
            Figure::of(named("messages_per_s"), "/s", &self.messages),
            Figure::of(named("message_cores_load"), "cores", &self.cores.load),
            Figure::of(named("message_cores_server"), "cores", &self.cores.server),
            Figure::of(
                named("message_cores_postgres"),
                "cores",
                &self.cores.postgres,
            ),
            Figure::of(named("message_cores_others"), "cores", &self.cores.others),
        ]
    }
}

impl Cores {
    fn push(&mut self, before: Processor, server: &Server, postgres: &Postgres, run: Duration) {
        let used = Processor::now(server, postgres).since(before);
        let seconds = run.as_secs_f64();
        self.load.push(used.load / seconds);
        self.server.push(used.server / seconds);
        self.postgres.push(used.postgres / seconds);
        self.others.push(used.others() / seconds);
    }
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
