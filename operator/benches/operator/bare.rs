//! A client that only applies what the operator has applied, with the operator's rights: what the API server itself takes for it. One
//! that creates it, for nothing is there yet: nothing can be made with less.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{TryStreamExt as _, stream};
use kube::{
    Api, Client, Config,
    api::{
        ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, OPERATOR},
    applied,
    apps::{self, CONCURRENCY},
    requests::Requests,
    stand_ins::StandIns,
    usage,
};

const LIMIT: Duration = Duration::from_mins(20);

/// What the operator has applied in these requests: ChatApp by ChatApp, what makes pods last, as anybody would apply it. (Kind by kind the
/// API server does the same work a sixth faster, but no client knows all ChatApps beforehand.)
pub(crate) async fn objects(client: &Client, requests: &Requests) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for resource in &requests.resources {
        // Only the path counts; the kind comes with the answer.
        let kind =
            GroupVersionKind::gvk(&resource.api_group, &resource.api_version, &resource.plural);
        let kind = ApiResource::from_gvk_with_plural(&kind, &resource.plural);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        let list = api.list(&ListParams::default()).await?;
        let kind = list.types.kind.strip_suffix("List").context("a list")?;
        let found = list.items.iter().map(|object| json!(object));
        let applied =
            found.filter_map(|object| applied::of(&object, &list.types.api_version, kind));
        objects.extend(applied);
    }
    objects.sort_by_cached_key(|object| {
        let app = [
            "/metadata/namespace",
            "/metadata/labels/sillychat.io~1chatapp",
        ]
        .map(|pointer| text(object, pointer));
        (app, is_brought_up(object))
    });
    Ok(objects)
}

/// How the objects are made.
#[derive(Clone, Copy)]
pub(crate) enum How {
    Apply,
    Create,
}

/// What it takes.
pub(crate) struct Cost {
    pub(crate) time: Duration,
    /// Of the API server and its etcd, and of everybody.
    pub(crate) servers_cpu: Duration,
    pub(crate) cpu: Duration,
    pub(crate) writes: usize,
}

/// Makes them all on an API server of their own and waits until the stand-ins have done their part.
pub(crate) async fn make(objects: &[Value], how: How) -> anyhow::Result<Cost> {
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let administrator = server.client().await;
    let namespaces: std::collections::BTreeSet<String> = objects
        .iter()
        .map(|object| text(object, "/metadata/namespace"))
        .collect();
    for namespace in namespaces {
        apps::create_namespace(&administrator, &namespace).await?;
    }
    let stand_ins = StandIns::start(&administrator);
    let moving = objects.iter().filter(|object| is_brought_up(object));
    let moving = moving.count();
    let client = client(&server).await?;
    let before = (usage::of_servers(&server.directory)?, usage::of_this()?);
    let start = Instant::now();
    stream::iter(objects.iter().map(anyhow::Ok))
        .try_for_each_concurrent(CONCURRENCY, async |object| {
            let api_version = text(object, "/apiVersion");
            let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
            let kind = GroupVersionKind::gvk(group, version, &text(object, "/kind"));
            let name = text(object, "/metadata/name");
            let namespace = text(object, "/metadata/namespace");
            let resource = ApiResource::from_gvk(&kind);
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), &namespace, &resource);
            let made = match how {
                How::Apply => {
                    let params = PatchParams::apply("bare-client").force();
                    api.patch(&name, &params, &Patch::Apply(object)).await
                }
                How::Create => {
                    let object = DynamicObject::deserialize(object)?;
                    api.create(&PostParams::default(), &object).await
                }
            };
            made.with_context(|| format!("{} {name}", kind.kind))?;
            Ok(())
        })
        .await?;
    tokio::time::timeout(LIMIT, stand_ins.until_done(moving))
        .await
        .context("the stand-ins are not done")?;
    let time = start.elapsed();
    let servers_cpu = usage::of_servers(&server.directory)?.saturating_sub(before.0);
    Ok(Cost {
        time,
        servers_cpu,
        cpu: servers_cpu + usage::of_this()?.saturating_sub(before.1),
        writes: objects.len(),
    })
}

fn text(object: &Value, pointer: &str) -> String {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Whether a stand-in has its part in it.
fn is_brought_up(object: &Value) -> bool {
    ["Deployment", "Job", "Cluster"].contains(&text(object, "/kind").as_str())
}

async fn client(server: &ApiServer) -> anyhow::Result<Client> {
    let kubeconfig: Kubeconfig = serde_json::from_value(server.kubeconfig(OPERATOR, None))?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}
