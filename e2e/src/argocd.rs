//! What Argo CD says of its applications: whether the cluster is what one commit says.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::wait::{self, Seen};

/// Where Argo CD and its applications are.
pub const NAMESPACE: &str = "argocd";
/// Branch that the platform follows.
const BRANCH: &str = "main";

/// What Argo CD last said of an application.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    name: String,
    sync: String,
    health: String,
    revision: String,
    health_message: String,
    /// What its last sync, or the one under way, says of itself.
    message: String,
}

impl Application {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a human is needed.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.health == "Degraded"
    }

    /// Whether it waits for nothing.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health == "Healthy"
    }

    /// What is said of the health of its resources.
    #[must_use]
    pub fn health_message(&self) -> &str {
        &self.health_message
    }

    /// Whether the cluster is what a commit says.
    #[must_use]
    pub fn is_at(&self, revision: &str) -> bool {
        self.sync == "Synced" && self.health == "Healthy" && self.revision == revision
    }

    /// What its last sync, or the one under way, says of itself.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

pub(crate) fn api(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
    Api::namespaced_with(client.clone(), NAMESPACE, &ApiResource::from_gvk(&kind))
}

/// All applications that follow the platform's branch.
pub async fn applications(client: &Client) -> Result<Vec<Application>> {
    let list = api(client)
        .list(&ListParams::default())
        .await
        .context("list Argo CD's applications")?;
    let ours = list
        .iter()
        .filter(|object| text(object, "/spec/source/targetRevision") == BRANCH);
    Ok(ours.map(application).collect())
}

/// Waits until an application is Synced and Healthy at a commit.
pub async fn until_at(client: &Client, name: &str, commit: &str, within: Duration) -> Result<()> {
    let mut looks = 0_usize;
    wait::until(&format!("{name} to be at {commit}"), within, async || {
        let application = find(client, name).await?.context("no such application")?;
        // Argo CD may miss that something has become healthy right after it was applied, and look again a minute later.
        looks += 1;
        if looks.is_multiple_of(40) {
            refresh(client, name).await?;
        }
        Ok(Seen::when(application.is_at(commit), || {
            format!("{application:?}")
        }))
    })
    .await
}

/// All applications that follow the platform's branch, less some, once they are Synced and Healthy at the same commit.
pub async fn until_at_rest(
    client: &Client,
    busy: &[&str],
    within: Duration,
) -> Result<Vec<Application>> {
    wait::until("the applications to be at rest", within, async || {
        let mut applications = applications(client).await?;
        applications.retain(|application| !busy.contains(&application.name()));
        Ok(match one_healthy_revision(&applications) {
            Seen::Done(_) => Seen::Done(applications),
            Seen::NotYet(state) => Seen::NotYet(state),
        })
    })
    .await
}

/// One application, if it is there.
pub async fn find(client: &Client, name: &str) -> Result<Option<Application>> {
    let object = api(client)
        .get_opt(name)
        .await
        .with_context(|| format!("read application {name}"))?;
    Ok(object.as_ref().map(application))
}

/// Has Argo CD look into Git now.
pub async fn refresh(client: &Client, name: &str) -> Result<()> {
    annotate(client, name, "argocd.argoproj.io/refresh", "normal").await
}

/// Confirms the removal of what asks to be confirmed (`Prune=confirm`, `Delete=confirm`), as a person does it.
/// <https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/>
pub async fn approve_deletion(client: &Client, name: &str, now: &str) -> Result<()> {
    annotate(client, name, "argocd.argoproj.io/deletion-approved", now).await
}

async fn annotate(client: &Client, name: &str, annotation: &str, value: &str) -> Result<()> {
    let change = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
    api(client)
        .patch_metadata(name, &PatchParams::default(), &change)
        .await
        .with_context(|| format!("annotate application {name}"))?;
    Ok(())
}

pub(crate) fn text<'a>(object: &'a DynamicObject, path: &str) -> &'a str {
    let value = object.data.pointer(path);
    value.and_then(Value::as_str).unwrap_or("-")
}

fn application(object: &DynamicObject) -> Application {
    let field = |path: &str| text(object, path).to_owned();
    Application {
        name: object.metadata.name.clone().unwrap_or_default(),
        sync: field("/status/sync/status"),
        health: field("/status/health/status"),
        revision: field("/status/sync/revision"),
        health_message: resources_say(object),
        message: field("/status/operationState/message"),
    }
}

fn resources_say(object: &DynamicObject) -> String {
    let resources = object.data["status"]["resources"].as_array();
    let said = resources
        .into_iter()
        .flatten()
        .filter_map(|resource| resource["health"]["message"].as_str());
    said.collect::<Vec<_>>().join("; ")
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
            health_message: "-".into(),
            message: "-".into(),
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
