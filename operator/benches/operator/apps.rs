//! The ChatApps: made, changed, and waited for.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chatapp_crds::ChatApp;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt as _, wait::await_condition, watcher},
};
use serde_json::json;

use crate::operator::Operator;

/// ChatApps in a namespace.
const PER_NAMESPACE: usize = 100;
/// Requests at the same time, as many as the operator may have: 8 passes, 4 objects of each.
pub(crate) const CONCURRENCY: usize = 32;
/// The longest that anything may take.
const LIMIT: Duration = Duration::from_mins(20);

pub(crate) fn namespace(number: usize) -> String {
    format!("bench-{}", number / PER_NAMESPACE)
}

fn name(number: usize) -> String {
    format!("chat-{number}")
}

/// Creates the namespaces and the ChatApps in them.
pub(crate) async fn create(client: &Client, count: usize) -> anyhow::Result<()> {
    for first in (0..count).step_by(PER_NAMESPACE) {
        create_namespace(client, &namespace(first)).await?;
    }
    stream::iter((0..count).map(Ok))
        .try_for_each_concurrent(CONCURRENCY, async |number| {
            let app: ChatApp = serde_json::from_value(json!({
                "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": name(number)},
                "spec": {
                    "server": {"image": "registry.example.org/chat-server:1"},
                    "frontend": {"image": "registry.example.org/frontend:1"},
                    "database": {"cluster": {"storage": {"size": "1Gi"}}},
                },
            }))?;
            let api: Api<ChatApp> = Api::namespaced(client.clone(), &namespace(number));
            api.create(&PostParams::default(), &app).await?;
            Ok(())
        })
        .await
}

pub(crate) async fn create_namespace(client: &Client, name: &str) -> anyhow::Result<()> {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}

fn is_ready(app: &ChatApp) -> bool {
    let conditions = app.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| {
        condition.type_ == "Ready"
            && condition.status == "True"
            && condition.observed_generation == app.metadata.generation
    })
}

/// Waits until all of them are ready.
pub(crate) async fn until_ready(client: &Client, count: usize) -> anyhow::Result<()> {
    let api: Api<ChatApp> = Api::all(client.clone());
    let events = watcher(api.clone(), watcher::Config::default())
        .default_backoff()
        .touched_objects();
    let mut events = std::pin::pin!(events);
    let mut ready = std::collections::HashSet::new();
    let all = async {
        while ready.len() < count {
            if let Some(Ok(app)) = events.next().await
                && is_ready(&app)
            {
                ready.insert(app.name_any());
            }
        }
    };
    tokio::time::timeout(LIMIT, all)
        .await
        .context("not all ChatApps get ready")?;
    let ready = api
        .list(&ListParams::default())
        .await?
        .items
        .iter()
        .filter(|app| is_ready(app))
        .count();
    anyhow::ensure!(ready == count, "{ready} of {count} ChatApps are ready");
    Ok(())
}

/// Waits until metrics say so.
async fn until(operator: &Operator, what: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let asking = async {
        while !operator
            .ask("metrics")
            .await
            .is_some_and(|(_, text)| what(&text))
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking)
        .await
        .context("the operator does not get quiet")
}

/// Waits until nothing waits for a pass.
pub(crate) async fn until_quiet(operator: &Operator) -> anyhow::Result<()> {
    // Longer than changes are collected before a pass.
    for _ in 0..5 {
        until(operator, |text| {
            text.contains("chatapp_operator_queue_depth 0\n")
        })
        .await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Waits until there have been so many passes.
pub(crate) async fn until_passes(operator: &Operator, count: usize) -> anyhow::Result<()> {
    until(operator, |text| {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("chatapp_operator_reconciles_total{"));
        let counts = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
        counts.sum::<usize>() >= count
    })
    .await
}

/// Changes one ChatApp after the other; how long it takes until the child is changed, median and 99th percentile.
pub(crate) async fn changes(
    client: &Client,
    count: usize,
    changes: usize,
) -> anyhow::Result<(Duration, Duration)> {
    let mut times = Vec::new();
    for change in 0..changes {
        let number = change * 7919 % count;
        // Another one at each visit.
        let replicas = 3 + i32::try_from(change / count % 2)?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace(number));
        let apps: Api<ChatApp> = Api::namespaced(client.clone(), &namespace(number));
        let has_arrived = |live: Option<&Deployment>| {
            live.and_then(|live| live.spec.as_ref())
                .is_some_and(|spec| spec.replicas == Some(replicas))
        };
        let server = format!("{}-server", name(number));
        let arrival = await_condition(deployments, &server, has_arrived);
        let start = Instant::now();
        let patch = Patch::Merge(json!({"spec": {"server": {"replicas": replicas}}}));
        apps.patch(&name(number), &PatchParams::default(), &patch)
            .await?;
        tokio::time::timeout(LIMIT, arrival)
            .await
            .context("a change does not arrive")??;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let percentile = |percent: usize| {
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
    };
    let times = percentile(50).zip(percentile(99)).context("no changes")?;
    Ok((*times.0, *times.1))
}
