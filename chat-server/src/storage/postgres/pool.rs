//! Connections to PostgreSQL: how they are made, which of those at hand may be used, and what changes when the URL does.
//! Messages are written on connections of their own, so that no flood of other requests can keep them waiting. What is
//! done on a connection is decided by the callers.
//!
//! A pooler in transaction mode (`PgBouncer`) gives each transaction another connection to PostgreSQL: it forgets
//! session settings and prepared statements. One is recognised by its refusing or ignoring the settings that are sent
//! with the start of a session, and then each operation is a transaction that brings along all it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Row as _};
use tokio::time::{Instant, sleep, timeout};

use super::super::lease::Lease;
use super::super::{ACQUIRE_LIMIT, PoolStatus, STATEMENT_LIMIT, StorageError};

/// Connections on which messages are written, each by one batch at a time.
pub(super) const WRITERS: u32 = 3;
/// The fewest connections with which everything can be done.
pub(crate) const MIN_CONNECTIONS: u32 = WRITERS + 2;

/// The longest that an idle connection takes to answer before another one is opened.
const PING_LIMIT: Duration = Duration::from_millis(500);
/// A connection that was in use a moment ago isn't asked whether it is alive.
const FRESH: Duration = Duration::from_millis(20);
/// The longest that operations on a replaced URL are waited for; each has its own limit, which is shorter.
const RETIRE_LIMIT: Duration = Duration::from_secs(10);
const RETIRE_PAUSE: Duration = Duration::from_millis(50);

/// How PostgreSQL names a start of a session that it, or a pooler, doesn't understand.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Which of the connections an operation takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// A batch of messages.
    Messages,
    Other,
}

/// The connections to the database that the URL names at the moment.
pub(super) struct Pools {
    current: ArcSwap<Generation>,
    max_connections: u32,
}

/// The connections of one URL.
pub(super) struct Generation {
    options: PgConnectOptions,
    writers: PgPool,
    others: PgPool,
    pooler: Arc<AtomicBool>,
    demotion: Arc<Demotion>,
}

/// When a connection was last found on a server that had become read-only: those made before aren't used any more.
struct Demotion {
    since: Instant,
    /// Milliseconds since `since`; 0 is never.
    last: AtomicU64,
}

/// A connection in use by one operation.
pub(in super::super) struct Session {
    lease: Lease<sqlx::Postgres>,
    generation: Arc<Generation>,
    pooler: bool,
}

impl Pools {
    pub(super) fn new(options: PgConnectOptions, max_connections: u32) -> Self {
        let generation = Generation::new(options, max_connections, false);
        Self {
            current: ArcSwap::from_pointee(generation),
            max_connections,
        }
    }

    /// A connection for one operation.
    pub(super) async fn session(&self, purpose: Purpose) -> Result<Session, StorageError> {
        let generation = self.current.load_full();
        match generation.session(purpose).await {
            Err(StorageError::Database(error)) if is_refused_start(&error) => {
                self.use_pooler(&generation).session(purpose).await
            }
            outcome => outcome,
        }
    }

    /// Go over to another URL, once the database behind it was found to be usable by `check`. Operations under way end on
    /// the connections that they have.
    pub(super) async fn replace<E: From<StorageError>>(
        &self,
        options: PgConnectOptions,
        check: impl AsyncFnOnce(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let next = Self::new(options, self.max_connections);
        if let Err(error) = check(&next).await {
            next.close().await;
            return Err(error);
        }
        let old = self.current.swap(next.current.load_full());
        tokio::spawn(retire(old));
        Ok(())
    }

    pub(super) fn others(&self) -> PgPool {
        self.current.load().others.clone()
    }

    /// Whether a pooler in transaction mode was found in front of the database.
    pub(super) fn is_behind_pooler(&self) -> bool {
        self.current.load().pooler.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> PoolStatus {
        let current = self.current.load();
        let [writers, others] = [&current.writers, &current.others].map(PoolStatus::of);
        PoolStatus {
            idle: writers.idle + others.idle,
            used: writers.used + others.used,
            max: writers.max + others.max,
        }
    }

    pub(super) async fn close(&self) {
        self.current.load_full().close().await;
    }

    /// Start sessions without settings from now on.
    fn use_pooler(&self, refused: &Arc<Generation>) -> Arc<Generation> {
        let next = Arc::new(Generation::new(
            refused.options.clone(),
            self.max_connections,
            true,
        ));
        let previous = self.current.compare_and_swap(refused, next.clone());
        if Arc::ptr_eq(&previous, refused) {
            tracing::info!("the database is behind a pooler that takes no session settings");
            tokio::spawn(retire(refused.clone()));
            return next;
        }
        // Another operation was faster, or the URL has changed.
        self.current.load_full()
    }
}

impl Generation {
    fn new(options: PgConnectOptions, max_connections: u32, pooler: bool) -> Self {
        let demotion = Arc::new(Demotion {
            since: Instant::now(),
            last: AtomicU64::new(0),
        });
        let is_pooler = Arc::new(AtomicBool::new(pooler));
        let pool = |purpose, connections| {
            let connect = if pooler {
                options
                    .clone()
                    .application_name("chat-server")
                    .extra_float_digits(None)
            } else {
                with_settings(options.clone(), purpose)
            };
            let demotion = demotion.clone();
            let is_pooler = is_pooler.clone();
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_LIMIT)
                .idle_timeout(Duration::from_mins(5))
                .max_lifetime(Duration::from_mins(30))
                .after_connect(move |connection, _| {
                    let is_pooler = is_pooler.clone();
                    Box::pin(async move {
                        if !is_pooler.load(Ordering::Relaxed) && !keeps_settings(connection).await?
                        {
                            tracing::info!(
                                "the database is behind a pooler that drops session settings"
                            );
                            is_pooler.store(true, Ordering::Relaxed);
                        }
                        Ok(())
                    })
                })
                // Without a limit of its own, the ping of a connection to a machine that is gone uses up the whole wait for one.
                .test_before_acquire(false)
                .before_acquire(move |connection, state| {
                    let is_outdated = demotion.is_after(state.age);
                    Box::pin(async move {
                        if is_outdated || state.idle_for < FRESH {
                            return Ok(!is_outdated);
                        }
                        Ok(matches!(
                            timeout(PING_LIMIT, connection.ping()).await,
                            Ok(Ok(()))
                        ))
                    })
                })
                .connect_lazy_with(connect)
        };
        Self {
            writers: pool(Purpose::Messages, WRITERS),
            others: pool(
                Purpose::Other,
                max_connections.saturating_sub(WRITERS).max(1),
            ),
            options,
            pooler: is_pooler,
            demotion,
        }
    }

    async fn session(self: &Arc<Self>, purpose: Purpose) -> Result<Session, StorageError> {
        let pool = match purpose {
            Purpose::Messages => &self.writers,
            Purpose::Other => &self.others,
        };
        let lease = Lease::take(pool).await?;
        let mut session = Session {
            lease,
            generation: self.clone(),
            pooler: self.pooler.load(Ordering::Relaxed),
        };
        if session.pooler {
            let begin = format!(
                "BEGIN; SET LOCAL statement_timeout = {}",
                STATEMENT_LIMIT.as_millis()
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(begin))
                .execute(session.lease.connection())
                .await?;
        }
        Ok(session)
    }

    async fn close(&self) {
        tokio::join!(self.writers.close(), self.others.close());
    }
}

impl Session {
    pub(in super::super) fn connection(&mut self) -> &mut PgConnection {
        self.lease.connection()
    }

