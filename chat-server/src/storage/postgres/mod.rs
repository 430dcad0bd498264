//! Chats in PostgreSQL. Each operation is one statement, and so one transaction and one round trip; what several requests
//! write or read at the same time shares one, see [`batch`] and [`transcripts`]. How connections are had is [`pool`]'s
//! business.

mod batch;
mod connect;
mod exchanges;
pub(super) mod pool;
mod session;
mod transcripts;

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use self::batch::Batches;
use self::connect::try_again;
use self::pool::{PoolLimits, Pools, Purpose};
pub(super) use self::session::Session;
use self::transcripts::Transcripts;
use super::migrations::{APPLIED, OLDEST_RELEASE, SchemaState};
use super::{
    Exchange, OPERATION_LIMIT, PoolStatus, Recorded, Recording, ReplaceError, StorageError,
};

type PgQuery<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

const START_CHAT: &str = "
    WITH chat AS (INSERT INTO chats (id) VALUES ($1) RETURNING id)
    INSERT INTO messages (chat_id, sender, body) SELECT id, 'BOT', $2 FROM chat";

const DELETE_CHAT: &str = "DELETE FROM chats WHERE id = $1";

// Read-only is also what a replica says, and a primary that was fenced. The tables are touched through their indexes,
// so it costs the same however many rows there are.
const IS_READ_ONLY: &str = "
    SELECT current_setting('transaction_read_only') = 'on'
    FROM (SELECT EXISTS (SELECT FROM chats JOIN messages ON chat_id = chats.id WHERE chats.id = $1)) AS schema";

const HAS_MIGRATIONS: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";

const HAS_CONTRACT: &str = "SELECT to_regclass('schema_contract') IS NOT NULL";

pub(crate) struct Postgres {
    pools: Arc<Pools>,
    batches: Batches,
    transcripts: Transcripts,
}

impl Postgres {
    pub(super) fn new(options: PgConnectOptions, limits: PoolLimits) -> Self {
        let pools = Arc::new(Pools::new(options, limits));
        Self {
            batches: Batches::new(pools.clone()),
            transcripts: Transcripts::new(pools.clone()),
            pools,
        }
    }

    pub(super) async fn start_chat(&self, chat: Uuid, greeting: &str) -> Result<(), StorageError> {
        self.write(START_CHAT, |query| query.bind(chat).bind(greeting))
            .await?;
        Ok(())
    }

    pub(super) async fn add_exchange(&self, exchange: Exchange) -> Result<Recording, StorageError> {
        self.batches.add(exchange).await
    }

    pub(super) async fn transcript(&self, chat: Uuid) -> Result<Vec<Recorded>, StorageError> {
        let transcript = self.transcripts.read(chat).await?;
        transcript.ok_or(StorageError::UnknownChat)
    }

    pub(super) async fn delete_chat(&self, chat: Uuid) -> Result<(), StorageError> {
        match self.write(DELETE_CHAT, |query| query.bind(chat)).await? {
            0 => Err(StorageError::UnknownChat),
            _ => Ok(()),
        }
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        check(&self.pools).await
    }

    pub(super) async fn schema_state(&self) -> Result<SchemaState, StorageError> {
        schema_state(&self.pools).await
    }

    /// Go over to another URL, if the database behind it can be used: it takes writes and its schema fits.
    pub(super) async fn replace(&self, options: PgConnectOptions) -> Result<(), ReplaceError> {
        self.pools
            .replace(options, async |pools| {
                match schema_state(pools).await? {
                    state if state.fits() => {}
                    state => return Err(ReplaceError::Schema(state)),
                }
                Ok(check(pools).await?)
            })
            .await
    }

    /// A connection for what isn't a message.
    pub(super) async fn session(&self) -> Result<Session, StorageError> {
        self.pools.session(Purpose::Other).await
    }

    /// How to make a connection that isn't one of the pool's, and how to learn that it is to be made anew.
    pub(super) fn outside(&self) -> (PgConnectOptions, watch::Receiver<u64>) {
        self.pools.outside()
    }

    pub(super) fn is_behind_pooler(&self) -> bool {
        self.pools.is_behind_pooler()
    }

    pub(super) fn pool_status(&self) -> PoolStatus {
        self.pools.status()
    }

    pub(super) fn close(&self) {
        self.pools.close();
    }

    /// Execute one writing statement, on another connection if the first leads to a server that was demoted.
    async fn write(
        &self,
        statement: &'static str,
        bind: impl for<'q> Fn(PgQuery<'q>) -> PgQuery<'q>,
    ) -> Result<u64, StorageError> {
        let deadline = Instant::now() + OPERATION_LIMIT;
        loop {
            let mut session = self.session().await?;
            let query = bind(session.query(statement));
            let outcome = query.execute(session.connection()?).await;
            let outcome = session.end(outcome).await;
            if !try_again(&outcome, deadline).await {
                return outcome.map(|done| done.rows_affected());
            }
        }
    }
}

async fn check(pools: &Pools) -> Result<(), StorageError> {
    let mut session = pools.session(Purpose::Other).await?;
    let row = session
        .query(IS_READ_ONLY)
        .bind(Uuid::nil())
        .fetch_one(session.connection()?)
        .await;
    match row.and_then(|row| row.try_get(0)) {
        // The next connection may find the new primary.
        Ok(true) => Err(session.end_demoted()),
        outcome => session.end(outcome).await.map(|_| ()),
    }
}

// On a connection for messages, before there are any: the first one finds it, even while no new ones are to be had.
async fn schema_state(pools: &Pools) -> Result<SchemaState, StorageError> {
    let mut session = pools.session(Purpose::Messages).await?;
    let read = read_schema(&mut session).await;
    let (applied, oldest_release) = session.end(read).await?;
    Ok(SchemaState::of_postgres(
        &applied,
        oldest_release.as_deref(),
    ))
}

/// The migrations that were applied, and the oldest release that works on what they left.
async fn read_schema(session: &mut Session) -> Result<(Vec<i64>, Option<String>), sqlx::Error> {
    if !exists(session, HAS_MIGRATIONS).await? {
        return Ok((Vec::new(), None));
    }
    let applied = session
        .query(APPLIED)
        .fetch_all(session.connection()?)
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    if !exists(session, HAS_CONTRACT).await? {
        return Ok((applied, None));
    }
    let oldest = session
        .query(OLDEST_RELEASE)
        .fetch_optional(session.connection()?)
        .await?
        .map(|row| row.try_get(0))
        .transpose()?;
    Ok((applied, oldest))
}

async fn exists(session: &mut Session, question: &'static str) -> Result<bool, sqlx::Error> {
    session
        .query(question)
        .fetch_one(session.connection()?)
        .await?
        .try_get(0)
}
