//! `POST /message`: what a person says, and the bot's answer. Both are recorded before the answer is given.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ApiError, Problem};
use super::idempotency_key::IdempotencyKey;
use super::json::ApiJson;
use super::rate_limit::Permit;
use crate::message::MessageText;
use crate::reply;
use crate::storage::{Exchange, Recording};
use crate::telemetry::metrics;

/// What a person says. Fields that aren't listed here are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with chat_id and text")]
#[schema(example = json!({"chat_id": "6f0d4f0e-6a3c-4c0b-9a57-0f8c4c6d1f3e", "text": "Hello"}))]
pub(super) struct Said {
    /// The chat, as `POST /start_chat` named it
    chat_id: Uuid,
    /// The words: 1 to 4000 characters after white space at both ends is taken away
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\u0000]*[^\u0000\s][^\u0000]*$"
    )]
    text: String,
}

/// The bot's answer
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"reply": "Hello yourself!"}))]
pub(super) struct Answered {
    /// What the bot says
    reply: String,
}

/// Say something
///
/// The bot answers. Both are in the transcript, question above answer, before this answers; after an error that isn't
/// 503 or a broken connection, neither is.
#[utoipa::path(
    post,
    path = "/message",
    tag = "chat",
    params(IdempotencyKey),
    request_body = Said,
    responses(
        (status = 200, description = "The bot's answer", body = Answered),
        (status = 404, description = "There is no such chat", body = Problem),
        (status = 408, description = "The body didn't arrive within 10 seconds", body = Problem),
        (status = 409, description = "The Idempotency-Key was sent with another text before", body = Problem),
        (status = 413, description = "The body is larger than 64 KiB", body = Problem),
        (status = 422, description = "The body isn't as it has to be; the detail names the field", body = Problem),
        (status = 429, description = "Too many requests of this client", body = Problem),
        (status = 503, description = "The database isn't available; whether the message was recorded isn't known", body = Problem),
    )
)]
pub(super) async fn message(
    _: Permit,
    State(app): State<Arc<App>>,
    key: Result<IdempotencyKey, ApiError>,
    ApiJson(said): ApiJson<Said>,
) -> Result<Json<Answered>, ApiError> {
    // Only now: a refusal before the body is read would end the connection.
    let IdempotencyKey(key) = key?;
    let text = MessageText::new(&said.text)?;
    let content = app.content.load();
    let reply = reply::reply(&content, text.as_str(), &mut rand::rng());
    let (reply, kind) = (reply.text.to_owned(), reply.kind);
    drop(content);
    let exchange = Exchange {
        chat: said.chat_id,
        said: text.into_string(),
        reply: reply.clone(),
        key,
    };
    match app.storage.add_exchange(exchange).await? {
        Recording::Done => {
            metrics::reply_recorded(kind);
            Ok(Json(Answered { reply }))
        }
        Recording::Before(reply) => Ok(Json(Answered { reply })),
        Recording::OtherText => Err(ApiError::KeyInUse),
        Recording::UnknownChat => Err(ApiError::UnknownChat),
    }
}
