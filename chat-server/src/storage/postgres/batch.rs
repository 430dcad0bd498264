//! Messages written together: requests that come at the same time share a transaction, and each is answered after its
//! commit. Nothing waits for a batch to fill: a writer that is free takes what has queued up meanwhile.
//!
//! One request can't fail or delay another's. A batch never waits for the lock on a chat: an exchange whose chat is locked
//! by somebody else queues up again. A batch whose data PostgreSQL refused is halved until the cause is alone. A chat is
//! in one batch at a time, so that no batch is locked out by another one.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Duration, sleep, timeout};
use uuid::Uuid;

use super::super::{Exchange, OPERATION_LIMIT, Recording, StorageError};
use super::connect::is_demoted;
use super::pool::{Pools, Purpose, WRITERS};
use super::session::Session;

/// The most exchanges in one transaction: beyond it the gain is small, and the wait of the first grows.
const MAX_BATCH: usize = 256;
/// Exchanges that may queue up. More than that isn't written within the limit of a request.
const MAX_QUEUE: usize = 20_000;
/// How long an exchange whose chat is locked is put aside.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);
/// How long after a refusal by a server that became read-only another connection is tried.
const DEMOTED_PAUSE: Duration = Duration::from_millis(100);

/// Writes exchanges of which each is of another chat, and returns the chats whose exchange was written. Not written is
/// what has no chat, whose key is known, or whose chat is locked. The lock on the chat makes exchanges of one chat
/// follow one another, so that each answer stands below its question. An answer gets its id after its question.
const ADD_EXCHANGES: &str = "
    WITH asked AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS asked (chat_id, said, reply, key)
    ),
    chat AS MATERIALIZED (SELECT id FROM chats WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED),
    question AS (
        INSERT INTO messages (chat_id, sender, body, idempotency_key)
        SELECT chat_id, 'USER', said, key FROM asked JOIN chat ON chat.id = asked.chat_id
        ON CONFLICT (chat_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING chat_id
    ),
    answer AS (
        INSERT INTO messages (chat_id, sender, body)
        SELECT chat_id, 'BOT', reply FROM question JOIN asked USING (chat_id)
        RETURNING chat_id
    )
    SELECT chat_id FROM answer";

/// Why exchanges weren't written: whether there is a chat, and what was recorded under the key before.
const LOOK_UP: &str = "
    SELECT asked.chat_id, chats.id IS NOT NULL AS is_known, question.body AS said, answer.body AS reply
    FROM unnest($1::uuid[], $2::uuid[]) AS asked (chat_id, key)
    LEFT JOIN chats ON chats.id = asked.chat_id
    LEFT JOIN messages AS question ON question.chat_id = asked.chat_id AND question.idempotency_key = asked.key
    LEFT JOIN LATERAL (
        SELECT body FROM messages
        WHERE chat_id = question.chat_id AND id > question.id AND sender = 'BOT'
        ORDER BY id LIMIT 1
    ) AS answer ON true";

type Outcome = Result<Recording, StorageError>;

/// Takes exchanges and sees to it that each is answered.
pub(super) struct Batches {
    queue: Arc<Queue>,
    pools: Arc<Pools>,
    started: std::sync::Once,
}

struct Queue {
    waiting: Mutex<Waiting>,
    /// Tells a writer that there may be something to do.
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Chats of which an exchange is being written.
    busy: HashSet<Uuid>,
}

struct Job {
    exchange: Exchange,
    answer: oneshot::Sender<Outcome>,
}

impl Batches {
    pub(super) fn new(pools: Arc<Pools>) -> Self {
        Self {
            queue: Arc::new(Queue {
                waiting: Mutex::default(),
                filled: Notify::new(),
            }),
            pools,
            started: std::sync::Once::new(),
        }
    }

    /// Write an exchange with others. Given up when the future is dropped, unless it is being written already.
    pub(super) async fn add(&self, exchange: Exchange) -> Outcome {
        self.started.call_once(|| self.start());
        let (answer, answered) = oneshot::channel();
        let job = Job { exchange, answer };
        self.queue.push(job).map_err(|(_, error)| error)?;
        answered.await.unwrap_or(Err(StorageError::TooSlow))
    }

    fn start(&self) {
        for _ in 0..WRITERS {
            tokio::spawn(write_batches(self.queue.clone(), self.pools.clone()));
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) -> Result<(), (Job, StorageError)> {
        let mut waiting = self.waiting();
        if waiting.jobs.len() >= MAX_QUEUE {
            return Err((job, StorageError::TooMany));
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// What has queued up, one exchange a chat, without those whose client has left.
    async fn take(&self) -> Vec<Job> {
        loop {
            let batch = self.waiting().take();
            if !batch.is_empty() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// Let the next exchanges of these chats be written.
    fn release(&self, chats: &[Uuid]) {
        let mut waiting = self.waiting();
        for chat in chats {
            waiting.busy.remove(chat);
        }
        let is_empty = waiting.jobs.is_empty();
        drop(waiting);
        if !is_empty {
            self.filled.notify_one();
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Vec<Job> {
        let mut batch = Vec::new();
        let mut later = VecDeque::new();
        while batch.len() < MAX_BATCH
            && let Some(job) = self.jobs.pop_front()
        {
            if job.answer.is_closed() {
                continue;
            }
            if self.busy.insert(job.exchange.chat) {
                batch.push(job);
            } else {
                later.push_back(job);
            }
        }
        later.append(&mut self.jobs);
        self.jobs = later;
        batch
    }
}

/// What one writer does for as long as the process lives.
async fn write_batches(queue: Arc<Queue>, pools: Arc<Pools>) {
    loop {
        let batch = queue.take().await;
        let chats: Vec<_> = batch.iter().map(|job| job.exchange.chat).collect();
        let locked = write_batch(&pools, batch).await;
        queue.release(&chats);
        if !locked.is_empty() {
            tokio::spawn(put_aside(queue.clone(), locked));
        }
    }
}

async fn put_aside(queue: Arc<Queue>, jobs: Vec<Job>) {
    sleep(LOCKED_PAUSE).await;
    for job in jobs {
        if let Err((job, error)) = queue.push(job) {
            job.answer(Err(error));
        }
    }
}

/// Write a batch and answer, but for the exchanges that are returned, whose chats are locked.
async fn write_batch(pools: &Pools, batch: Vec<Job>) -> Vec<Job> {
    let mut locked = Vec::new();
    let mut parts = vec![batch];
    while let Some(mut batch) = parts.pop() {
        let exchanges: Vec<_> = batch.iter().map(|job| &job.exchange).collect();
        match timeout(OPERATION_LIMIT, write_on_primary(pools, &exchanges))
            .await
            .unwrap_or(Err(StorageError::TooSlow))
        {
            Ok(recordings) => locked.extend(
                batch
                    .into_iter()
                    .zip(recordings)
                    .filter_map(|(job, recording)| job.answer_unless_locked(recording)),
            ),
            Err(StorageError::Database(error)) if batch.len() > 1 && is_about_data(&error) => {
                let other_half = batch.split_off(batch.len() / 2);
                parts.extend([batch, other_half]);
            }
            Err(error) => {
                for job in batch {
                    job.answer(Err(error.clone()));
                }
            }
        }
    }
    locked
}

impl Job {
    fn answer(self, outcome: Outcome) {
        // The client may have left.
        let _ = self.answer.send(outcome);
    }

    fn answer_unless_locked(self, recording: Option<Recording>) -> Option<Self> {
        match recording {
            Some(recording) => self.answer(Ok(recording)),
            None => return Some(self),
        }
        None
    }
}

/// Write exchanges, on another connection if the first leads to a server that was demoted.
async fn write_on_primary(
    pools: &Pools,
    exchanges: &[&Exchange],
) -> Result<Vec<Option<Recording>>, StorageError> {
    loop {
        let mut session = pools.session(Purpose::Messages).await?;
        let outcome = write(&mut session, exchanges).await;
        match session.end(outcome).await {
            Err(StorageError::Database(error)) if is_demoted(&error) => sleep(DEMOTED_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// What became of each exchange; nothing for one whose chat is locked.
async fn write(
    session: &mut Session,
    exchanges: &[&Exchange],
) -> Result<Vec<Option<Recording>>, sqlx::Error> {
    let column = |value: for<'a> fn(&'a Exchange) -> &'a str| -> Vec<&str> {
        exchanges.iter().map(|&exchange| value(exchange)).collect()
    };
    let chats: Vec<_> = exchanges.iter().map(|exchange| exchange.chat).collect();
    let keys: Vec<_> = exchanges.iter().map(|exchange| exchange.key).collect();
    let rows = session
        .query(ADD_EXCHANGES)
        .bind(&chats)
        .bind(column(|exchange| &exchange.said))
        .bind(column(|exchange| &exchange.reply))
        .bind(&keys)
        .fetch_all(session.connection()?)
        .await?;
    let written = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<HashSet<Uuid>, _>>()?;
    let mut recordings: Vec<_> = chats
        .iter()
        .map(|chat| written.contains(chat).then_some(Recording::Done))
        .collect();
    if written.len() < exchanges.len() {
        look_up(session, exchanges, &mut recordings).await?;
    }
    Ok(recordings)
}

async fn look_up(
    session: &mut Session,
    exchanges: &[&Exchange],
    recordings: &mut [Option<Recording>],
) -> Result<(), sqlx::Error> {
    let open = || {
        exchanges
            .iter()
            .zip(recordings.iter())
            .filter(|(_, it)| it.is_none())
    };
    let chats: Vec<_> = open().map(|(exchange, _)| exchange.chat).collect();
    let keys: Vec<_> = open().map(|(exchange, _)| exchange.key).collect();
    let rows = session
        .query(LOOK_UP)
        .bind(&chats)
        .bind(&keys)
        .fetch_all(session.connection()?)
        .await?;
    for row in rows {
        let chat: Uuid = row.try_get("chat_id")?;
        let is_known: bool = row.try_get("is_known")?;
        let before: Option<String> = row.try_get("said")?;
        let reply: Option<String> = row.try_get("reply")?;
        for (exchange, recording) in exchanges.iter().zip(recordings.iter_mut()) {
            if exchange.chat == chat {
                *recording = match (is_known, before.as_ref(), reply.as_ref()) {
                    (false, ..) => Some(Recording::UnknownChat),
                    (true, Some(said), _) if *said != exchange.said => Some(Recording::OtherText),
                    (true, Some(_), Some(reply)) => Some(Recording::Before(reply.clone())),
                    _ => None,
                };
            }
        }
    }
    Ok(())
}

/// Whether PostgreSQL refused what was to be written, and not because of its own state: then one exchange is the cause.
fn is_about_data(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error)
        if error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")))
}
