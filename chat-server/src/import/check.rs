//! Which rows of the prototype's file can be taken, and what becomes of them. Pure. Refused is what the database can't
//! keep or what would mean nothing; a text that is blank or longer than the server takes today was said all the same.

use rusqlite::types::ValueRef;
use uuid::{Uuid, uuid};

use super::moment::{self, RefusedMoment};
use crate::storage::Sender;

/// The namespace of chats whose names aren't UUIDs: the same name is the same chat in every import. Never changes.
const CHAT_NAMES: Uuid = uuid!("6b1d1b0e-52f4-4f4e-9d0c-3d6f0f0c6a57");

/// The bits of an import key that hold the row.
pub(crate) const ROW_BITS: u32 = 40;
const LAST_ROW: i64 = (1 << ROW_BITS) - 1;

/// The most characters of a sender that a refusal repeats.
const SHOWN: usize = 20;

/// A row as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) id: i64,
    pub(crate) chat_id: ValueRef<'a>,
    pub(crate) time: ValueRef<'a>,
    pub(crate) sender: ValueRef<'a>,
    pub(crate) text: ValueRef<'a>,
}

/// A row that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) row: i64,
    pub(crate) chat: Uuid,
    /// Whether the file names the chat by something that isn't a UUID.
    pub(crate) is_mapped: bool,
    /// Microseconds since 1970.
    pub(crate) sent_at: i64,
    pub(crate) sender: Sender,
    pub(crate) body: &'a str,
}

