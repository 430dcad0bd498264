//! The headers that every answer has for the sake of security. An answer of the API is nothing that a browser should show,
//! embed, keep or guess the type of; what is a page says itself what it needs, and this leaves that alone.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

const UNLESS_GIVEN: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

pub(super) fn secure(headers: &mut HeaderMap) {
    headers.extend(ALWAYS);
    for (name, value) in UNLESS_GIVEN {
        headers.entry(name).or_insert(value);
    }
}
