//! The second ChatApp: the repository's example, in a namespace of its own, made fresh by the first story that wants
//! it and removed after the last one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chatapp_crds::ChatApp;
use e2e::{chat::Chat, chatapp, forward::Forward, kubectl, namespace, repository};
use kube::Client;
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
        self.made
            .get_or_try_init(|| namespace::make(client, NAMESPACE))
            .await?;
        kubectl::apply_file(NAMESPACE, &repository::root().join(FILE)).await?;
        chatapp::ready(client, NAMESPACE, &name()?, PATIENCE).await
    }

    /// Removes the namespace, if this run made it.
    pub(crate) async fn remove(&self, client: &Client) -> Result<()> {
        if self.made.initialized() {
            namespace::remove(client, NAMESPACE).await
        } else {
            Ok(())
        }
    }
}

/// The example as an object, to change it.
pub(crate) fn object() -> Result<Value> {
    repository::yaml(FILE)
}

/// The example with a merge patch in it.
pub(crate) fn patched(patch: Value) -> Result<Value> {
    let mut object = object()?;
    merge(&mut object, patch);
    Ok(object)
}

/// The example under another name, as small as it gets.
pub(crate) fn small(name: &str) -> Result<Value> {
    patched(json!({
        "metadata": {"name": name},
        "spec": {"server": {"replicas": 1}, "database": {"cluster": {"instances": 1}}},
    }))
}

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|target| target.remove(&key));
        } else {
            merge(&mut target[&key], value);
        }
    }
}

/// The name of the example's ChatApp.
pub(crate) fn name() -> Result<String> {
    let name = object()?["metadata"]["name"]
        .as_str()
        .map(ToOwned::to_owned);
    name.with_context(|| format!("{FILE} has no metadata.name"))
}

/// Waits until it is Ready, and reached under this host.
pub(crate) async fn ready_at(client: &Client, host: &str, within: Duration) -> Result<()> {
    let app = chatapp::ready(client, NAMESPACE, &name()?, within).await?;
    let url = app.status.and_then(|status| status.url);
    ensure!(
        url.as_deref() == Some(&format!("https://{host}")),
        "status.url is {url:?}"
    );
    Ok(())
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