/// Why a row can't be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("its number is outside of 1 to {LAST_ROW}")]
    RowNumber,
    #[error("{0} is NULL")]
    Null(&'static str),
    #[error("{0} is a {1}, must be a text")]
    NotText(&'static str, &'static str),
    #[error("{0} is not valid UTF-8")]
    NotUtf8(&'static str),
    #[error("{0} contains the character U+0000, which PostgreSQL can't keep")]
    Nul(&'static str),
    #[error("chat_id is blank")]
    BlankChat,
    #[error("time {0}")]
    Time(#[from] RefusedMoment),
    #[error("sender is {0:?}, must be USER or BOT")]
    Sender(String),
}

/// Check a row.
pub(crate) fn check<'a>(row: &Row<'a>) -> Result<Message<'a>, Refusal> {
    if !(1..=LAST_ROW).contains(&row.id) {
        return Err(Refusal::RowNumber);
    }
    let (chat, is_mapped) = chat(row.chat_id)?;
    if matches!(row.time, ValueRef::Null) {
        return Err(Refusal::Null("time"));
    }
    let sent_at = moment::of_value(row.time)?;
    let sender = text("sender", row.sender)?;
    let sender = Sender::try_from(sender)
        .map_err(|_| Refusal::Sender(sender.chars().take(SHOWN).collect()))?;
    let body = text("text", row.text)?;
    if body.as_bytes().contains(&0) {
        return Err(Refusal::Nul("text"));
    }
    Ok(Message {
        row: row.id,
        chat,
        is_mapped,
        sent_at,
        sender,
        body,
    })
}

/// The chat that a value of `chat_id` names, and whether by something that isn't a UUID. SQLite keeps what looks like a
/// number as one if the column has no type, so a number is as good as its digits.
pub(crate) fn chat(value: ValueRef<'_>) -> Result<(Uuid, bool), Refusal> {
    let digits;
    let name = match value {
        ValueRef::Integer(number) => {
            digits = number.to_string();
            &digits
        }
        value => text("chat_id", value)?,
    };
    if let Ok(chat) = Uuid::try_parse(name) {
        return Ok((chat, false));
    }
    if name.trim().is_empty() {
        return Err(Refusal::BlankChat);
    }
    Ok((Uuid::new_v5(&CHAT_NAMES, name.as_bytes()), true))
}

fn text<'a>(column: &'static str, value: ValueRef<'a>) -> Result<&'a str, Refusal> {
    match value {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8(column)),
        ValueRef::Null => Err(Refusal::Null(column)),
        ValueRef::Integer(_) | ValueRef::Real(_) => Err(Refusal::NotText(column, "number")),
        ValueRef::Blob(_) => Err(Refusal::NotText(column, "blob")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "0b5c1f5e-8b0f-4a53-8f5a-0e4c9a6a1c11";

    fn row(text: &str) -> Row<'_> {
        Row {
            id: 17,
            chat_id: ValueRef::Text(CHAT.as_bytes()),
            time: ValueRef::Integer(5),
            sender: ValueRef::Text(b"USER"),
            text: ValueRef::Text(text.as_bytes()),
        }
    }

    fn refusal(row: &Row<'_>) -> String {
        check(row).expect_err("refused").to_string()
    }

    fn named(name: &str) -> Result<(Uuid, bool), Refusal> {
        chat(ValueRef::Text(name.as_bytes()))
    }

    #[test]
    fn a_good_row_is_taken_with_its_text_as_it_is() {
        let message = check(&row(" Hi! ")).expect("taken");
        assert_eq!(message.chat.to_string(), CHAT);
        assert_eq!((message.row, message.sent_at), (17, 5_000_000));
        assert_eq!((message.sender, message.body), (Sender::User, " Hi! "));
        assert!(!message.is_mapped);
    }

    #[test]
    fn blank_and_very_long_texts_were_said_all_the_same() {
        assert_eq!(check(&row("")).expect("taken").body, "");
        assert!(check(&row(&"x".repeat(100_000))).is_ok());
    }

    #[test]
    fn every_column_must_be_there() {
        let (row, null) = (row("hi"), ValueRef::Null);
        assert_eq!(
            refusal(&Row {
                chat_id: null,
                ..row
            }),
            "chat_id is NULL"
        );
        assert_eq!(refusal(&Row { time: null, ..row }), "time is NULL");
        assert_eq!(
            refusal(&Row {
                sender: null,
                ..row
            }),
            "sender is NULL"
        );
        assert_eq!(refusal(&Row { text: null, ..row }), "text is NULL");
    }

    #[test]
    fn texts_must_be_texts_in_utf_8_that_postgresql_can_keep() {
        let invalid = ValueRef::Text(b"\xff\xfe");
        let blob = ValueRef::Blob(b"hi");
        assert_eq!(
            refusal(&Row {
                text: invalid,
                ..row("")
            }),
            "text is not valid UTF-8"
        );
        assert_eq!(
            refusal(&Row {
                chat_id: invalid,
                ..row("")
            }),
            "chat_id is not valid UTF-8"
        );
        assert_eq!(
            refusal(&Row {
                sender: invalid,
                ..row("")
            }),
            "sender is not valid UTF-8"
        );
        assert_eq!(
            refusal(&Row {
                text: blob,
                ..row("")
            }),
            "text is a blob, must be a text"
        );
        assert_eq!(
            refusal(&Row {
                text: ValueRef::Integer(1),
                ..row("")
            }),
            "text is a number, must be a text"
        );
        assert_eq!(
            refusal(&Row {
                chat_id: ValueRef::Real(1.5),
                ..row("")
            }),
            "chat_id is a number, must be a text"
        );
        assert!(refusal(&row("a\0b")).starts_with("text contains the character U+0000"));
    }

    #[test]
    fn senders_are_user_and_bot_exactly() {
        for sender in ["ADMIN", "user", "BOT ", "", "US\nER"] {
            let row = Row {
                sender: ValueRef::Text(sender.as_bytes()),
                ..row("hi")
            };
            assert_eq!(
                refusal(&row),
                format!("sender is {sender:?}, must be USER or BOT")
            );
        }
        let long = "x".repeat(1000);
        let row = Row {
            sender: ValueRef::Text(long.as_bytes()),
            ..row("hi")
        };
        assert!(refusal(&row).len() < 80);
    }

    #[test]
    fn row_numbers_fit_into_an_import_key() {
        for id in [i64::MIN, -1, 0, LAST_ROW + 1, i64::MAX] {
            assert!(refusal(&Row { id, ..row("hi") }).starts_with("its number is outside"));
        }
        assert!(
            check(&Row {
                id: LAST_ROW,
                ..row("hi")
            })
            .is_ok()
        );
    }

    #[test]
    fn a_uuid_is_the_same_chat_in_every_spelling() {
        for spelling in [
            CHAT,
            &CHAT.to_uppercase(),
            &CHAT.replace('-', ""),
            &format!("{{{CHAT}}}"),
            &format!("urn:uuid:{CHAT}"),
        ] {
            assert_eq!(
                named(spelling).map(|(chat, mapped)| (chat.to_string(), mapped)),
                Ok((CHAT.to_owned(), false))
            );
        }
    }

    #[test]
    fn other_names_are_mapped_and_always_the_same_way() {
        let (chat_one, mapped) = named("chat-1").expect("mapped");
        assert!(mapped);
        assert_eq!(chat_one.to_string(), "3bce0ca7-a491-5b73-bd52-d02b29e2f110");
        assert_ne!(named("chat-2").expect("mapped").0, chat_one);
        assert_ne!(named("Chat-1").expect("mapped").0, chat_one);
        assert_eq!(named("42"), chat(ValueRef::Integer(42)));
        assert_eq!(named(" \t"), Err(Refusal::BlankChat));
    }
}
