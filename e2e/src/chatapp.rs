//! What a ChatApp says of itself: its conditions, and whether it is ready for what its spec says now.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde::Deserialize;

use crate::wait::{self, Seen};

/// A ChatApp as it was read.
#[derive(Debug)]
pub struct ChatApp {
    generation: i64,
    /// What the operator says of it.
    pub status: Status,
}

/// What the operator says of a ChatApp.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Which spec was seen.
    pub observed_generation: Option<i64>,
    /// Where the chat is.
    pub url: Option<String>,
    /// What is true of it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl ChatApp {
    /// Reads it.
    pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<Self> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "sillychat.io",
            "v1alpha1",
            "ChatApp",
        ));
        let apps = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind);
        let app = apps
            .get(name)
            .await
            .with_context(|| format!("read ChatApp {namespace}/{name}"))?;
        let status = app
            .data
            .get("status")
            .map(Status::deserialize)
            .transpose()
            .context("ChatApp's status")?;
        Ok(Self {
            generation: app.metadata.generation.unwrap_or_default(),
            status: status.unwrap_or_default(),
        })
    }

    /// Waits until it is `Ready` for what its spec says now.
    pub async fn ready(
        client: &Client,
        namespace: &str,
        name: &str,
        within: Duration,
    ) -> Result<Self> {
        wait::until(
            &format!("ChatApp {namespace}/{name} to be ready"),
            within,
            async || {
                let app = Self::read(client, namespace, name).await?;
                Ok(if app.is_ready() {
                    Seen::Done(app)
                } else {
                    Seen::NotYet(app.in_one_line())
                })
            },
        )
        .await
    }

    /// A condition that is about what the spec says now.
    #[must_use]
    pub fn current(&self, kind: &str) -> Option<&Condition> {
        let current =
            |condition: &&Condition| condition.observed_generation == Some(self.generation);
        self.status
            .conditions
            .iter()
            .filter(|condition| condition.type_ == kind)
            .find(current)
    }

    /// `Ready` for what the spec says now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ready = self
            .current("Ready")
            .is_some_and(|condition| condition.status == "True");
        ready && self.status.observed_generation == Some(self.generation)
    }

    /// All its conditions, for people.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let conditions = self.status.conditions.iter().map(|condition| {
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
        format!(
            "generation {}; {}",
            self.generation,
            conditions.collect::<Vec<_>>().join("; ")
        )
    }
}
