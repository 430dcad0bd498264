//! The operator that leads is taken away in the middle of a rollout, while clients chat: first its pod is deleted, then a process is
//! killed. Another one takes over within 20 seconds and goes on with the work, and nothing is done twice.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use e2e::{
    chat::Chat,
    chatapp,
    forward::Proxy,
    kubectl,
    load::Load,
    process,
    wait::{self, Seen},
};
use k8s_openapi::api::{
    apps::v1::Deployment, batch::v1::Job, coordination::v1::Lease, core::v1::Pod,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::json;

use crate::{World, example};

const SYSTEM: &str = "chatapp-system";
const OPERATOR: &str = "chatapp-operator";
const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(1);
/// What the former leader's Lease may last, and a little for the next one to begin.
const TAKEOVER: Duration = Duration::from_secs(20);

/// How the operator that leads ends.
#[derive(Clone, Copy)]
enum Death {
    /// `kubectl delete pod --force`: another pod takes its place.
    PodDeleted,
    /// SIGKILL of its process: the same pod starts it again.
    Killed,
}

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    takes_over(&world.client, Death::PodDeleted).await?;
    takes_over(&world.client, Death::Killed).await
}

async fn takes_over(client: &Client, death: Death) -> Result<()> {
    let name = example::name()?;
    both_are_ready(client).await?;
    let (leader, terms) = leader(client).await?;
    // A process of the pod: its name has a suffix.
    let (pod, _) = leader.rsplit_once('-').context("the leader's name")?;
    let restarts = restarts(client, pod).await?;
    let before = children(client).await?;
    let rollouts = rollouts(client, &name).await?;
    let proxy = Proxy::open().await?;
    let chat = Chat::at(&proxy.url(example::NAMESPACE, &format!("{name}-frontend")))?;
    let load = Load::start(&chat, CLIENTS, PACE).await?;

    change(&format!("{terms} takeover")).await?;
    match death {
        Death::PodDeleted => {
            let pod = [
                "--namespace",
                SYSTEM,
                "delete",
                "pod",
                pod,
                "--grace-period=0",
                "--force",
            ];
            kubectl::run(&pod).await?;
        }
        Death::Killed => process::kill_in_pod(OPERATOR, pod)?,
    }
    let died = Instant::now();
    // Nothing of this can have been done by the one that is dead.
    change(&format!("{terms} taken over")).await?;
    let next = wait::until("the other one to lead", TAKEOVER, async || {
        let (now, _) = self::leader(client).await?;
        // One that had the time to say goodbye has left the Lease empty.
        Ok(if now == leader || now.is_empty() {
            Seen::NotYet(now)
        } else {
            Seen::Done(now)
        })
    })
    .await?;
    let led = died.elapsed();
    wait::until(
        "the other one to have written",
        TAKEOVER.saturating_sub(led),
        async || {
            let app = chatapp::read(client, example::NAMESPACE, &name).await?;
            let observed = app.status.and_then(|status| status.observed_generation);
            Ok(Seen::when(observed == app.metadata.generation, || {
                format!("{observed:?}")
            }))
        },
    )
    .await?;
    let how = match death {
        Death::PodDeleted => "was deleted",
        Death::Killed => "was killed",
    };
    say!(
        "{leader} {how}; {next} led after {:.1} s and had worked after {:.1} s",
        led.as_secs_f64(),
        died.elapsed().as_secs_f64()
    );
    chatapp::ready(client, example::NAMESPACE, &name, example::PATIENCE).await?;
    load.goes_on(PATIENCE).await?;
    say!("{}", load.no_request_failed().await?);

    let after = children(client).await?;
    ensure!(
        after == before,
        "children before: {before:?}; after: {after:?}"
    );
    let more = self::rollouts(client, &name).await? - rollouts;
    ensure!(more <= 2, "two changes made {more} rollouts");
    let (_, terms_now) = self::leader(client).await?;
    ensure!(
        terms_now == terms + 1,
        "the Lease has changed hands {} times",
        terms_now - terms
    );
    both_are_ready(client).await?;
    if matches!(death, Death::Killed) {
        let now = self::restarts(client, pod).await?;
        ensure!(
            now == restarts + 1,
            "pod {pod} has restarted {} times",
            now - restarts
        );
    }
    Ok(())
}

