//! Transcripts read together: chats that are asked for at the same time share a query, which costs PostgreSQL half of what
//! a query for each does. Nothing waits for a query to fill: a reader that is free takes what has queued up meanwhile.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::super::{OPERATION_LIMIT, Recorded, StorageError, UnknownSender};
use super::pool::{Pools, Purpose};
use super::session::Session;

/// Queries that run at the same time: with one more reader, each has less to share; with one reader, a long transcript
/// would keep everybody waiting.
const READERS: usize = 2;
/// The most chats in one query: an answer is there only when all of its query are.
const MAX_CHATS: usize = 32;
/// Requests that may queue up. More than that isn't read within the limit of a request.
const MAX_QUEUE: usize = 20_000;

/// The messages of each chat in their order, below the chat's place in the question.
const TRANSCRIPTS: &str = "
    SELECT place, message.*
    FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (chat, place)
    CROSS JOIN LATERAL (
        SELECT id, sent_at, sender, body FROM messages WHERE chat_id = asked.chat ORDER BY id
    ) AS message";

const KNOWN_CHATS: &str = "SELECT id FROM chats WHERE id = ANY ($1)";

/// A chat's messages, or nothing if there is no such chat.
type Transcript = Option<Vec<Recorded>>;
type Outcome = Result<Transcript, StorageError>;

/// Takes questions for transcripts and sees to it that each is answered.
pub(super) struct Transcripts {
    queue: Arc<Queue>,
    pools: Arc<Pools>,
    started: std::sync::Once,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<Question>>,
    /// Tells a reader that there may be something to do.
    filled: Notify,
}

struct Question {
    chat: Uuid,
    answer: oneshot::Sender<Outcome>,
}

impl Transcripts {
    pub(super) fn new(pools: Arc<Pools>) -> Self {
        Self {
            queue: Arc::default(),
            pools,
            started: std::sync::Once::new(),
        }
    }

    /// Read a chat with others. Given up when the future is dropped, unless it is being read already.
    pub(super) async fn read(&self, chat: Uuid) -> Outcome {
        self.started.call_once(|| self.start());
        let (answer, answered) = oneshot::channel();
        self.queue.push(Question { chat, answer })?;
        answered.await.unwrap_or(Err(StorageError::TooSlow))
    }

    fn start(&self) {
        for _ in 0..READERS {
            tokio::spawn(read_for_ever(self.queue.clone(), self.pools.clone()));
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Question>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, question: Question) -> Result<(), StorageError> {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_QUEUE {
            return Err(StorageError::TooMany);
        }
        waiting.push_back(question);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// What has queued up, without those whose client has left.
    async fn take(&self) -> Vec<Question> {
        loop {
            let (questions, is_rest) = self.take_present();
            if is_rest {
                self.filled.notify_one();
            }
            if !questions.is_empty() {
                return questions;
            }
            self.filled.notified().await;
        }
    }

    fn take_present(&self) -> (Vec<Question>, bool) {
        let mut waiting = self.waiting();
        let mut questions = Vec::new();
        while questions.len() < MAX_CHATS
            && let Some(question) = waiting.pop_front()
        {
            if !question.answer.is_closed() {
                questions.push(question);
            }
        }
        (questions, !waiting.is_empty())
    }
}

/// What one reader does for as long as the process lives.
async fn read_for_ever(queue: Arc<Queue>, pools: Arc<Pools>) {
    loop {
        let questions = queue.take().await;
        let chats: Vec<_> = questions.iter().map(|question| question.chat).collect();
        let read = timeout(OPERATION_LIMIT, read(&pools, &chats))
            .await
            .unwrap_or(Err(StorageError::TooSlow));
        let mut transcripts = read.map(Vec::into_iter);
        for question in questions {
            let outcome = match &mut transcripts {
                Ok(transcripts) => Ok(transcripts.next().flatten()),
                Err(error) => Err(error.clone()),
            };
            // The client may have left.
            let _ = question.answer.send(outcome);
        }
    }
}

async fn read(pools: &Pools, chats: &[Uuid]) -> Result<Vec<Transcript>, StorageError> {
    let mut session = pools.session(Purpose::Other).await?;
    let transcripts = select(&mut session, chats).await;
    session.end(transcripts).await
}

async fn select(session: &mut Session, chats: &[Uuid]) -> Result<Vec<Transcript>, sqlx::Error> {
    let rows = session
        .query(TRANSCRIPTS)
        .bind(chats)
        .fetch_all(session.connection()?)
        .await?;
    let mut transcripts: Vec<Vec<Recorded>> = chats.iter().map(|_| Vec::new()).collect();
    for row in &rows {
        let place: i64 = row.try_get(0)?;
        let place = usize::try_from(place - 1).ok();
        if let Some(messages) = place.and_then(|place| transcripts.get_mut(place)) {
            messages.push(recorded(row)?);
        }
    }
    let silent: Vec<Uuid> = chats
        .iter()
        .zip(&transcripts)
        .filter(|(_, messages)| messages.is_empty())
        .map(|(chat, _)| *chat)
        .collect();
    let known = known(session, &silent).await?;
    let exists = |chat: &Uuid, messages: &[Recorded]| !messages.is_empty() || known.contains(chat);
    Ok(chats
        .iter()
        .zip(transcripts)
        .map(|(chat, messages)| exists(chat, &messages).then_some(messages))
        .collect())
}

/// By place: to look up names would take as long as all the rest.
fn recorded(row: &PgRow) -> Result<Recorded, sqlx::Error> {
    Ok(Recorded {
        id: row.try_get(1)?,
        sent_at: row.try_get(2)?,
        sender: row.try_get::<&str, _>(3)?.try_into().map_err(decode)?,
        body: row.try_get(4)?,
    })
}

fn decode(error: UnknownSender) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// Those of the chats that there are.
async fn known(session: &mut Session, chats: &[Uuid]) -> Result<HashSet<Uuid>, sqlx::Error> {
    if chats.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = session
        .query(KNOWN_CHATS)
        .bind(chats)
        .fetch_all(session.connection()?)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
