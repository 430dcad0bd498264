//! `GET /healthz`: the process answers. `GET /readyz`: requests may be sent here, which takes a database that answers
//! and takes writes, a schema that was found to fit, and no shutdown under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, Problem};

/// What of readiness isn't asked of the database.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    schema_fits: AtomicBool,
    draining: AtomicBool,
}

impl Lifecycle {
    pub(crate) fn schema_fits(&self) {
        self.schema_fits.store(true, Ordering::Release);
    }

    pub(crate) fn is_schema_known(&self) -> bool {
        self.schema_fits.load(Ordering::Acquire)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}

/// All is well
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
pub(super) struct Healthy {
    /// Always `ok`
    status: &'static str,
}

const OK: Json<Healthy> = Json(Healthy { status: "ok" });

/// Whether the process answers
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    responses((status = 200, description = "It does", body = Healthy))
)]
pub(super) async fn healthz() -> Json<Healthy> {
    OK
}

/// Whether requests may be sent here
///
/// They may while the database answers and takes writes, its schema fits, and the server isn't stopping.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses(
        (status = 200, description = "They may", body = Healthy),
        (status = 503, description = "They may not; the detail says why", body = Problem),
    )
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Healthy>, ApiError> {
    if app.lifecycle.draining.load(Ordering::Acquire) {
        return Err(ApiError::Unavailable("the server is stopping"));
    }
    app.storage.check().await?;
    if !app.lifecycle.is_schema_known() {
        return Err(ApiError::Unavailable(
            "the database's schema isn't checked yet",
        ));
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;

    use super::*;
    use crate::content::Content;
    use crate::storage::migrations::migrate;
    use crate::storage::url::DatabaseUrl;
    use crate::storage::{PoolLimits, Storage};

    #[tokio::test]
    async fn is_ready_between_the_schema_check_and_the_shutdown() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = DatabaseUrl::Sqlite(directory.path().join("chat.db"));
        migrate(&url).await.expect("it migrates");
        let app = Arc::new(App {
            content: ArcSwap::from_pointee(Content::built_in().expect("valid")),
            lifecycle: Lifecycle::default(),
            rate_limit: None,
            storage: Storage::new(&url, PoolLimits::COMMAND),
        });
        let reason = async || match readyz(State(app.clone())).await {
            Err(ApiError::Unavailable(reason)) => reason,
            other => panic!("ready too early or too late: {:?}", other.is_ok()),
        };
        assert_eq!(reason().await, "the database's schema isn't checked yet");
        app.lifecycle.schema_fits();
        assert!(readyz(State(app.clone())).await.is_ok());
        app.lifecycle.drain();
        assert_eq!(reason().await, "the server is stopping");
    }
}
