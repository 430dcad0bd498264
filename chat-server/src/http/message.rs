//! `POST /message`: what a person says, and the bot's answer. Both are recorded before the answer is given.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::App;
use super::error::ApiError;
use super::idempotency_key::IdempotencyKey;
use super::json::ApiJson;
use crate::message::MessageText;
use crate::reply;
use crate::storage::{Exchange, Recording};
use crate::telemetry::metrics;

#[derive(Deserialize)]
#[serde(expecting = "an object with chat_id and text")]
pub(super) struct Said {
    chat_id: Uuid,
    text: String,
}

#[derive(Serialize)]
pub(super) struct Answered {
    reply: String,
}

pub(super) async fn message(
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
        Recording::OtherText => Err(ApiError::Invalid(
            "the header Idempotency-Key was sent with another text before: each message needs a key of its own".to_owned(),
        )),
        Recording::UnknownChat => Err(ApiError::UnknownChat),
    }
}
