//! Which other pages may use the API from a browser: those of the origins that are configured, and by default none. The
//! page of this chat has the API's own origin and needs no leave.

use std::str::FromStr;
use std::time::Duration;

use axum::http::uri::{Authority, PathAndQuery, Uri};
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;

use super::idempotency_key::IDEMPOTENCY_KEY;

/// How long a browser may remember the answer.
const MAX_AGE: Duration = Duration::from_hours(1);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no origin: write it as browsers send it, for example https://chat.example.org or http://localhost:5173 (lower case, no path, no '*'), several with commas between them"
)]
pub(crate) struct NoOrigin(String);

/// The origins that may use the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins(Vec<HeaderValue>);

impl FromStr for Origins {
    type Err = NoOrigin;

    fn from_str(list: &str) -> Result<Self, NoOrigin> {
        list.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(|origin| parse(origin).ok_or_else(|| NoOrigin(origin.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Browsers' origins are compared letter by letter, so one that no browser would send is a mistake.
fn parse(origin: &str) -> Option<HeaderValue> {
    let uri: Uri = origin.parse().ok()?;
    let authority = uri.authority()?;
    let default_port = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let is_bare = uri.path_and_query().map(PathAndQuery::as_str) == Some("/");
    let is_as_sent = is_bare
        && !origin.ends_with('/')
        && !origin
            .contains(|character: char| character.is_uppercase() || "*?#".contains(character))
        && !authority.as_str().contains('@')
        && has_usual_port(authority, default_port);
    is_as_sent.then(|| HeaderValue::from_str(origin).ok())?
}

/// A port that is a number, and isn't the one that browsers leave away.
fn has_usual_port(authority: &Authority, default_port: u16) -> bool {
    match authority.port_u16() {
        Some(port) => port != default_port,
        None => authority.as_str() == authority.host(),
    }
}

/// The answers to preflights, and the headers of all others. None without origins.
pub(super) fn layer(origins: &Origins) -> Option<CorsLayer> {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    if origins.0.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(origins.0.clone())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE, IDEMPOTENCY_KEY, REQUEST_ID])
        .expose_headers([header::RETRY_AFTER, REQUEST_ID])
        .max_age(MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_as_browsers_send_them_are_taken() {
        let list = " https://chat.example.org,http://localhost:5173 ,http://[::1]:8080,";
        let Origins(origins) = list.parse().expect("origins");
        assert_eq!(
            origins,
            [
                "https://chat.example.org",
                "http://localhost:5173",
                "http://[::1]:8080"
            ]
        );
        assert_eq!("".parse(), Ok(Origins::default()));
    }

    #[test]
    fn others_are_refused() {
        for wrong in [
            "*",
            "https://*.example.org",
            "https://chat.example.org/",
            "https://chat.example.org/chat",
            "https://chat.example.org?a",
            "https://chat.example.org#a",
            "chat.example.org",
            "ftp://chat.example.org",
            "https://Chat.example.org",
            "HTTPS://chat.example.org",
            "https://chat.example.org:443",
            "http://chat.example.org:80",
            "https://chat.example.org:port",
            "https://chat.example.org:",
            "https://me@chat.example.org",
            "https://",
            "null",
        ] {
            let listed = format!("http://localhost:5173,{wrong}");
            assert_eq!(
                listed.parse::<Origins>(),
                Err(NoOrigin(wrong.to_owned())),
                "{wrong}"
            );
        }
    }
}
