//! What a request is counted under: its method, route and answer as labels that have few values, however creative the
//! caller is.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// What a method that doesn't exist is called.
pub(crate) const OTHER_METHOD: &str = "other";

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) route: Route,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub(super) struct Answered {
    pub(super) method: &'static str,
    pub(super) route: Route,
    pub(super) status: Status,
}

/// The template of a request's path, `none` for a path that no endpoint has.
#[derive(Clone, Debug)]
pub(crate) struct Route(Option<MatchedPath>);

/// The status of an answer, `none` where the client left before there was one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Status(pub(super) Option<StatusCode>);

/// The method as a label: one of those that exist, whatever was sent.
pub(crate) fn method_label(method: &Method) -> &'static str {
    [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
    ]
    .into_iter()
    .find(|known| *known == method.as_str())
    .unwrap_or(OTHER_METHOD)
}

impl Route {
    pub(crate) fn new(matched: Option<&MatchedPath>) -> Self {
        Self(matched.cloned())
    }

    pub(crate) fn template(&self) -> Option<&str> {
        self.0.as_ref().map(MatchedPath::as_str)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.template().unwrap_or("none")
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        encoder.write_str(self.0.as_ref().map_or("none", StatusCode::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_does_not_exist_is_no_label_of_its_own() {
        assert_eq!(method_label(&Method::GET), "GET");
        let sent = Method::from_bytes(b"WOMBAT").expect("a token");
        assert_eq!(method_label(&sent), "other");
    }
}
