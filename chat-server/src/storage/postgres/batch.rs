//! Messages written together: requests that come at the same time share a transaction, and each is answered after its
//! commit. Nothing waits for a batch to fill: a writer that is free takes what has queued up meanwhile.
//!
//! One request can't fail or delay another's. A batch never waits for the lock on a chat: an exchange whose chat is locked
//! by somebody else queues up again. A batch whose data PostgreSQL refused is halved until the cause is alone. A chat is
//! in one batch at a time, so that no batch is locked out by another one.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use super::super::{Exchange, OPERATION_LIMIT, Recording, StorageError};
use super::connect::try_again;
use super::exchanges::{is_about_data, write};
use super::pool::{Pools, Purpose, WRITERS};

/// The most exchanges in one transaction: beyond it the gain is small, and the wait of the first grows.
const MAX_BATCH: usize = 256;
/// Exchanges that may queue up. More than that isn't written within the limit of a request.
const MAX_QUEUE: usize = 20_000;
/// How long an exchange whose chat is locked is put aside.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

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
    let deadline = Instant::now() + OPERATION_LIMIT;
    loop {
        let mut session = pools.session(Purpose::Messages).await?;
        let outcome = write(&mut session, exchanges).await;
        let outcome = session.end(outcome).await;
        if !try_again(&outcome, deadline).await {
            return outcome;
        }
    }
}
