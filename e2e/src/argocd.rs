//! What Argo CD says of its applications: whether the cluster is what one commit says.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::Value;

use crate::wait::Seen;

/// What Argo CD last said of an application.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    name: String,
    sync: String,
    health: String,
    revision: String,
}

/// All applications of the namespace `argocd`.
pub async fn applications(client: &Client) -> Result<Vec<Application>> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "argoproj.io",
        "v1alpha1",
        "Application",
    ));
    let applications = Api::<DynamicObject>::namespaced_with(client.clone(), "argocd", &kind);
    let list = applications
        .list(&kube::api::ListParams::default())
        .await
        .context("list Argo CD's applications")?;
    Ok(list.iter().map(application).collect())
}

fn application(object: &DynamicObject) -> Application {
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
