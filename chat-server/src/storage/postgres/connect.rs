//! One connection to PostgreSQL: how it is made, and whether one that is at hand may be used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::time::{Instant, sleep, timeout};

use super::super::{STATEMENT_LIMIT, StorageError};
use super::pool::Purpose;

/// The longest that an idle connection takes to answer before another one is opened.
const PING_LIMIT: Duration = Duration::from_millis(500);
/// A connection that was in use a moment ago isn't asked whether it is alive.
const FRESH: Duration = Duration::from_millis(20);
/// Connections are changed for new ones from time to time, so that a database that was moved is found.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// A connection that nothing used for so long is closed when it is met: what stands between may have forgotten it.
const MAX_IDLE: Duration = Duration::from_mins(5);

/// How long after a refusal by a server that became read-only another connection is tried.
const DEMOTED_PAUSE: Duration = Duration::from_millis(100);

/// How PostgreSQL names a start of a session that it, or a pooler, doesn't understand.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Makes the connections of one pool.
pub(super) struct Connector {
    options: PgConnectOptions,
    settings: Settings,
    demotion: Arc<Demotion>,
}

/// What is known about the settings that a session starts with.
#[derive(Clone)]
pub(super) struct Settings {
    /// Whether a pooler in transaction mode is in front of the database.
    is_pooler: Arc<AtomicBool>,
}

/// When a connection was last found on a server that had become read-only: those made before aren't used any more.
pub(super) struct Demotion {
    since: Instant,
    /// Milliseconds since `since`; 0 is never.
    last: AtomicU64,
}

impl Connector {
    pub(super) fn new(
        options: &PgConnectOptions,
        purpose: Purpose,
        settings: Settings,
        demotion: Arc<Demotion>,
    ) -> Self {
        let options = if settings.are_left_out() {
            options
                .clone()
                .application_name("chat-server")
                .extra_float_digits(None)
        } else {
            with_settings(options.clone(), purpose)
        };
        Self {
            options,
            settings,
            demotion,
        }
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        // Boxed: it is large, it is part of every request's future, and it is seldom needed.
        let mut connection = Box::pin(self.options.connect()).await?;
        if !self.settings.are_left_out() && !Box::pin(keeps_settings(&mut connection)).await? {
            tracing::info!("the database is behind a pooler that drops session settings");
            self.settings.leave_out();
        }
        Ok(connection)
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        let idle = metrics.last_used();
        if self.demotion.is_after(metrics.age()) || metrics.age() > MAX_LIFETIME || idle > MAX_IDLE
        {
            return Err(RecycleError::message("too old"));
        }
        if idle < FRESH {
            return Ok(());
        }
        timeout(PING_LIMIT, Box::pin(connection.ping()))
            .await
            .map_err(|_| RecycleError::message("silent"))?
            .map_err(RecycleError::Backend)
    }
}

impl Settings {
    pub(super) fn new(left_out: bool) -> Self {
        Self {
            is_pooler: Arc::new(AtomicBool::new(left_out)),
        }
    }

    /// Whether a pooler in transaction mode was found, so that no session has settings.
    pub(super) fn are_left_out(&self) -> bool {
        self.is_pooler.load(Ordering::Relaxed)
    }

    fn leave_out(&self) {
        self.is_pooler.store(true, Ordering::Relaxed);
    }
}

impl Demotion {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn note(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.fetch_max(now.max(1), Ordering::Relaxed);
    }

    /// Whether a connection of this age was made before the last demotion.
    fn is_after(&self, age: Duration) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last != 0 && self.since.elapsed().saturating_sub(age) < Duration::from_millis(last)
    }
}

/// Whether a write is worth another try, after a pause, because a demoted server refused it and there is time left.
pub(super) async fn try_again<T>(outcome: &Result<T, StorageError>, deadline: Instant) -> bool {
    let again = matches!(outcome, Err(StorageError::Database(error)) if is_demoted(error))
        && Instant::now() + DEMOTED_PAUSE < deadline;
    if again {
        sleep(DEMOTED_PAUSE).await;
    }
    again
}

/// Whether PostgreSQL refused a write because it is read-only. Nothing was written then.
pub(super) fn is_demoted(error: &sqlx::Error) -> bool {
    has_code(error, &["25006"])
}

/// Whether a session wasn't started because of the settings that were sent along.
pub(super) fn is_refused_start(error: &sqlx::Error) -> bool {
    has_code(error, &[PROTOCOL_VIOLATION])
        && matches!(error, sqlx::Error::Database(error) if error.message().contains("startup parameter"))
}

/// Whether a connection may be had in a moment: PostgreSQL isn't there (yet), starts, or has no place left.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    has_code(error, &["53300", "57P03"])
        || matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| codes.contains(&code.as_ref())))
}

/// Settings that hold for a session. A plan is made once for all sizes of a batch, and mustn't be one that is only good
/// for small ones or while the tables are small; none of the statements is worth compiling.
fn with_settings(options: PgConnectOptions, purpose: Purpose) -> PgConnectOptions {
    let limit = format!("{}ms", STATEMENT_LIMIT.as_millis());
    options
        .application_name("chat-server")
        .options([
            ("statement_timeout", limit.as_str()),
            ("idle_in_transaction_session_timeout", limit.as_str()),
            ("jit", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
        ])
        .options([match purpose {
            Purpose::Messages => ("enable_nestloop", "off"),
            // A chat's messages are in their order in the index: read through a bitmap they would have to be sorted.
            Purpose::Other => ("enable_bitmapscan", "off"),
        }])
}

/// Whether the session has the settings that it was started with.
async fn keeps_settings(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let limit: String = sqlx::raw_sql("SHOW statement_timeout")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    Ok(limit == format!("{}s", STATEMENT_LIMIT.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_from_before_a_demotion_are_outdated() {
        let demotion = Demotion::new();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!demotion.is_after(Duration::from_secs(9)));
        demotion.note();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(demotion.is_after(Duration::from_millis(1001)));
        assert!(demotion.is_after(Duration::from_secs(9)));
        assert!(!demotion.is_after(Duration::from_millis(999)));
    }
}
