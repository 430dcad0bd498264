//! Namespaces for ChatApps that only the tests use.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use uuid::Uuid;

use crate::wait::{self, Seen};

/// A database's pods take most of it.
const PATIENCE: Duration = Duration::from_mins(4);

/// Makes a namespace with restricted pod security and nothing in it, whatever an earlier run has left there.
pub async fn make(client: &Client, name: &str) -> Result<()> {
    remove(client, name).await?;
    let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }}}))?;
    Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .with_context(|| format!("create namespace {name}"))?;
    Ok(())
}

/// Deletes a namespace, if it is there, with everything in it, and waits until it is gone.
pub async fn remove(client: &Client, name: &str) -> Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let present = namespaces
        .get_opt(name)
        .await
        .context("look for the namespace")?;
    if present.is_none() {
        return Ok(());
    }
    namespaces
        .delete(name, &DeleteParams::default())
        .await
        .with_context(|| format!("delete namespace {name}"))?;
    wait::until(
        &format!("namespace {name} to be gone"),
        PATIENCE,
        async || {
            let Some(namespace) = namespaces.get_opt(name).await? else {
                return Ok(Seen::Done(()));
            };
            look_again(client, &namespaces, name).await?;
            Ok(Seen::NotYet(remaining(namespace)))
        },
    )
    .await
}

/// Kubernetes looks again only after half the time that pods may take, which is a quarter of an hour for those of `CloudNativePG`,
/// however soon they end. A namespace that changes is looked at at once.
async fn look_again(client: &Client, namespaces: &Api<Namespace>, name: &str) -> Result<()> {
    let pods = Api::<Pod>::namespaced(client.clone(), name);
    let pods = pods.list_metadata(&ListParams::default()).await?;
    if pods.items.is_empty() {
        let annotations = json!({"sillychat.io/looked-at": Uuid::new_v4()});
        let change = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        namespaces
            .patch_metadata(name, &PatchParams::default(), &change)
            .await?;
    }
    Ok(())
}

/// What Kubernetes says that it waits for.
fn remaining(namespace: Namespace) -> String {
    let name = namespace.name_any();
    let conditions = namespace
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    let messages = conditions
        .into_iter()
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message);
    let messages = messages.collect::<Vec<_>>().join("; ");
    format!("{name}: {messages}")
}
