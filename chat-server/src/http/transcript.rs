//! `GET /transcript/{chat_id}`: all messages of a chat, in order. `DELETE`: the chat and all its messages are gone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Serialize, Serializer};
use time::{OffsetDateTime, UtcOffset};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use uuid::Uuid;

use super::App;
use super::error::{ApiError, Problem};
use super::rate_limit::Permit;
use crate::storage::Recorded;

const SECONDS: usize = "2026-02-28 22:30:05".len();
const MICROS: usize = "2026-02-28T22:30:05.123456Z".len();

/// All that was said in a chat
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"messages": [{
    "id": 1,
    "time": "2026-02-28 22:30:05",
    "timestamp": "2026-02-28T22:30:05.123456Z",
    "sender": "BOT",
    "text": "Welcome!",
}]}))]
pub(super) struct Transcript {
    /// The first message first
    messages: Vec<Message>,
}

/// Something that was said
#[derive(Serialize, ToSchema)]
struct Message {
    /// Names the message; later messages have higher ones
    id: i64,
    /// When it was recorded, in UTC
    #[schema(value_type = String, pattern = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$")]
    time: Seconds,
    /// The same, in RFC 3339 and with a fraction
    #[schema(value_type = String, format = DateTime, pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$")]
    timestamp: Micros,
    /// Who said it
    #[schema(schema_with = senders)]
    sender: &'static str,
    /// The words
    text: String,
}

fn senders() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Who said it"))
        .enum_values(Some(["USER", "BOT"]))
        .build()
}

/// The chat that a path names.
pub(super) struct ChatId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ChatId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(chat)) => Ok(Self(chat)),
            // What isn't a UUID can't be the name of a chat.
            Err(_) => Err(ApiError::UnknownChat),
        }
    }
}

/// Read a chat
///
/// All messages in the order in which they were recorded.
#[utoipa::path(
    get,
    path = "/transcript/{chat_id}",
    tag = "chat",
    params(("chat_id" = Uuid, Path, description = "The chat, as `POST /start_chat` named it")),
    responses(
        (status = 200, description = "All messages", body = Transcript),
        (status = 404, description = "There is no such chat", body = Problem),
        (status = 429, description = "Too many requests of this client", body = Problem),
        (status = 503, description = "The database isn't available", body = Problem),
    )
)]
pub(super) async fn transcript(
    _: Permit,
    State(app): State<Arc<App>>,
    ChatId(chat): ChatId,
) -> Result<Json<Transcript>, ApiError> {
    let recorded = app.storage.transcript(chat).await?;
    let messages = recorded.into_iter().map(Message::from).collect();
    Ok(Json(Transcript { messages }))
}

/// Delete a chat
///
/// The chat and all its messages are gone for good.
#[utoipa::path(
    delete,
    path = "/transcript/{chat_id}",
    tag = "chat",
    params(("chat_id" = Uuid, Path, description = "The chat, as `POST /start_chat` named it")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such chat", body = Problem),
        (status = 429, description = "Too many requests of this client", body = Problem),
        (status = 503, description = "The database isn't available; whether the chat is gone isn't known", body = Problem),
    )
)]
pub(super) async fn delete_chat(
    _: Permit,
    State(app): State<Arc<App>>,
    ChatId(chat): ChatId,
) -> Result<StatusCode, ApiError> {
    app.storage.delete_chat(chat).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Recorded> for Message {
    fn from(recorded: Recorded) -> Self {
        Self {
            id: recorded.id,
            time: Seconds(recorded.sent_at),
            timestamp: Micros(recorded.sent_at),
            sender: recorded.sender.as_str(),
            text: recorded.body,
        }
    }
}

/// A moment in UTC as `2026-02-28 22:30:05`.
struct Seconds(OffsetDateTime);

/// A moment in UTC as `2026-02-28T22:30:05.123456Z`.
struct Micros(OffsetDateTime);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = digits(self.0, b' ');
        serializer.serialize_str(text(&digits[..SECONDS]))
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text(&digits(self.0, b'T')))
    }
}

/// A moment up to the microsecond, with this between date and time. Written by hand: a transcript has many, and a general
/// formatter takes most of the time that it costs.
fn digits(moment: OffsetDateTime, separator: u8) -> [u8; MICROS] {
    let moment = moment.to_offset(UtcOffset::UTC);
    let ((year, month, day), (hour, minute, second, micros)) = (
        moment.date().to_calendar_date(),
        moment.time().as_hms_micro(),
    );
    let mut text = *b"YYYY-MM-DD HH:MM:SS.ffffffZ";
    text[10] = separator;
    for (place, length, number) in [
        (0, 4, year.unsigned_abs()),
        (5, 2, u8::from(month).into()),
        (8, 2, day.into()),
        (11, 2, hour.into()),
        (14, 2, minute.into()),
        (17, 2, second.into()),
        (20, 6, micros),
    ] {
        let mut rest = number;
        for digit in text[place..place + length].iter_mut().rev() {
            // Below 10.
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    text
}

/// Digits are text.
fn text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn json(value: impl Serialize) -> String {
        serde_json::to_string(&value).expect("JSON")
    }

    #[test]
    fn times_are_utc_and_the_timestamp_has_the_fraction() {
        let moment = datetime!(2026-03-01 00:30:05.123456 +02:00);
        assert_eq!(json(Seconds(moment)), r#""2026-02-28 22:30:05""#);
        assert_eq!(json(Micros(moment)), r#""2026-02-28T22:30:05.123456Z""#);
        for (moment, expected) in [
            (
                datetime!(2026-03-01 00:30:05 UTC),
                "2026-03-01T00:30:05.000000Z",
            ),
            (
                datetime!(0907-11-30 19:08:59.000100 UTC),
                "0907-11-30T19:08:59.000100Z",
            ),
        ] {
            assert_eq!(json(Micros(moment)), format!("{expected:?}"));
        }
    }
}
