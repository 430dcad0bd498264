//! What a route depends on that isn't a child, and what is known of it.

use serde_json::Value;

/// An object of others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Neighbour {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Neighbour {
    /// cert-manager names it after the Secret.
    pub(crate) fn certificate(namespace: String, name: String) -> Self {
        Self {
            group: "cert-manager.io",
            version: "v1",
            kind: "Certificate",
            namespace,
            name,
        }
    }

    pub(crate) fn gateway(namespace: String, name: String) -> Self {
        Self {
            group: "gateway.networking.k8s.io",
            version: "v1",
            kind: "Gateway",
            namespace,
            name,
        }
    }

    pub(crate) fn secret(namespace: String, name: String) -> Self {
        Self {
            group: "",
            version: "v1",
            kind: "Secret",
            namespace,
            name,
        }
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.kind == "Secret"
    }
}

/// What is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sight {
    /// The operator may not look.
    Hidden,
    Missing,
    /// The object; of a Secret nothing.
    Found(Value),
}

/// A condition of an object that is `False` or `Unknown`, as "type is status, reason: message".
pub(crate) fn trouble(conditions: &Value, types: &[&str]) -> Option<String> {
    let conditions = conditions.as_array()?;
    let troubled = types.iter().find_map(|type_| {
        conditions
            .iter()
            .find(|condition| condition["type"] == *type_ && condition["status"] != "True")
    })?;
    Some(told(troubled))
}

/// A condition in words.
pub(crate) fn told(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let told = format!("{} is {}, {}", text("type"), text("status"), text("reason"));
    match super::pods::shorten(text("message")) {
        message if message.is_empty() => told,
        message => format!("{told}: {message}"),
    }
}
