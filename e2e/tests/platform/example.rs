//! The second ChatApp: the repository's example, in a namespace of its own, made fresh by the first story that wants
//! it and removed after the last one.

use std::time::Duration;

use anyhow::{Context, Result};
use chatapp_crds::ChatApp;
use e2e::{
    chat::Chat,
    chatapp,
    forward::Forward,
    kubectl, repository,
    wait::{self, Seen},
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const NAMESPACE: &str = "chatapp-e2e";
pub(crate) const FILE: &str = "examples/chatapp.yaml";
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

/// The example's namespace, once it has been made.
#[derive(Default)]
pub(crate) struct Example {
    made: OnceCell<()>,
}

impl Example {
    /// Applies the example's file as it is, in a namespace without anything from an earlier run, and waits until it
    /// is ready.
    pub(crate) async fn ready(&self, client: &Client) -> Result<ChatApp> {
        self.made.get_or_try_init(|| make_namespace(client)).await?;
        kubectl::apply_file(NAMESPACE, &repository::root().join(FILE)).await?;
        chatapp::ready(client, NAMESPACE, &name()?, PATIENCE).await
    }

    /// Removes the namespace, if this run made it.
    pub(crate) async fn remove(&self, client: &Client) -> Result<()> {
        if self.made.initialized() {
            remove_namespace(client).await
        } else {
            Ok(())
        }
    }
}

/// The example as an object, to change it.
pub(crate) fn object() -> Result<Value> {
    repository::yaml(FILE)
}

/// The name of the example's ChatApp.
pub(crate) fn name() -> Result<String> {
    let name = object()?["metadata"]["name"]
        .as_str()
        .map(ToOwned::to_owned);
    name.with_context(|| format!("{FILE} has no metadata.name"))
}

/// A conversation with a ChatApp of the namespace, through its Services.
pub(crate) async fn chat_with(name: &str) -> Result<()> {
    for service in ["server", "frontend"] {
        let service = format!("{name}-{service}");
        let forward = Forward::to(NAMESPACE, &service).await?;
        Chat::at(forward.url())?
            .round_trip("hello")
            .await
            .with_context(|| format!("chat through {service}"))?;
    }
    Ok(())
}

async fn make_namespace(client: &Client) -> Result<()> {
    remove_namespace(client).await?;
    let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE, "labels": {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }}}))?;
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .context("create the namespace")?;
    Ok(())
}

async fn remove_namespace(client: &Client) -> Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    if namespaces
        .get_opt(NAMESPACE)
        .await
        .context("look for the namespace")?
        .is_none()
    {
        return Ok(());
    }
    remove_apps(client).await?;
    namespaces
        .delete(NAMESPACE, &DeleteParams::default())
        .await
        .context("delete the namespace")?;
    wait::until(
        &format!("namespace {NAMESPACE} to be gone"),
        PATIENCE,
        async || {
            let Some(namespace) = namespaces.get_opt(NAMESPACE).await? else {
                return Ok(Seen::Done(()));
            };
            let conditions = namespace
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let remaining = conditions
                .iter()
                .filter(|condition| condition.status == "True");
            let remaining: Vec<_> = remaining
                .filter_map(|condition| condition.message.as_deref())
                .collect();
            Ok(Seen::NotYet(remaining.join("; ")))
        },
    )
    .await
}

/// The pods go before the namespace does: its controller looks again only after half the time that the pods may take, which is a
/// quarter of an hour for those of CloudNativePG, however soon they end.
async fn remove_apps(client: &Client) -> Result<()> {
    Api::<ChatApp>::namespaced(client.clone(), NAMESPACE)
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .context("delete the ChatApps")?;
    wait::until("the ChatApps to be gone", PATIENCE, async || {
        let apps = Api::<ChatApp>::namespaced(client.clone(), NAMESPACE);
        let apps = apps.list(&ListParams::default()).await?.items;
        Ok(Seen::when(apps.is_empty(), || {
            format!("{} are left", apps.len())
        }))
    })
    .await?;
    // They leave their databases behind.
    let cluster = GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Cluster");
    let cluster = ApiResource::from_gvk(&cluster);
    Api::<DynamicObject>::namespaced_with(client.clone(), NAMESPACE, &cluster)
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .context("delete the databases")?;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let of_apps = ListParams::default().labels("sillychat.io/chatapp");
    wait::until("the ChatApps' pods to be gone", PATIENCE, async || {
        let pods = pods.list(&of_apps).await?.items;
        let names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
        Ok(Seen::when(names.is_empty(), || names.join(", ")))
    })
    .await
}