/// A change that replaces the servers.
async fn change(value: &str) -> Result<()> {
    let change = json!({"spec": {"server": {"env": [{"name": "STORY", "value": value}]}}});
    kubectl::apply(example::NAMESPACE, &example::patched(change)?).await
}

/// How often the pod's program was started again.
async fn restarts(client: &Client, pod: &str) -> Result<i32> {
    let pods = Api::<Pod>::namespaced(client.clone(), SYSTEM);
    let status = pods
        .get(pod)
        .await
        .context("read the operator's pod")?
        .status;
    let containers = status.and_then(|status| status.container_statuses);
    let containers = containers.unwrap_or_default();
    Ok(containers
        .iter()
        .map(|container| container.restart_count)
        .sum())
}

/// Who leads, and how often that has changed.
async fn leader(client: &Client) -> Result<(String, i32)> {
    let leases = Api::<Lease>::namespaced(client.clone(), SYSTEM);
    let lease = leases.get(OPERATOR).await.context("read the Lease")?;
    let spec = lease.spec.context("the Lease is empty")?;
    let holder = spec.holder_identity.context("nobody leads")?;
    Ok((holder, spec.lease_transitions.unwrap_or_default()))
}

async fn both_are_ready(client: &Client) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), SYSTEM);
    wait::until("two operators", PATIENCE, async || {
        let status = deployments.get(OPERATOR).await?.status;
        let ready = status.and_then(|status| status.ready_replicas);
        Ok(Seen::when(ready == Some(2), || {
            format!("{ready:?} are ready")
        }))
    })
    .await
}

/// All that the operator has made in the namespace and that no change of this story replaces, by uid.
async fn children(client: &Client) -> Result<BTreeMap<String, String>> {
    let mut children = BTreeMap::new();
    for (group, version, kind) in [
        ("apps", "v1", "Deployment"),
        ("", "v1", "Service"),
        ("", "v1", "ServiceAccount"),
        ("networking.k8s.io", "v1", "NetworkPolicy"),
        ("policy", "v1", "PodDisruptionBudget"),
        ("postgresql.cnpg.io", "v1", "Cluster"),
    ] {
        let resource =
            kube::api::ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api =
            Api::<DynamicObject>::namespaced_with(client.clone(), example::NAMESPACE, &resource);
        let list = api
            .list(&ours())
            .await
            .with_context(|| format!("list {kind}s"))?;
        children.extend(list.iter().map(|child| {
            (
                format!("{kind}/{}", child.name_any()),
                child.uid().unwrap_or_default(),
            )
        }));
    }
    // The same image and database: no other migration.
    let jobs = Api::<Job>::namespaced(client.clone(), example::NAMESPACE);
    let jobs = jobs.list(&ours()).await.context("list Jobs")?;
    children.extend(jobs.iter().map(|job| {
        (
            format!("Job/{}", job.name_any()),
            job.uid().unwrap_or_default(),
        )
    }));
    Ok(children)
}

fn ours() -> ListParams {
    ListParams::default().labels("app.kubernetes.io/managed-by=chatapp-operator")
}

/// How many pod templates the server has had.
async fn rollouts(client: &Client, name: &str) -> Result<i64> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), example::NAMESPACE);
    let server = deployments
        .get(&format!("{name}-server"))
        .await
        .context("read the server")?;
    let revision = server
        .annotations()
        .get("deployment.kubernetes.io/revision")
        .context("no revision")?;
    revision.parse().context("the revision")
}
