//! Connections to PostgreSQL, and what changes when the URL does. Messages are written on connections of their own, so
//! that no flood of other requests can keep them waiting. How one is made is decided in [`super::connect`], what is done
//! on it in [`super::session`] and by the callers.
//!
//! A pooler in transaction mode (`PgBouncer`) gives each transaction another connection to PostgreSQL: it forgets
//! session settings and prepared statements. One is recognised by its refusing or ignoring the settings that are sent
//! with the start of a session, and then each operation is a transaction that brings along all it needs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use deadpool::managed::{Object, Pool, PoolError, QueueMode};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::super::{ACQUIRE_LIMIT, PoolStatus, StorageError};
use super::connect::{Connector, Demotion, Logins, Settings, is_refused_start, is_transient};
use super::session::Session;

/// Connections on which messages are written, each by one batch at a time.
pub(super) const WRITERS: u32 = 2;
/// The fewest connections with which everything can be done.
pub(crate) const MIN_CONNECTIONS: u32 = WRITERS + 2;

/// How soon a connection that isn't to be had is asked for again: at first, and at last.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(500);
/// The longest that operations on a replaced URL are waited for; each has its own limit, which is shorter.
const RETIRE_LIMIT: Duration = Duration::from_secs(10);
const RETIRE_PAUSE: Duration = Duration::from_millis(50);

/// How many connections there may be, and how long each is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    pub(crate) connections: u32,
    /// After it a connection is changed for a new one, so that a database that was moved is found.
    pub(crate) lifetime: Duration,
}

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
    /// Rises when connections from before aren't to be used any more.
    changes: watch::Sender<u64>,
    limits: PoolLimits,
}

/// The connections of one URL.
pub(super) struct Generation {
    url: PgConnectOptions,
    writers: Pool<Connector>,
    others: Pool<Connector>,
    settings: Settings,
    demotion: Arc<Demotion>,
}

impl PoolLimits {
    /// For a command, which looks at the database and ends.
    pub(crate) const COMMAND: Self = Self {
        connections: MIN_CONNECTIONS,
        lifetime: Duration::MAX,
    };
}

impl Pools {
    pub(super) fn new(url: PgConnectOptions, limits: PoolLimits) -> Self {
        let generation = Generation::new(url, limits, Settings::new(false));
        Self {
            current: ArcSwap::from_pointee(generation),
            changes: watch::Sender::new(0),
            limits,
        }
    }

    /// A connection for one operation.
    pub(super) async fn session(&self, purpose: Purpose) -> Result<Session, StorageError> {
        let (connection, generation) = timeout(ACQUIRE_LIMIT, self.take(purpose))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        Session::start(connection, generation).await
    }

    /// A connection, as soon as there is one, of the URL that is in use then.
    async fn take(
        &self,
        purpose: Purpose,
    ) -> Result<(Object<Connector>, Arc<Generation>), sqlx::Error> {
        let (mut pause, mut is_start_refused) = (RETRY_PAUSE, false);
        loop {
            let generation = self.current.load_full();
            let pool = generation.pool(purpose);
            match pool.get().await {
                Ok(connection) => return Ok((connection, generation)),
                Err(PoolError::Backend(error)) if is_transient(&error) => {
                    sleep(pause).await;
                    pause = MAX_RETRY_PAUSE.min(pause * 2);
                }
                // Nobody is asked, so it may be often.
                Err(PoolError::Backend(error)) if pool.manager().is_password_changed(&error) => {
                    sleep(RETRY_PAUSE).await;
                }
                Err(PoolError::Backend(error)) if is_refused_start(&error) && !is_start_refused => {
                    is_start_refused = true;
                    self.use_pooler(&generation);
                }
                Err(PoolError::Backend(error)) => return Err(error),
                Err(_) => return Err(sqlx::Error::PoolClosed),
            }
        }
    }

    /// Go over to another URL, once the database behind it was found to be usable by `check`. Operations under way end on
    /// the connections that they have.
    pub(super) async fn replace<E: From<StorageError>>(
        &self,
        url: PgConnectOptions,
        check: impl AsyncFnOnce(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let next = Self::new(url, self.limits);
        if let Err(error) = check(&next).await {
            next.close();
            return Err(error);
        }
        let old = self.current.swap(next.current.load_full());
        self.changes.send_modify(|change| *change += 1);
        tokio::spawn(retire(old));
        Ok(())
    }

    /// How to make a connection that isn't one of these, and how to learn that it is to be made anew.
    pub(super) fn outside(&self) -> (PgConnectOptions, watch::Receiver<u64>) {
        let changes = self.changes.subscribe();
        (
            self.current.load().others.manager().options().clone(),
            changes,
        )
    }

    /// Whether a pooler in transaction mode was found in front of the database.
    pub(super) fn is_behind_pooler(&self) -> bool {
        self.current.load().is_behind_pooler()
    }

    pub(super) fn status(&self) -> PoolStatus {
        let current = self.current.load();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let [writers, others] = [&current.writers, &current.others].map(Pool::status);
        let idle = writers.available + others.available;
        PoolStatus {
            idle: number(idle),
            used: number((writers.size + others.size).saturating_sub(idle)),
            max: number(writers.max_size + others.max_size),
        }
    }

    pub(super) fn close(&self) {
        self.current.load().close();
        self.changes.send_modify(|change| *change += 1);
    }

    /// Start sessions without settings from now on.
    fn use_pooler(&self, refused: &Arc<Generation>) {
        let next = Arc::new(Generation::new(
            refused.url.clone(),
            self.limits,
            Settings::new(true),
        ));
        let previous = self.current.compare_and_swap(refused, next);
        // Otherwise another operation was faster, or the URL has changed.
        if Arc::ptr_eq(&previous, refused) {
            tracing::info!("the database is behind a pooler that takes no session settings");
            tokio::spawn(retire(refused.clone()));
        }
    }
}

impl Generation {
    fn new(url: PgConnectOptions, limits: PoolLimits, settings: Settings) -> Self {
        let demotion = Arc::new(Demotion::new());
        let logins = Arc::new(Logins::default());
        let pool = |purpose, connections: u32| {
            let connector = Connector::new(
                &url,
                purpose,
                limits.lifetime,
                settings.clone(),
                demotion.clone(),
                logins.clone(),
            );
            #[expect(
                clippy::expect_used,
                reason = "the one error is a timeout without a runtime, and there is no timeout"
            )]
            Pool::builder(connector)
                .max_size(usize::try_from(connections).unwrap_or(usize::MAX))
                .queue_mode(QueueMode::Lifo)
                .build()
                .expect("a pool without timeouts")
        };
        Self {
            writers: pool(Purpose::Messages, WRITERS),
            others: pool(
                Purpose::Other,
                limits.connections.saturating_sub(WRITERS).max(1),
            ),
            url,
            settings,
            demotion,
        }
    }

    pub(super) fn is_behind_pooler(&self) -> bool {
        self.settings.are_left_out()
    }

    pub(super) fn demotion(&self) -> &Demotion {
        &self.demotion
    }

    fn pool(&self, purpose: Purpose) -> &Pool<Connector> {
        match purpose {
            Purpose::Messages => &self.writers,
            Purpose::Other => &self.others,
        }
    }

    fn close(&self) {
        self.writers.close();
        self.others.close();
    }
}

/// Close the connections of a URL that isn't used any more, once nothing uses them.
async fn retire(old: Arc<Generation>) {
    let deadline = Instant::now() + RETIRE_LIMIT;
    while Arc::strong_count(&old) > 1 && Instant::now() < deadline {
        sleep(RETIRE_PAUSE).await;
    }
    old.close();
}