    /// A statement, prepared in the way that lasts as long as it may.
    pub(in super::super) fn query<'q>(
        &self,
        sql: &'static str,
    ) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
        sqlx::query(sql).persistent(!self.pooler)
    }

    /// End the operation with its outcome, which decides whether the connection is used again. What was written is
    /// committed when this returns well.
    pub(in super::super) async fn end<T>(
        mut self,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, StorageError> {
        let outcome = match outcome {
            Ok(value) if self.pooler => sqlx::raw_sql("COMMIT")
                .execute(self.lease.connection())
                .await
                .map(|_| value),
            // The transaction goes with the connection.
            Err(error) if self.pooler => return Err(error.into()),
            outcome => outcome,
        };
        if outcome.as_ref().is_err_and(is_demoted) {
            self.generation.demotion.note();
        }
        self.lease.end(outcome)
    }

    /// The server that this connection leads to has become read-only: leave it, and all connections as old as this one.
    pub(in super::super) fn end_demoted(self) -> StorageError {
        self.generation.demotion.note();
        StorageError::ReadOnly
    }
}

impl Demotion {
    fn note(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.fetch_max(now.max(1), Ordering::Relaxed);
    }

    /// Whether a connection of this age was made before the last demotion.
    fn is_after(&self, age: Duration) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last != 0 && self.since.elapsed().saturating_sub(age) < Duration::from_millis(last)
    }
}

/// Whether PostgreSQL refused a write because it is read-only. Nothing was written then.
pub(super) fn is_demoted(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("25006"))
}

/// Whether a session wasn't started because of the settings that were sent along.
fn is_refused_start(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error)
        if error.code().as_deref() == Some(PROTOCOL_VIOLATION) && error.message().contains("startup parameter"))
}

/// Settings that hold for a session. A plan that is made once for all sizes of a batch mustn't be one that is only good
/// for small ones, and none of the statements is worth compiling.
fn with_settings(options: PgConnectOptions, purpose: Purpose) -> PgConnectOptions {
    let limit = format!("{}ms", STATEMENT_LIMIT.as_millis());
    let options = options.application_name("chat-server").options([
        ("statement_timeout", limit.as_str()),
        ("idle_in_transaction_session_timeout", limit.as_str()),
        ("jit", "off"),
    ]);
    match purpose {
        Purpose::Messages => options.options([
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_nestloop", "off"),
        ]),
        Purpose::Other => options,
    }
}

/// Whether the session has the settings that it was started with.
async fn keeps_settings(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let limit: String = sqlx::raw_sql("SHOW statement_timeout")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    Ok(limit == format!("{}s", STATEMENT_LIMIT.as_secs()))
}

/// Close the connections of a URL that isn't used any more, once nothing uses them.
async fn retire(old: Arc<Generation>) {
    let deadline = Instant::now() + RETIRE_LIMIT;
    while Arc::strong_count(&old) > 1 && Instant::now() < deadline {
        sleep(RETIRE_PAUSE).await;
    }
    old.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_from_before_a_demotion_are_outdated() {
        let demotion = Demotion {
            since: Instant::now(),
            last: AtomicU64::new(0),
        };
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!demotion.is_after(Duration::from_secs(9)));
        demotion.note();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(demotion.is_after(Duration::from_millis(1001)));
        assert!(demotion.is_after(Duration::from_secs(9)));
        assert!(!demotion.is_after(Duration::from_millis(999)));
    }
}
