//! What Kubernetes' events say of a ChatApp.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, Client, api::ListParams};

/// The messages of the events with a reason, about a ChatApp that is there or was.
pub async fn of(client: &Client, namespace: &str, name: &str, reason: &str) -> Result<Vec<String>> {
    let fields = format!("involvedObject.kind=ChatApp,involvedObject.name={name},reason={reason}");
    let events = Api::<Event>::namespaced(client.clone(), namespace)
        .list(&ListParams::default().fields(&fields))
        .await
        .context("list events")?;
    Ok(events
        .items
        .into_iter()
        .filter_map(|event| event.message)
        .collect())
}
