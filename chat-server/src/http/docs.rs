//! `/docs`: the API's description for people, by Swagger UI, whose files are in this program.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use super::error::ApiError;

/// Its styles are partly inline, and some pictures are in them.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

// Without a validator: that would be a request to somebody else.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none")));

/// The files have addresses relative to the folder.
pub(super) async fn folder() -> Redirect {
    Redirect::permanent("/docs/")
}

pub(super) async fn page() -> Response {
    file(Path(String::new())).await
}

pub(super) async fn file(Path(path): Path<String>) -> Response {
    let Ok(Some(file)) = utoipa_swagger_ui::serve(&path, CONFIG.clone()) else {
        return ApiError::NoSuchPath.into_response();
    };
    let mut response = file.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    if let Ok(kind) = HeaderValue::try_from(file.content_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
