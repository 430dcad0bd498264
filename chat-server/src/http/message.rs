//! `POST /message`: what a person says, and the bot's answer. Both are recorded before the answer is given.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::App;
use super::error::ApiError;
use super::json::ApiJson;
use crate::message::MessageText;
use crate::reply;

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
    ApiJson(said): ApiJson<Said>,
) -> Result<Json<Answered>, ApiError> {
    let text = MessageText::new(&said.text)?;
    let reply = reply::reply(&app.content.load(), text.as_str(), &mut rand::rng()).to_owned();
    app.storage
        .add_exchange(said.chat_id, text.as_str(), &reply)
        .await?;
    Ok(Json(Answered { reply }))
}
