//! What a ChatApp says of itself: whether it is ready for what its spec says now, and if not, why.

use std::time::Duration;

use anyhow::{Context, Result};
use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client};

use crate::wait::{self, Seen};

/// Reads it.
pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<ChatApp> {
    find(client, namespace, name)
        .await?
        .with_context(|| format!("there is no ChatApp {namespace}/{name}"))
}

/// Reads it, if it is there.
pub async fn find(client: &Client, namespace: &str, name: &str) -> Result<Option<ChatApp>> {
    Api::<ChatApp>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .with_context(|| format!("read ChatApp {namespace}/{name}"))
}

/// Waits until it is `Ready` for what its spec says now.
pub async fn ready(
    client: &Client,
    namespace: &str,
    name: &str,
    within: Duration,
) -> Result<ChatApp> {
    wait::until(
        &format!("ChatApp {namespace}/{name} to be ready"),
        within,
        async || {
            let app = read(client, namespace, name).await?;
            Ok(if is_ready(&app) {
                Seen::Done(app)
            } else {
                Seen::NotYet(in_one_line(&app))
            })
        },
    )
    .await
}

/// Waits until a condition that is about what the spec says now is false and has all of `words` in its reason and message, which
/// are given back.
pub async fn until_told(
    client: &Client,
    (namespace, name): (&str, &str),
    kind: ConditionType,
    words: &[&str],
    within: Duration,
) -> Result<String> {
    wait::until(
        &format!(
            "ChatApp {namespace}/{name} to say {words:?} in {}",
            kind.as_str()
        ),
        within,
        async || {
            let app = read(client, namespace, name).await?;
            let told = current(&app, kind)
                .filter(|condition| condition.status == "False")
                .map(|condition| format!("{}: {}", condition.reason, condition.message))
                .filter(|told| words.iter().all(|word| told.contains(word)));
            Ok(told.map_or_else(|| Seen::NotYet(in_one_line(&app)), Seen::Done))
        },
    )
    .await
}

/// `Ready` for what the spec says now.
#[must_use]
pub fn is_ready(app: &ChatApp) -> bool {
    let observed = app
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    let ready =
        current(app, ConditionType::Ready).is_some_and(|condition| condition.status == "True");
    ready && observed == app.metadata.generation
}

/// A condition that is about what the spec says now.
#[must_use]
pub fn current(app: &ChatApp, kind: ConditionType) -> Option<&Condition> {
    let mut conditions = app.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| {
        condition.type_ == kind.as_str() && condition.observed_generation == app.metadata.generation
    })
}

/// All its conditions, for people.
#[must_use]
pub fn in_one_line(app: &ChatApp) -> String {
    let conditions = app
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .map(|condition| {
            let Condition {
                type_,
                status,
                reason,
                message,
                observed_generation,
                ..
            } = condition;
            format!(
                "{type_}={status} {reason} for generation {}: {message}",
                observed_generation.unwrap_or_default()
            )
        });
    let generation = app.metadata.generation.unwrap_or_default();
    format!(
        "generation {generation}; {}",
        conditions.collect::<Vec<_>>().join("; ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(generation: i64, observed: i64, ready: &str) -> ChatApp {
        let condition = json!({
            "type": "Ready", "status": ready, "reason": "Reason", "message": "why", "observedGeneration": observed,
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        });
        serde_json::from_value(json!({
            "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
            "metadata": {"name": "demo", "generation": generation},
            "spec": {
                "server": {"image": "server"}, "frontend": {"image": "frontend"},
                "database": {"external": {"urlSecretRef": {"name": "database", "key": "url"}}},
            },
            "status": {"observedGeneration": observed, "conditions": [condition]},
        }))
        .unwrap()
    }

    #[test]
    fn ready_is_about_the_present_spec() {
        assert!(is_ready(&app(2, 2, "True")));
        assert!(!is_ready(&app(2, 1, "True")));
        assert!(!is_ready(&app(2, 2, "False")));
    }

    #[test]
    fn one_line_says_why() {
        assert_eq!(
            in_one_line(&app(2, 1, "False")),
            "generation 2; Ready=False Reason for generation 1: why"
        );
    }
}
