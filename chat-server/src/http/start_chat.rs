//! `POST /start_chat`: a new chat and the bot's first words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ApiError, Problem};
use super::rate_limit::Permit;
use crate::reply;
use crate::telemetry::metrics;

/// A new chat
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"chat_id": "6f0d4f0e-6a3c-4c0b-9a57-0f8c4c6d1f3e", "reply": "Welcome!"}))]
pub(super) struct Started {
    /// Names the chat. Who knows it can read the chat, write to it and delete it.
    chat_id: Uuid,
    /// The bot's greeting
    reply: String,
}

/// Start a chat
///
/// The bot greets, which is the first message of the chat.
#[utoipa::path(
    post,
    path = "/start_chat",
    tag = "chat",
    responses(
        (status = 200, description = "The new chat", body = Started, links(
            ("transcript" = (operation_id = "transcript", parameters(("chat_id" = "$response.body#/chat_id")))),
            ("delete" = (operation_id = "delete_chat", parameters(("chat_id" = "$response.body#/chat_id")))),
        )),
        (status = 429, description = "Too many requests of this client", body = Problem),
        (status = 503, description = "The database isn't available", body = Problem),
    )
)]
pub(super) async fn start_chat(
    _: Permit,
    State(app): State<Arc<App>>,
) -> Result<Json<Started>, ApiError> {
    let content = app.content.load_full();
    let greeting = reply::greet(&content, &mut rand::rng());
    let chat_id = app.storage.start_chat(greeting.text).await?;
    metrics::reply_recorded(greeting.kind);
    Ok(Json(Started {
        chat_id,
        reply: greeting.text.to_owned(),
    }))
}
