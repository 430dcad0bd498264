//! What a transcript must be after a load: every acknowledged message exactly once and in the order in which it was
//! sent, every other one at most once, nothing that nobody sent, and a reply to each. Pure.

use std::{collections::HashMap, fmt};

use crate::chat::{Message, Sender};

/// A message that a client has sent, with a text that no other message has.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What was sent.
    pub text: String,
    /// Whether the chat said that it has it.
    pub acknowledged: bool,
}

/// What is wrong with a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Acknowledged, but not there.
    Lost(String),
    /// There more than once.
    Doubled(String, usize),
    /// Acknowledged after the second, but there before it.
    OutOfOrder(String, String),
    /// There, but never sent.
    Unknown(String),
    /// The numbers of messages and of replies (less the greeting) differ.
    Unanswered(usize, usize),
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(text) => write!(out, "lost: {text:?} was acknowledged and is not there"),
            Self::Doubled(text, times) => write!(out, "doubled: {text:?} is there {times} times"),
            Self::OutOfOrder(later, earlier) => {
                write!(out, "out of order: {later:?} is before {earlier:?}")
            }
            Self::Unknown(text) => write!(out, "unknown: nobody sent {text:?}"),
            Self::Unanswered(messages, replies) => {
                write!(out, "unanswered: {messages} messages, {replies} replies")
            }
        }
    }
}

/// Compares what one client sent, in that order, with the transcript of its chat.
#[must_use]
pub fn findings(sent: &[Sent], transcript: &[Message]) -> Vec<Finding> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, message) in transcript
        .iter()
        .enumerate()
        .filter(|(_, message)| message.sender == Sender::User)
    {
        places.entry(&message.text).or_default().push(place);
    }
    let messages = places.values().map(Vec::len).sum();
    let replies = transcript.len().saturating_sub(messages + 1);

    let mut findings = Vec::new();
    let mut previous: Option<(usize, &str)> = None;
    for Sent { text, acknowledged } in sent {
        match places.remove(text.as_str()).as_deref() {
            None if *acknowledged => findings.push(Finding::Lost(text.clone())),
            Some(&[place]) if *acknowledged => {
                if let Some((before, earlier)) = previous
                    && place < before
                {
                    findings.push(Finding::OutOfOrder(text.clone(), earlier.to_owned()));
                }
                previous = Some((place, text));
            }
            // One that was not acknowledged may be missing, or arrive late.
            None | Some([_]) => {}
            Some(several) => findings.push(Finding::Doubled(text.clone(), several.len())),
        }
    }
    findings.extend(
        places
            .into_keys()
            .map(|text| Finding::Unknown(text.to_owned())),
    );
    if messages != replies {
        findings.push(Finding::Unanswered(messages, replies));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str, acknowledged: bool) -> Sent {
        Sent {
            text: text.to_owned(),
            acknowledged,
        }
    }

    /// A transcript of these messages, each with its reply.
    fn transcript(texts: &[&str]) -> Vec<Message> {
        let line = |sender, text: &str| Message {
            sender,
            text: text.to_owned(),
        };
        let exchanges = texts
            .iter()
            .flat_map(|text| [line(Sender::User, text), line(Sender::Bot, "reply")]);
        std::iter::once(line(Sender::Bot, "greeting"))
            .chain(exchanges)
            .collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_full_transcript() {
        let all = [
            sent("a", true),
            sent("b", false),
            sent("c", true),
            sent("d", false),
        ];
        assert_eq!(findings(&all, &transcript(&["a", "c", "b"])), []);
    }

    #[test]
    fn a_lost_message_is_found() {
        let all = [sent("a", true), sent("b", true)];
        assert_eq!(
            findings(&all, &transcript(&["b"])),
            [Finding::Lost("a".into())]
        );
        assert_eq!(
            findings(&all[..1], &transcript(&[])),
            [Finding::Lost("a".into())]
        );
    }

    #[test]
    fn a_doubled_message_is_found_acknowledged_or_not() {
        let all = [sent("a", true), sent("b", false)];
        let expected = [
            Finding::Doubled("a".into(), 2),
            Finding::Doubled("b".into(), 2),
        ];
        assert_eq!(findings(&all, &transcript(&["a", "a", "b", "b"])), expected);
    }

    #[test]
    fn a_wrong_order_is_found() {
        let all = [sent("a", true), sent("b", true)];
        assert_eq!(
            findings(&all, &transcript(&["b", "a"])),
            [Finding::OutOfOrder("b".into(), "a".into())]
        );
    }

    #[test]
    fn a_message_of_nobody_is_found() {
        assert_eq!(
            findings(&[], &transcript(&["x"])),
            [Finding::Unknown("x".into())]
        );
    }

    #[test]
    fn a_missing_reply_is_found() {
        let mut shorter = transcript(&["a", "b"]);
        shorter.pop();
        assert_eq!(
            findings(&[sent("a", true), sent("b", true)], &shorter),
            [Finding::Unanswered(2, 1)]
        );
    }
}
