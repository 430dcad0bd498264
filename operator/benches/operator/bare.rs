//! A client that only applies the objects that the operator has made: what the API server itself takes for them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{TryStreamExt as _, stream};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    apps::{self, CONCURRENCY},
    stand_ins::StandIns,
};

/// Kinds that a plan may apply.
const KINDS: [(&str, &str, &str); 10] = [
    ("", "v1", "ServiceAccount"),
    ("", "v1", "Service"),
    ("", "v1", "ConfigMap"),
    ("apps", "v1", "Deployment"),
    ("batch", "v1", "Job"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("postgresql.cnpg.io", "v1", "Cluster"),
];
const LIMIT: Duration = Duration::from_mins(20);

fn api(client: &Client, namespace: Option<&str>, kind: &GroupVersionKind) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(kind);
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// What ChatApps own, as one would apply it.
pub(crate) async fn objects(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for (group, version, kind) in KINDS {
        let kind = GroupVersionKind::gvk(group, version, kind);
        let params = ListParams::default().labels("sillychat.io/chatapp");
        for object in api(client, None, &kind).list(&params).await? {
            let is_ours = object
                .metadata
                .owner_references
                .iter()
                .flatten()
                .any(|owner| owner.kind == "ChatApp");
            if is_ours {
                objects.push(bare(json!(object), &kind));
            }
        }
    }
    Ok(objects)
}

/// Without what the API server and others add.
fn bare(mut object: Value, kind: &GroupVersionKind) -> Value {
    let metadata = object["metadata"].clone();
    object["metadata"] = json!({});
    for field in ["name", "namespace", "labels", "annotations"] {
        if !metadata[field].is_null() {
            object["metadata"][field] = metadata[field].clone();
        }
    }
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        // The API server's choice, and the Job controller's labels.
        for field in ["clusterIP", "clusterIPs", "selector"]
            .iter()
            .take(if kind.kind == "Job" { 3 } else { 2 })
        {
            spec.remove(*field);
        }
    }
    if kind.kind == "Job"
        && let Some(labels) = object
            .pointer_mut("/spec/template/metadata/labels")
            .and_then(Value::as_object_mut)
    {
        labels.retain(|label, _| !label.contains("controller-uid") && !label.contains("job-name"));
    }
    object
}

/// Applies them all and waits until the stand-ins have done their part. How long that takes, and how many writes.
pub(crate) async fn apply(client: &Client, objects: &[Value]) -> anyhow::Result<(Duration, usize)> {
    let text = |object: &Value, pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let namespaces: std::collections::BTreeSet<String> = objects
        .iter()
        .map(|object| text(object, "/metadata/namespace"))
        .collect();
    for namespace in namespaces {
        apps::create_namespace(client, &namespace).await?;
    }
    let stand_ins = StandIns::start(client);
    let moving = objects.iter().filter(|object| {
        ["Deployment", "Job", "Cluster"].contains(&text(object, "/kind").as_str())
    });
    let moving = moving.count();
    let start = Instant::now();
    stream::iter(objects.iter().map(anyhow::Ok))
        .try_for_each_concurrent(CONCURRENCY, async |object| {
            let api_version = text(object, "/apiVersion");
            let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
            let kind = GroupVersionKind::gvk(group, version, &text(object, "/kind"));
            let name = text(object, "/metadata/name");
            let params = PatchParams::apply("bare-client").force();
            api(client, Some(&text(object, "/metadata/namespace")), &kind)
                .patch(&name, &params, &Patch::Apply(object))
                .await
                .with_context(|| format!("{} {name}", kind.kind))?;
            Ok(())
        })
        .await?;
    tokio::time::timeout(LIMIT, stand_ins.until_done(moving))
        .await
        .context("the stand-ins are not done")?;
    Ok((start.elapsed(), objects.len()))
}
