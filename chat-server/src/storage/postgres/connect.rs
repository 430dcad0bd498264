//! One connection to PostgreSQL: how it is made, and whether one that is at hand may be used again. One that has been used
//! for long is left only for a new one: while a password is being changed there are no new ones, and the old ones have to do.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
/// A connection that nothing used for so long is changed for a new one, too: what stands between may have forgotten it.
const MAX_IDLE: Duration = Duration::from_mins(5);
/// How long after a login was refused none is tried, so that it costs the requests nothing.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// How long after a refusal by a server that became read-only another connection is tried.
const DEMOTED_PAUSE: Duration = Duration::from_millis(100);

/// How PostgreSQL names a start of a session that it, or a pooler, doesn't understand.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Makes the connections of one pool.
pub(super) struct Connector {
    options: PgConnectOptions,
    lifetime: Duration,
    settings: Settings,
    demotion: Arc<Demotion>,
    logins: Arc<Logins>,
}

/// A connection, and since when there is one: it may be younger than its place in the pool.
pub(super) struct Opened {
    pub(super) connection: PgConnection,
    since: Instant,
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

/// What became of the attempts to log in: whoever was let in before and no longer is has a password that was changed.
#[derive(Default)]
pub(super) struct Logins {
    last: Mutex<Login>,
}

#[derive(Clone, Copy, Default)]
enum Login {
    #[default]
    NeverAccepted,
    Accepted,
    NoLongerAccepted(Instant),
}

impl Connector {
    pub(super) fn new(
        options: &PgConnectOptions,
        purpose: Purpose,
        lifetime: Duration,
        settings: Settings,
        demotion: Arc<Demotion>,
        logins: Arc<Logins>,
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
            lifetime,
            settings,
            demotion,
            logins,
        }
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Whether there is no new connection because the password was changed: one that is in use now has to do.
    pub(super) fn is_password_changed(&self, error: &sqlx::Error) -> bool {
        is_refused_login(error) && self.logins.were_accepted()
    }
}

impl Manager for Connector {
    type Type = Opened;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Opened, sqlx::Error> {
        if self.logins.were_refused_just_now() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
        }
        // Boxed: it is large, it is part of every request's future, and it is seldom needed.
        let connected = Box::pin(self.options.connect()).await;
        self.logins.note(&connected);
        let mut connection = connected?;
        if !self.settings.are_left_out() && !Box::pin(keeps_settings(&mut connection)).await? {
            tracing::info!("the database is behind a pooler that drops session settings");
            self.settings.leave_out();
        }
        Ok(Opened {
            connection,
            since: Instant::now(),
        })
    }

    async fn recycle(&self, opened: &mut Opened, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        let (age, idle) = (opened.since.elapsed(), metrics.last_used());
        if self.demotion.is_after(age) {
            return Err(RecycleError::message("from before a demotion"));
        }
        if age > self.lifetime || idle > MAX_IDLE {
            match Box::pin(self.create()).await {
                Ok(new) => {
                    *opened = new;
                    return Ok(());
                }
                Err(error) if is_refused_login(&error) => {}
                // Without the old one there may be place for a new one.
                Err(error) => return Err(RecycleError::Backend(error)),
            }
        }
        if idle < FRESH {
            return Ok(());
        }
        timeout(PING_LIMIT, Box::pin(opened.connection.ping()))
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

impl Logins {
    fn note<T>(&self, attempt: &Result<T, sqlx::Error>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (attempt, *last) {
            (Ok(_), _) => *last = Login::Accepted,
            (Err(error), Login::Accepted | Login::NoLongerAccepted(_))
                if is_refused_login(error) =>
            {
                if matches!(*last, Login::Accepted) {
                    tracing::warn!(
                        %error,
                        "the database refuses the password that it took before; open connections stay in use"
                    );
                }
                *last = Login::NoLongerAccepted(Instant::now());
            }
            (Err(_), _) => {}
        }
    }

    fn were_accepted(&self) -> bool {
        !matches!(self.last(), Login::NeverAccepted)
    }

    fn were_refused_just_now(&self) -> bool {
        matches!(self.last(), Login::NoLongerAccepted(when) if when.elapsed() < REFUSED_PAUSE)
    }

    fn last(&self) -> Login {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Whether user and password weren't taken, now or just before. A pooler says so in words only.
fn is_refused_login(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("28")
                || code == PROTOCOL_VIOLATION && error.message().contains("authentication failed")
        }),
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::PermissionDenied,
        _ => false,
    }
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
