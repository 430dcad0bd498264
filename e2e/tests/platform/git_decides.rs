//! What is edited by hand goes back to what Git says, within seconds. While Argo CD is down the chat and the operator go on, and
//! what was edited meanwhile goes back when it returns.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::{
    chatapp, kubectl,
    wait::{self, Seen},
};
use serde_json::json;

use crate::World;

const NAMESPACE: &str = "chatapp-dev";
const NAME: &str = "demo";
const CONTROLLER: &str = "statefulset/argocd-application-controller";
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn story(world: &World) -> Result<()> {
    let wanted = replicas(world).await?;
    scale_argocd(0).await?;
    let without = without_argocd(world).await;
    scale_argocd(1).await?;
    without?;
    until_undone(world, wanted, "Argo CD's return").await?;

    edit(1).await?;
    until_undone(world, wanted, "a hand edit").await?;
    chatapp::ready(&world.client, NAMESPACE, NAME, PATIENCE)
        .await
        .map(drop)
}

async fn without_argocd(world: &World) -> Result<()> {
    edit(3).await?;
    chatapp::ready(&world.client, NAMESPACE, NAME, PATIENCE).await?;
    world
        .chat
        .round_trip("hello")
        .await
        .context("chat without Argo CD")
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

async fn scale_argocd(replicas: u8) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    kubectl::run(&["--namespace", "argocd", "scale", CONTROLLER, &replicas]).await?;
    let rollout = [
        "--namespace",
        "argocd",
        "rollout",
        "status",
        CONTROLLER,
        "--timeout=120s",
    ];
    kubectl::run(&rollout).await.map(drop)
}
