//! The additive rule: what release 0.1.0 asks of the database works on the schema of this one, so that a release that is
//! gone back to, or a server that isn't replaced yet, goes on. Its statements are kept here as they were.

use sqlx::Row as _;
use uuid::Uuid;

use crate::database::{Connection, Database};

mod postgres {
    pub(super) const START_CHAT: &str = "
        WITH chat AS (INSERT INTO chats (id) VALUES ($1) RETURNING id)
        INSERT INTO messages (chat_id, sender, body) SELECT id, 'BOT', $2 FROM chat";
    pub(super) const ADD_EXCHANGE: &str = "
        WITH chat AS (SELECT id FROM chats WHERE id = $1 FOR NO KEY UPDATE)
        INSERT INTO messages (chat_id, sender, body)
        SELECT chat.id, line.sender, line.body
        FROM chat CROSS JOIN (VALUES (1, 'USER', $2::text), (2, 'BOT', $3::text)) AS line (place, sender, body)
        ORDER BY line.place";
    pub(super) const TRANSCRIPT: &str =
        "SELECT id, sent_at, sender, body FROM messages WHERE chat_id = $1 ORDER BY id";
    pub(super) const CHAT_EXISTS: &str = "SELECT EXISTS (SELECT FROM chats WHERE id = $1)";
    pub(super) const IS_READ_ONLY: &str = "
        SELECT current_setting('transaction_read_only') = 'on'
        FROM (SELECT EXISTS (SELECT FROM chats JOIN messages ON chat_id = chats.id WHERE chats.id = $1)) AS schema";
    pub(super) const HAS_MIGRATIONS: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    pub(super) const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
}

mod sqlite {
    pub(super) const INSERT_CHAT: &str = "INSERT INTO chats (id) VALUES (?)";
    pub(super) const INSERT_GREETING: &str =
        "INSERT INTO messages (chat_id, sender, body) VALUES (?, 'BOT', ?)";
    pub(super) const ADD_EXCHANGE: &str = "
        INSERT INTO messages (chat_id, sender, body)
        SELECT chats.id, line.sender, line.body
        FROM chats
        CROSS JOIN (SELECT 1 AS place, 'USER' AS sender, ?2 AS body UNION ALL SELECT 2, 'BOT', ?3) AS line
        WHERE chats.id = ?1
        ORDER BY line.place";
    pub(super) const TRANSCRIPT: &str =
        "SELECT id, sent_at, sender, body FROM messages WHERE chat_id = ? ORDER BY id";
    pub(super) const CHAT_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM chats WHERE id = ?)";
    pub(super) const CHECK: &str = "SELECT EXISTS (SELECT 1 FROM chats JOIN messages ON chat_id = chats.id WHERE chats.id = ?)";
    pub(super) const HAS_MIGRATIONS: &str =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";
    pub(super) const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
}

#[tokio::test]
async fn release_0_1_0_works_on_postgres() {
    let database = Database::postgres().await;
    database.migrate();
    let Connection::Postgres(mut connection) = database.connect().await else {
        unreachable!("it is PostgreSQL");
    };
    let chat = Uuid::new_v4();
    let started = sqlx::query(postgres::START_CHAT)
        .bind(chat)
        .bind("hi")
        .execute(&mut connection)
        .await;
    assert_eq!(started.expect("it starts a chat").rows_affected(), 1);
    for (chat, rows) in [(chat, 2), (Uuid::new_v4(), 0)] {
        let added = sqlx::query(postgres::ADD_EXCHANGE)
            .bind(chat)
            .bind("question")
            .bind("answer")
            .execute(&mut connection)
            .await;
        assert_eq!(added.expect("it adds an exchange").rows_affected(), rows);
    }
    let messages: Vec<(i64, time::OffsetDateTime, String, String)> =
        sqlx::query_as(postgres::TRANSCRIPT)
            .bind(chat)
            .fetch_all(&mut connection)
            .await
            .expect("it reads");
    let said: Vec<_> = messages
        .iter()
        .map(|message| (message.2.as_str(), message.3.as_str()))
        .collect();
    assert_eq!(
        said,
        [("BOT", "hi"), ("USER", "question"), ("BOT", "answer")]
    );
    for (question, expected) in [
        (postgres::CHAT_EXISTS, true),
        (postgres::IS_READ_ONLY, false),
    ] {
        let answer = sqlx::query(question)
            .bind(chat)
            .fetch_one(&mut connection)
            .await
            .expect("it answers");
        assert_eq!(answer.get::<bool, _>(0), expected, "{question}");
    }
    assert!(
        sqlx::query_scalar::<_, bool>(postgres::HAS_MIGRATIONS)
            .fetch_one(&mut connection)
            .await
            .expect("an answer")
    );
    let applied: Vec<i64> = sqlx::query_scalar(postgres::APPLIED)
        .fetch_all(&mut connection)
        .await
        .expect("rows");
    assert!(applied.contains(&1));
}

#[tokio::test]
async fn release_0_1_0_works_on_sqlite() {
    let database = Database::sqlite();
    database.migrate();
    let Connection::Sqlite(mut connection) = database.connect().await else {
        unreachable!("it is SQLite");
    };
    let chat = Uuid::new_v4().hyphenated();
    sqlx::query(sqlite::INSERT_CHAT)
        .bind(chat)
        .execute(&mut connection)
        .await
        .expect("it starts a chat");
    sqlx::query(sqlite::INSERT_GREETING)
        .bind(chat)
        .bind("hi")
        .execute(&mut connection)
        .await
        .expect("it greets");
    for (chat, rows) in [(chat, 2), (Uuid::new_v4().hyphenated(), 0)] {
        let added = sqlx::query(sqlite::ADD_EXCHANGE)
            .bind(chat)
            .bind("question")
            .bind("answer")
            .execute(&mut connection)
            .await;
        assert_eq!(added.expect("it adds an exchange").rows_affected(), rows);
    }
    let messages: Vec<(i64, time::OffsetDateTime, String, String)> =
        sqlx::query_as(sqlite::TRANSCRIPT)
            .bind(chat)
            .fetch_all(&mut connection)
            .await
            .expect("it reads");
    let said: Vec<_> = messages
        .iter()
        .map(|message| (message.2.as_str(), message.3.as_str()))
        .collect();
    assert_eq!(
        said,
        [("BOT", "hi"), ("USER", "question"), ("BOT", "answer")]
    );
    for question in [sqlite::CHAT_EXISTS, sqlite::CHECK] {
        let answer = sqlx::query(question)
            .bind(chat)
            .fetch_one(&mut connection)
            .await
            .expect("it answers");
        assert!(answer.get::<bool, _>(0), "{question}");
    }
    assert!(
        sqlx::query_scalar::<_, bool>(sqlite::HAS_MIGRATIONS)
            .fetch_one(&mut connection)
            .await
            .expect("an answer")
    );
    let applied: Vec<i64> = sqlx::query_scalar(sqlite::APPLIED)
        .fetch_all(&mut connection)
        .await
        .expect("rows");
    assert!(applied.contains(&1));
}
