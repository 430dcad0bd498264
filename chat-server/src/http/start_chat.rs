//! `POST /start_chat`: a new chat and the bot's first words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::App;
use super::error::ApiError;
use crate::reply;
use crate::telemetry::metrics;

#[derive(Serialize)]
pub(super) struct Started {
    chat_id: Uuid,
    reply: String,
}

pub(super) async fn start_chat(State(app): State<Arc<App>>) -> Result<Json<Started>, ApiError> {
    let content = app.content.load_full();
    let greeting = reply::greet(&content, &mut rand::rng());
    let chat_id = app.storage.start_chat(greeting.text).await?;
    metrics::reply_recorded(greeting.kind);
    Ok(Json(Started {
        chat_id,
        reply: greeting.text.to_owned(),
    }))
}
