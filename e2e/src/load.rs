//! Clients that send messages all the time, each with a text of its own and none of them twice, and write down which
//! were acknowledged. What happens to the chat meanwhile is the story's business, what must be left is `audit`'s.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use uuid::Uuid;

use crate::{
    audit::{self, Sent},
    chat::Chat,
    wait::{self, Seen},
};

/// Running clients. Dropping it stops them at once; `stop` lets them finish what they are sending.
#[derive(Debug)]
pub struct Load {
    chat: Chat,
    clients: JoinSet<Conversation>,
    meters: Vec<Arc<Mutex<Meter>>>,
    stop: watch::Sender<bool>,
}

/// What one client has sent.
#[derive(Debug)]
struct Conversation {
    chat_id: Uuid,
    /// In the order in which they were sent.
    sent: Vec<Sent>,
}

/// What came of a load, in numbers.
#[derive(Debug)]
pub struct Figures {
    /// From the first message to the last.
    pub lasted: Duration,
    /// Messages that the chat said it has.
    pub acknowledged: usize,
    /// All others, by what came instead.
    pub refused: BTreeMap<String, usize>,
    /// The first of the others: after how long, and what came.
    pub first_refusal: Option<(Duration, String)>,
    /// The longest time in which no client got an acknowledgement.
    pub longest_gap: Duration,
    /// The longest time in which some client got none.
    pub longest_gap_of_a_client: Duration,
}

/// What one client has seen so far.
#[derive(Debug, Default)]
struct Meter {
    acknowledged: Vec<Instant>,
    refused: BTreeMap<String, usize>,
    first_refusal: Option<(Instant, String)>,
}

impl Load {
    /// Begins a chat for each of `clients` clients, and from then on sends a message per `pace` and client, or fewer
    /// when the chat is slower than that.
    pub async fn start(chat: &Chat, clients: usize, pace: Duration) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut load = Self {
            chat: chat.clone(),
            clients: JoinSet::new(),
            meters: Vec::new(),
            stop,
        };
        for number in 0..clients {
            let chat_id = chat.start().await.context("begin a chat")?.chat_id;
            let meter = Arc::default();
            load.meters.push(Arc::clone(&meter));
            load.clients.spawn(converse(
                chat.clone(),
                chat_id,
                number,
                pace,
                meter,
                stopped.clone(),
            ));
        }
        Ok(load)
    }

    /// How many messages of each client were acknowledged until now.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<usize> {
        self.meters
            .iter()
            .map(|meter| lock(meter).acknowledged.len())
            .collect()
    }

    /// Waits until every client has got more acknowledgements than it has now.
    pub async fn goes_on(&self, within: Duration) -> Result<()> {
        const MORE: usize = 8;
        let before = self.acknowledged();
        wait::until("acknowledgements for every client", within, async || {
            let now = self.acknowledged();
            let more = before
                .iter()
                .zip(&now)
                .all(|(before, now)| *now >= before + MORE);
            Ok(Seen::when(more, || {
                format!("{before:?} were acknowledged before, now {now:?}")
            }))
        })
        .await
    }

    /// Lets every client finish what it is sending, and compares what they have sent with the transcripts.
    pub async fn nothing_is_lost(self) -> Result<Figures> {
        let chat = self.chat.clone();
        let (conversations, figures) = self.stop().await?;
        let mut wrong = Vec::new();
        for Conversation { chat_id, sent } in &conversations {
            let transcript = chat
                .transcript(*chat_id)
                .await
                .with_context(|| format!("transcript of {chat_id}"))?;
            let findings = audit::findings(sent, &transcript);
            wrong.extend(
                findings
                    .iter()
                    .map(|finding| format!("chat {chat_id}: {finding}")),
            );
        }
        ensure!(
            wrong.is_empty(),
            "{} things are wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        Ok(figures)
    }

    /// The same, and no request may have failed.
    pub async fn no_request_failed(self) -> Result<Figures> {
        let figures = self.nothing_is_lost().await?;
        ensure!(figures.refused.is_empty(), "requests failed: {figures}");
        Ok(figures)
    }

    /// Lets every client finish what it is sending, and says what came of it all.
    async fn stop(mut self) -> Result<(Vec<Conversation>, Figures)> {
        let began = self
            .meters
            .iter()
            .filter_map(|meter| lock(meter).acknowledged.first().copied())
            .min();
        self.stop.send_replace(true);
        let mut conversations = Vec::new();
        while let Some(conversation) = self.clients.join_next().await {
            conversations.push(conversation.context("a client of the load died")?);
        }
        let meters: Vec<_> = self.meters.iter().map(|meter| lock(meter)).collect();
        let began = began.context("no message was ever acknowledged")?;
        Ok((conversations, figures(&meters, began, Instant::now())))
    }
}

