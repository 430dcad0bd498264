//! What is edited by hand goes back to what Git says, within seconds. While all of Argo CD is down the chat and the operator go on, and
//! what was edited meanwhile goes back when it returns. No request fails in all that time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::{
    argocd, chatapp, kubectl,
    load::Load,
    wait::{self, Seen},
};
use serde_json::json;

use crate::World;

const NAMESPACE: &str = "chatapp-dev";
const NAME: &str = "demo";
/// All of Argo CD, in the order in which it starts: what compares comes when the others can answer.
const ARGOCD: [&str; 4] = [
    "deployment/argocd-redis",
    "deployment/argocd-repo-server",
    "deployment/argocd-applicationset-controller",
    "statefulset/argocd-application-controller",
];
const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn story(world: &World) -> Result<()> {
    let wanted = replicas(world).await?;
    let load = Load::start(&world.chat, CLIENTS, PACE).await?;
    let without = without_argocd(world, &load).await;
    for part in ARGOCD {
        scale(part, 1).await?;
    }
    without?;
    until_undone(world, wanted, "Argo CD's return").await?;

    edit(1).await?;
    until_undone(world, wanted, "a hand edit").await?;
    chatapp::ready(&world.client, NAMESPACE, NAME, PATIENCE).await?;
    load.goes_on(PATIENCE).await?;
    say!("{}", load.no_request_failed().await?);
    Ok(())
}

async fn without_argocd(world: &World, load: &Load) -> Result<()> {
    for part in ARGOCD.iter().rev() {
        scale(part, 0).await?;
    }
    edit(3).await?;
    chatapp::ready(&world.client, NAMESPACE, NAME, PATIENCE).await?;
    load.goes_on(PATIENCE).await.context("chat without Argo CD")
}

async fn replicas(world: &World) -> Result<Option<i32>> {
    let app = chatapp::read(&world.client, NAMESPACE, NAME).await?;
    Ok(app.spec.server.replicas)
}

async fn until_undone(world: &World, wanted: Option<i32>, after: &str) -> Result<()> {
    let began = Instant::now();
    wait::until("the hand edit to be undone", PATIENCE, async || {
        let now = replicas(world).await?;
        Ok(Seen::when(now == wanted, || format!("{now:?} replicas")))
    })
    .await?;
    say!(
        "undone {:.1} s after {after}",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn edit(replicas: i32) -> Result<()> {
    let patch = json!({"spec": {"server": {"replicas": replicas}}}).to_string();
    let arguments = [
        "--namespace",
        NAMESPACE,
        "patch",
        "chatapp",
        NAME,
        "--type=merge",
    ];
    kubectl::run(&[&arguments[..], &["--patch", &patch]].concat())
        .await
        .map(drop)
}

async fn scale(part: &str, replicas: u8) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    kubectl::run(&["--namespace", argocd::NAMESPACE, "scale", part, &replicas]).await?;
    let rollout = [
        "--namespace",
        argocd::NAMESPACE,
        "rollout",
        "status",
        part,
        "--timeout=120s",
    ];
    kubectl::run(&rollout).await.map(drop)
}
