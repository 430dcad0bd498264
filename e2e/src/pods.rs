//! The pods that serve a ChatApp: which they are, and whether any has been restarted.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1;
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::wait::{self, Seen};

/// Longer than a pod takes to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// A pod of a server or of a page, as far as it can be told from one that took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    name: String,
    uid: String,
    restarts: i32,
    /// Whether it is on its way out.
    is_leaving: bool,
}

/// The pods of a ChatApp's server and page, in the order of their names, once none is on its way out.
pub async fn settled(client: &Client, namespace: &str, app: &str) -> Result<Vec<Pod>> {
    wait::until("the old pods to be gone", PATIENCE, async || {
        let pods = serving(client, namespace, app).await?;
        let leaving: Vec<_> = pods.iter().filter(|pod| pod.is_leaving).collect();
        Ok(if leaving.is_empty() {
            Seen::Done(pods)
        } else {
            Seen::NotYet(format!("{leaving:?}"))
        })
    })
    .await
}

/// The images of the server's pods that are ready.
pub async fn ready_images(client: &Client, namespace: &str, app: &str) -> Result<BTreeSet<String>> {
    let labels = format!("sillychat.io/chatapp={app},app.kubernetes.io/component=server");
    let list = Api::<v1::Pod>::namespaced(client.clone(), namespace)
        .list(&ListParams::default().labels(&labels))
        .await
        .context("list the servers' pods")?;
    let is_ready = |pod: &v1::Pod| {
        let conditions = pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        pod.metadata.deletion_timestamp.is_none()
            && conditions
                .into_iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let ready = list.items.into_iter().filter(is_ready);
    let images = ready.filter_map(|pod| pod.spec?.containers.into_iter().next()?.image);
    Ok(images.collect())
}

async fn serving(client: &Client, namespace: &str, app: &str) -> Result<Vec<Pod>> {
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
