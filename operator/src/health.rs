//! `/livez` and `/readyz` for the kubelet.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};

type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// Tells whether the operator works; shared between the controller, which knows, and the server, which answers.
#[derive(Clone, Default)]
pub(crate) struct Health(Arc<OnceLock<Check>>);

impl Health {
    /// Ready as soon as `check` says so. Only the first call counts.
    pub(crate) fn ready_when(&self, check: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(check));
    }

    fn is_ready(&self) -> bool {
        self.0.get().is_some_and(|check| check())
    }
}

/// Answers on `address` until the process ends.
///
/// # Errors
/// The address can't be listened on.
pub(crate) async fn serve(address: SocketAddr, health: Health) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .with_state(health);
    axum::serve(tokio::net::TcpListener::bind(address).await?, router).await
}

async fn readyz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the watch caches are not filled yet: is the CRD installed, may the ServiceAccount list what it watches?",
        )
    }
}
