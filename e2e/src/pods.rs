//! The pods that serve a ChatApp: which they are, and whether any has been restarted.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1;
use kube::{Api, Client, ResourceExt, api::ListParams};

/// A pod of a server or of a page, as far as it can be told from one that took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    uid: String,
    restarts: i32,
    /// Whether it is on its way out.
    pub is_leaving: bool,
}

/// The pods of a ChatApp's server and page, in the order of their names.
pub async fn serving(client: &Client, namespace: &str, app: &str) -> Result<Vec<Pod>> {
    let labels =
        format!("sillychat.io/chatapp={app},app.kubernetes.io/component in (server, frontend)");
    let list = Api::<v1::Pod>::namespaced(client.clone(), namespace)
        .list(&ListParams::default().labels(&labels))
        .await
        .context("list the pods that serve")?;
    let mut pods: Vec<_> = list.items.iter().map(pod).collect();
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pods)
}

fn pod(pod: &v1::Pod) -> Pod {
    let containers = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    Pod {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        restarts: containers.map(|container| container.restart_count).sum(),
        is_leaving: pod.metadata.deletion_timestamp.is_some(),
    }
}