async fn converse(
    chat: Chat,
    chat_id: Uuid,
    number: usize,
    pace: Duration,
    meter: Arc<Mutex<Meter>>,
    stopped: watch::Receiver<bool>,
) -> Conversation {
    let mut sent = Vec::new();
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        ticks.tick().await;
        let text = format!("client {number} message {}", sent.len());
        let answer = chat.send(chat_id, &text).await;
        sent.push(Sent {
            text,
            acknowledged: answer.is_ok(),
        });
        let mut meter = lock(&meter);
        match answer {
            Ok(_) => meter.acknowledged.push(Instant::now()),
            Err(error) => {
                let kind = error.kind();
                let told = || (Instant::now(), format!("{:#}", anyhow::Error::new(error)));
                *meter.refused.entry(kind).or_default() += 1;
                meter.first_refusal.get_or_insert_with(told);
            }
        }
    }
    Conversation { chat_id, sent }
}

fn figures(meters: &[MutexGuard<'_, Meter>], began: Instant, ended: Instant) -> Figures {
    let mut refused = BTreeMap::new();
    for (kind, times) in meters.iter().flat_map(|meter| &meter.refused) {
        *refused.entry(kind.clone()).or_default() += times;
    }
    let first_refusal = meters
        .iter()
        .filter_map(|meter| meter.first_refusal.clone())
        .min();
    let mut all: Vec<Instant> = meters
        .iter()
        .flat_map(|meter| meter.acknowledged.iter().copied())
        .collect();
    all.sort();
    let of_a_client = meters
        .iter()
        .map(|meter| longest_gap(&meter.acknowledged, began, ended))
        .max();
    Figures {
        lasted: ended.duration_since(began),
        acknowledged: all.len(),
        refused,
        first_refusal: first_refusal
            .map(|(moment, told)| (moment.saturating_duration_since(began), told)),
        longest_gap: longest_gap(&all, began, ended),
        longest_gap_of_a_client: of_a_client.unwrap_or_default(),
    }
}

/// The longest time between two of these moments, which are in order, or between one of them and an end.
fn longest_gap(moments: &[Instant], began: Instant, ended: Instant) -> Duration {
    let from = std::iter::once(&began).chain(moments);
    let to = moments.iter().chain(std::iter::once(&ended));
    from.zip(to)
        .map(|(from, to)| to.saturating_duration_since(*from))
        .max()
        .unwrap_or_default()
}

/// A client that panicked is reported by `stop`; its numbers are still right.
fn lock(meter: &Mutex<Meter>) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        let kinds: Vec<_> = self
            .refused
            .iter()
            .map(|(kind, times)| format!("{kind}: {times}"))
            .collect();
        write!(
            out,
            "in {:.1} s {} messages acknowledged, {refused} refused ({}); \
             longest time without an acknowledgement {:.1} s, of one client {:.1} s",
            self.lasted.as_secs_f64(),
            self.acknowledged,
            if kinds.is_empty() {
                "-".to_owned()
            } else {
                kinds.join(", ")
            },
            self.longest_gap.as_secs_f64(),
            self.longest_gap_of_a_client.as_secs_f64(),
        )?;
        match &self.first_refusal {
            Some((after, told)) => write!(
                out,
                "; first refusal after {:.1} s: {told}",
                after.as_secs_f64()
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_may_be_at_either_end_or_between() {
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        let seconds = |moments: &[Instant], end| longest_gap(moments, began, at(end)).as_secs();
        assert_eq!(seconds(&[at(1), at(2), at(7), at(8)], 9), 5);
        assert_eq!(seconds(&[at(4), at(5)], 6), 4);
        assert_eq!(seconds(&[at(1), at(2)], 9), 7);
        assert_eq!(seconds(&[], 9), 9);
    }
}
