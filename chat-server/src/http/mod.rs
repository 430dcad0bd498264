//! The HTTP API: which paths there are and what holds for all of them. Each endpoint is a file of its own; a new one is
//! a file and a line in [`router`].

mod error;
mod health;
mod idempotency_key;
mod json;
mod message;
mod metrics;
mod observe;
mod request_id;
mod start_chat;
mod transcript;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{any, get, post};
use tower_http::services::ServeDir;

use self::error::ApiError;
pub(crate) use self::health::Lifecycle;
use crate::content::Content;
use crate::storage::Storage;

const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the endpoints share.
pub(crate) struct App {
    /// The content in force, see [`crate::content::watch`].
    pub(crate) content: ArcSwap<Content>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) storage: Storage,
}

/// The API, and below it the built page if there is one.
pub(crate) fn router(app: Arc<App>, static_dir: Option<&Path>) -> Router {
    let api = Router::new()
        .route("/start_chat", post(start_chat::start_chat))
        .route("/message", post(message::message))
        .route("/transcript/{chat_id}", get(transcript::transcript))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(app);
    let not_found = any(async || ApiError::NoSuchPath);
    let router = match static_dir {
        Some(directory) => api.fallback_service(
            ServeDir::new(directory)
                .call_fallback_on_method_not_allowed(true)
                .fallback(not_found),
        ),
        None => api.fallback_service(not_found),
    };
    router
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(observe::observe))
}
