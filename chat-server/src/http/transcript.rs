//! `GET /transcript/{chat_id}`: all messages of a chat, in order.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::App;
use super::error::ApiError;
use crate::storage::Recorded;

/// The form of `time`, always UTC.
const SECONDS: StaticFormatDescription =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// The form of `timestamp`, RFC 3339, always UTC and with all digits that a database keeps.
const MICROSECONDS: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

#[derive(Serialize)]
pub(super) struct Transcript {
    messages: Vec<Message>,
}

#[derive(Serialize)]
struct Message {
    id: i64,
    time: String,
    timestamp: String,
    sender: String,
    text: String,
}

pub(super) async fn transcript(
    State(app): State<Arc<App>>,
    chat_id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Transcript>, ApiError> {
    // What isn't a UUID can't be the name of a chat.
    let Path(chat_id) = chat_id.map_err(|_| ApiError::UnknownChat)?;
    let recorded = app.storage.transcript(chat_id).await?;
    let messages = recorded.into_iter().map(Message::from).collect();
    Ok(Json(Transcript { messages }))
}

impl From<Recorded> for Message {
    fn from(recorded: Recorded) -> Self {
        let (time, timestamp) = times(recorded.sent_at);
        Self {
            id: recorded.id,
            time,
            timestamp,
            sender: recorded.sender,
            text: recorded.body,
        }
    }
}

/// A moment in both forms.
fn times(moment: OffsetDateTime) -> (String, String) {
    let moment = moment.to_offset(UtcOffset::UTC);
    // Formatting fails only for years beyond 9999, which the clock of a database doesn't have.
    (
        moment.format(SECONDS).unwrap_or_default(),
        moment.format(MICROSECONDS).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_utc_and_the_timestamp_has_the_fraction() {
        assert_eq!(
            times(datetime!(2026-03-01 00:30:05.123456 +02:00)),
            (
                "2026-02-28 22:30:05".to_owned(),
                "2026-02-28T22:30:05.123456Z".to_owned()
            )
        );
        assert_eq!(
            times(datetime!(2026-03-01 00:30:05 UTC)).1,
            "2026-03-01T00:30:05.000000Z"
        );
    }
}
