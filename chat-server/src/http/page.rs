//! The built page, for local runs: a directory's files below the API. In the cluster nginx serves them; the headers are
//! the same as there (`images/frontend/nginx.conf.template`).

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;
use tower_http::services::ServeDir;

use super::error::ApiError;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// The names of built files carry a hash of their content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// The directory's files, and an error for everything else.
pub(super) fn files(directory: &Path) -> Router {
    let files = ServeDir::new(directory)
        .call_fallback_on_method_not_allowed(true)
        .fallback(any(async || ApiError::NoSuchPath));
    Router::new()
        .fallback_service(files)
        .layer(middleware::from_fn(with_headers))
}

async fn with_headers(request: Request, next: Next) -> Response {
    let is_built = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(
            header::CACHE_CONTROL,
            if is_built { FOR_EVER } else { ASK_FIRST },
        );
    }
    response
}
