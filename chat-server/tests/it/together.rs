//! Messages that are written together on PostgreSQL: many at once, each as if it were alone, none held up by another.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::database::{Connection, Database};
use crate::server::Server;
use crate::wait::until;

const CHATS: usize = 40;

/// A server that lets one address ask as much as it likes.
async fn start(database: &Database) -> Server {
    database.migrate();
    Server::start_with(&["--rate-limit", "0", "--database-url", &database.url()]).await
}

async fn new_chats(server: &Server) -> Vec<String> {
    join_all((0..CHATS).map(|_| server.new_chat())).await
}

/// The texts of a chat, in order.
async fn said(server: &Server, chat: &str) -> Vec<(String, String)> {
    let transcript = server.transcript(chat).await.body;
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    transcript["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| (text(&message["sender"]), text(&message["text"])))
        .collect()
}

#[tokio::test]
async fn every_message_of_many_chats_is_there_once_below_its_question_and_above_its_answer() {
    let database = Database::postgres().await;
    let servers = [start(&database).await, start(&database).await];
    let chats = new_chats(&servers[0]).await;
    // Four clients a chat, two on each replica, and each sends one after the other.
    let clients = chats
        .iter()
        .flat_map(|chat| (0..4).map(move |client| (chat, client)));
    join_all(clients.map(|(chat, client)| {
        let server = &servers[client % 2];
        async move {
            for number in 0..5 {
                let answer = server.say(chat, &format!("{client}: {number}")).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
    }))
    .await;
    for chat in &chats {
        let said = said(&servers[0], chat).await;
        assert_eq!(said.len(), 1 + 2 * 4 * 5);
        let mut next = [0; 4];
        for pair in said[1..].chunks(2) {
            assert_eq!(
                (pair[0].0.as_str(), pair[1].0.as_str()),
                ("USER", "BOT"),
                "{said:?}"
            );
            let (client, number) = pair[0].1.split_once(": ").expect("as it was sent");
            let client: usize = client.parse().expect("a number");
            assert_eq!(
                number,
                next[client].to_string(),
                "each client's order holds: {said:?}"
            );
            next[client] += 1;
        }
        assert_eq!(
            said,
            crate::together::said(&servers[1], chat).await,
            "both replicas see one order"
        );
    }
}

#[tokio::test]
async fn a_chat_that_is_locked_holds_up_nobody_else() {
    let database = Database::postgres().await;
    let server = start(&database).await;
    let chats = new_chats(&server).await;
    let Connection::Postgres(mut other) = database.connect().await else {
        unreachable!("it is PostgreSQL");
    };
    sqlx::raw_sql("BEGIN")
        .execute(&mut other)
        .await
        .expect("it begins");
    let locked = uuid::Uuid::parse_str(&chats[0]).expect("a UUID");
    sqlx::query("SELECT FROM chats WHERE id = $1 FOR NO KEY UPDATE")
        .bind(locked)
        .execute(&mut other)
        .await
        .expect("it is locked");
    let started = Instant::now();
    let (held_up, others) = tokio::join!(
        async {
            let answers = join_all((0..10).map(|_| server.say(&chats[0], "me first"))).await;
            (answers, started.elapsed())
        },
        async {
            for _ in 0..3 {
                let answers =
                    join_all(chats[1..].iter().map(|chat| server.say(chat, "and me"))).await;
                assert!(answers.iter().all(|answer| answer.status == 200));
                assert_eq!(server.new_chat().await.len(), 36);
                assert_eq!(server.transcript(&chats[0]).await.status, 200);
            }
            started.elapsed()
        }
    );
    assert!(
        held_up.0.iter().all(|answer| answer.status == 503),
        "{held_up:?}"
    );
    assert!(held_up.1 < Duration::from_secs(7), "{held_up:?}");
    assert!(others < Duration::from_secs(2), "it took {others:?}");
    no_message_is_being_written(&database).await;
    sqlx::raw_sql("COMMIT")
        .execute(&mut other)
        .await
        .expect("it commits");
    assert_eq!(server.say(&chats[0], "at last").await.status, 200);
    assert_eq!(
        said(&server, &chats[0]).await.len(),
        3,
        "what was refused isn't recorded"
    );
}

/// Whoever was answered "unavailable" while his message was on its way to the database may have it recorded all the same.
async fn no_message_is_being_written(database: &Database) {
    let Connection::Postgres(mut observer) = database.connect().await else {
        unreachable!("it is PostgreSQL");
    };
    until("the server has stopped trying", async || {
        let recent: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND datname = current_database() AND query LIKE '%SKIP LOCKED%'
             AND (state = 'active' OR query_start > clock_timestamp() - interval '200 ms')",
        )
        .fetch_one(&mut observer)
        .await
        .expect("an answer");
        recent == 0
    })
    .await;
}

#[tokio::test]
async fn what_postgres_refuses_fails_alone() {
    let database = Database::postgres().await;
    let server = start(&database).await;
    let chats = new_chats(&server).await;
    database
        .connect()
        .await
        .execute("ALTER TABLE messages ADD CONSTRAINT no_poison CHECK (body <> 'poison')")
        .await;
    for _ in 0..5 {
        let answers = join_all(chats.iter().enumerate().map(|(index, chat)| {
            let text = if index % 8 == 0 { "poison" } else { "water" };
            server.say(chat, text)
        }))
        .await;
        for (index, answer) in answers.iter().enumerate() {
            assert_eq!(
                answer.status,
                if index % 8 == 0 { 503 } else { 200 },
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn unknown_chats_and_repeated_keys_among_others_are_answered_each_as_alone() {
    let database = Database::postgres().await;
    let server = start(&database).await;
    let chats = new_chats(&server).await;
    let key = uuid::Uuid::new_v4().to_string();
    let first = join_all(chats.iter().map(|chat| server.say_once(chat, "a", &key))).await;
    let nobody = uuid::Uuid::new_v4().to_string();
    let (again, fresh, unknown) = tokio::join!(
        join_all(chats.iter().map(|chat| server.say_once(chat, "a", &key))),
        join_all(chats.iter().map(|chat| server.say(chat, "b"))),
        join_all(chats.iter().map(|_| server.say(&nobody, "c"))),
    );
    for (before, after) in first.iter().zip(&again) {
        assert_eq!((after.status, &after.body), (200, &before.body));
    }
    assert!(fresh.iter().all(|answer| answer.status == 200));
    assert!(unknown.iter().all(|answer| answer.status == 404));
    assert_eq!(database.said().await.len(), CHATS * 5);
}
