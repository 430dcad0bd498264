//! All objects of a cluster, and how each of them came to be there: applied by somebody with kubectl, or synced by an application
//! of Argo CD, or made by what runs in the cluster. Which of these is right is the story's business.

use std::{fmt, time::SystemTime};

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta},
    discovery::{Discovery, verbs},
};

/// Argo CD writes here which application an object is of.
/// <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>
const TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// What `kubectl apply --server-side` calls itself.
const KUBECTL: &str = "kubectl";
/// Figures of the moment, not objects.
const NO_OBJECTS: [&str; 2] = ["metrics.k8s.io", "events.k8s.io"];

/// An object, without what it says.
#[derive(Clone, Debug)]
pub struct Object {
    kind: String,
    metadata: ObjectMeta,
}

impl Object {
    /// Its namespace, unless it is in none.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.metadata.namespace.as_deref()
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The application that it is of.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        let (application, _) = annotations.get(TRACKING)?.split_once(':')?;
        Some(application)
    }

    /// Whether somebody has applied it with kubectl, whatever has happened to it since.
    #[must_use]
    pub fn was_applied_by_hand(&self) -> bool {
        let by_hand = |entry: &ManagedFieldsEntry| {
            entry.manager.as_deref() == Some(KUBECTL)
                && entry.operation.as_deref() == Some("Apply")
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
        };
        self.metadata.managed_fields.iter().flatten().any(by_hand)
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        let created = self.metadata.creation_timestamp.as_ref()?;
        Some(created.0.into())
    }
}

/// "Kind namespace/name", or "Kind name".
impl fmt::Display for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.kind)?;
        if let Some(namespace) = self.namespace() {
            write!(out, "{namespace}/")?;
        }
        write!(out, "{}", self.name())
    }
}

/// All that the API server can list, less events and figures.
pub async fn everything(client: &Client) -> Result<Vec<Object>> {
    let discovery = Discovery::new(client.clone()).exclude(&NO_OBJECTS);
    let discovery = discovery.run().await.context("ask for all kinds")?;
    let mut objects = Vec::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if capabilities.supports_operation(verbs::LIST) && resource.kind != "Event" {
                objects.extend(all_of(client, &resource).await?);
            }
        }
    }
    Ok(objects)
}

async fn all_of(client: &Client, resource: &ApiResource) -> Result<Vec<Object>> {
    let list = Api::<DynamicObject>::all_with(client.clone(), resource)
        .list_metadata(&ListParams::default())
        .await
        .with_context(|| format!("list {}", resource.plural))?;
    let objects = list.items.into_iter().map(|object| Object {
        kind: resource.kind.clone(),
        metadata: object.metadata,
    });
    Ok(objects.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(manager: &str, operation: &str) -> Object {
        let metadata = json!({
            "name": "a", "namespace": "b",
            "annotations": {TRACKING: "crds:apiextensions.k8s.io/CustomResourceDefinition:b/a"},
            "managedFields": [{"manager": manager, "operation": operation}],
        });
        Object {
            kind: "ConfigMap".to_owned(),
            metadata: serde_json::from_value(metadata).unwrap(),
        }
    }

    #[test]
    fn hands_apply_and_controllers_do_not() {
        assert!(object("kubectl", "Apply").was_applied_by_hand());
        assert!(!object("argocd-controller", "Apply").was_applied_by_hand());
        assert!(!object("kubectl-annotate", "Update").was_applied_by_hand());
    }

    #[test]
    fn the_application_is_told() {
        let object = object("argocd-controller", "Apply");
        assert_eq!(object.application(), Some("crds"));
        assert_eq!(object.to_string(), "ConfigMap b/a");
    }
}
