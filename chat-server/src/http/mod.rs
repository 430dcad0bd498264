//! The HTTP API: which paths there are and what holds for all of them. Each endpoint is a file of its own; a new one is
//! a file and a line in [`endpoints`].

mod client;
mod connections;
mod cors;
mod docs;
mod error;
mod headers;
mod health;
mod idempotency_key;
mod json;
mod message;
mod metrics;
mod observe;
mod openapi;
mod page;
mod patience;
mod rate_limit;
mod request_id;
mod start_chat;
mod transcript;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::client::TrustedProxies;
pub(crate) use self::connections::{listen, serve};
pub(crate) use self::cors::Origins;
use self::error::ApiError;
pub(crate) use self::health::Lifecycle;
pub(crate) use self::openapi::DOCUMENT;
pub(crate) use self::rate_limit::{RateLimit, sweep};
use crate::content::Content;
use crate::storage::Storage;

/// What the endpoints share.
pub(crate) struct App {
    /// The content in force, see [`crate::content::watch`].
    pub(crate) content: ArcSwap<Content>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) storage: Storage,
}

/// The API, each endpoint with its description.
fn endpoints() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(start_chat::start_chat))
        .routes(routes!(message::message))
        .routes(routes!(transcript::transcript, transcript::delete_chat))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::document))
}

/// The API, and below it the built page if there is one.
pub(crate) fn router(app: Arc<App>, origins: &Origins, static_dir: Option<&Path>) -> Router {
    let router = Router::from(endpoints())
        .route("/docs", get(docs::folder))
        .route("/docs/", get(docs::page))
        .route("/docs/{*path}", get(docs::file))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(app);
    let router = match static_dir {
        Some(directory) => router.fallback_service(page::files(directory)),
        None => router.fallback_service(any(async || ApiError::NoSuchPath)),
    };
    let router = match cors::layer(origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.layer(middleware::from_fn(around_all))
}

/// What is done around every request, in one layer: each costs a request allocations of its own.
async fn around_all(request: Request, next: Next) -> Response {
    let mut response = observe::observe(request, next).await;
    headers::secure(response.headers_mut());
    response
}
