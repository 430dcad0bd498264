//! What Argo CD says of its applications: whether the cluster is what one commit says.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::wait::Seen;

/// What Argo CD last said of an application.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    name: String,
    sync: String,
    health: String,
    revision: String,
    message: String,
}

impl Application {
    /// Whether a human is needed.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.health == "Degraded"
    }

    /// What it says for people, of its health or else of its last sync.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the cluster is what a commit says, and works.
    #[must_use]
    pub fn is_healthy_at(&self, revision: &str) -> bool {
        self.sync == "Synced" && self.health == "Healthy" && self.revision == revision
    }
}

/// All applications of the namespace `argocd`.
pub async fn applications(client: &Client) -> Result<Vec<Application>> {
    let list = api(client)
        .list(&ListParams::default())
        .await
        .context("list Argo CD's applications")?;
    Ok(list.iter().map(told_of).collect())
}

/// One of them.
pub async fn application(client: &Client, name: &str) -> Result<Application> {
    let application = api(client).get(name).await;
    let application = application.with_context(|| format!("read Argo CD's application {name}"))?;
    Ok(told_of(&application))
}

/// Asks Argo CD to look at its repository now, as a webhook does after a push.
pub async fn refresh(client: &Client) -> Result<()> {
    let asked = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    for application in api(client).list_metadata(&ListParams::default()).await? {
        let name = application.metadata.name.unwrap_or_default();
        api(client)
            .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&asked))
            .await
            .with_context(|| format!("ask Argo CD to look at {name}"))?;
    }
    Ok(())
}

fn api(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
    Api::namespaced_with(client.clone(), "argocd", &ApiResource::from_gvk(&kind))
}

fn told_of(object: &DynamicObject) -> Application {
    let field = |path: &str| {
        object
            .data
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    Application {
        name: object.metadata.name.clone().unwrap_or_default(),
        sync: field("/status/sync/status"),
        health: field("/status/health/status"),
        revision: field("/status/sync/revision"),
        message: ["/status/health/message", "/status/operationState/message"]
            .map(field)
            .join("; "),
    }
}

/// Done, with the revision, when there are applications and all of them are Synced and Healthy at the same one.
#[must_use]
pub fn one_healthy_revision(applications: &[Application]) -> Seen<String> {
    let revisions: BTreeSet<&str> = applications
        .iter()
        .map(|application| application.revision.as_str())
        .collect();
    let healthy = applications
        .iter()
        .all(|application| application.sync == "Synced" && application.health == "Healthy");
    match revisions.first() {
        Some(revision) if healthy && revisions.len() == 1 => Seen::Done((*revision).to_owned()),
        _ => Seen::NotYet(format!("{applications:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(sync: &str, health: &str, revision: &str) -> Application {
        Application {
            name: "a".into(),
            sync: sync.into(),
            health: health.into(),
            revision: revision.into(),
            message: String::new(),
        }
    }

    #[test]
    fn all_must_be_synced_and_healthy_at_one_revision() {
        let good = || application("Synced", "Healthy", "1");
        assert!(
            matches!(one_healthy_revision(&[good(), good()]), Seen::Done(revision) if revision == "1")
        );
        for other in [
            application("OutOfSync", "Healthy", "1"),
            application("Synced", "Degraded", "1"),
            application("Synced", "Healthy", "2"),
        ] {
            assert!(matches!(
                one_healthy_revision(&[good(), other]),
                Seen::NotYet(_)
            ));
        }
        assert!(matches!(one_healthy_revision(&[]), Seen::NotYet(_)));
    }
}
