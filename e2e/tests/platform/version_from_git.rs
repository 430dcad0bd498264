//! A version's way: released to dev, promoted to staging and production once it is Ready in the environment before, and back by
//! `git revert`. One that can't migrate is Degraded with the reason in Argo CD's message, and what ran before serves on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{
    argocd,
    chat::Chat,
    chatapp,
    deployed::Deployed,
    forward::Forward,
    registry::Registry,
    repository,
    wait::{self, Seen},
};
use serde_json::{Value, json};

use crate::World;

const PATIENCE: Duration = Duration::from_mins(4);

pub(crate) async fn story(world: &World) -> Result<()> {
    let deployed = Deployed::clone().await?;
    let mut before = Vec::new();
    for environment in ["dev", "staging", "prod"] {
        let path = version_file(environment);
        before.push((deployed.read(&path).await?, path));
    }
    let told = tell(world, &deployed, &before[0].0).await;
    for (version, path) in &before {
        deployed.put_back(&world.client, path, version).await?;
    }
    told
}

async fn tell(world: &World, deployed: &Deployed, first: &str) -> Result<()> {
    let registry = Registry::from_env()?;
    let image = server_image(first)?;

    a_version_that_cannot_migrate(world, deployed, &registry, first, &image).await?;

    let new = registry
        .derive(&image, |config| {
            config["config"]["Labels"]["sillychat.io/e2e"] = json!(uuid::Uuid::new_v4());
        })
        .await?;
    release(world, deployed, "dev", first, &image, &new).await?;
    // Before Argo CD and the operator have done anything.
    let refused = promote("staging").await;
    ensure!(
        refused
            .as_ref()
            .is_err_and(|error| error.to_string().contains("dev is no proof")),
        "promoted without proof: {refused:?}"
    );
    until_it_serves(world, "dev", &new).await?;
    promote("staging").await?;
    until_it_serves(world, "staging", &new).await?;
    promote("prod").await?;
    let promoted = deployed.head().await?;
    until_it_serves(world, "prod", &new).await?;

    deployed.revert(&world.client, &promoted).await?;
    until_it_serves(world, "prod", &image).await?;
    the_chat_works("chatapp-prod").await?;

    // A build that is there already is released by its digest, once more.
    repository::just(&["release"]).await?;
    until_it_serves(world, "dev", &image).await
}

async fn a_version_that_cannot_migrate(
    world: &World,
    deployed: &Deployed,
    registry: &Registry,
    version: &str,
    image: &str,
) -> Result<()> {
    const REASON: &str = "column mood is missing";
    let broken = registry
        .derive(image, |config| {
            let script = format!("echo '{REASON}' >&2; exit 3");
            config["config"]["Entrypoint"] = json!(["/bin/sh", "-c", script]);
        })
        .await?;
    let commit = release(world, deployed, "dev", version, image, &broken).await?;
    let began = Instant::now();
    wait::until("Argo CD to say why", PATIENCE, async || {
        let application = application(world).await?;
        let told = application.is_degraded() && application.health_message().contains(REASON);
        Ok(Seen::when(told, || format!("{application:?}")))
    })
    .await?;
    say!(
        "Degraded with the reason {:.1} s after the push",
        began.elapsed().as_secs_f64()
    );
    world
        .chat
        .round_trip("hello")
        .await
        .context("the old version doesn't serve any more")?;
    deployed.revert(&world.client, &commit).await?;
    until_it_serves(world, "dev", image).await
}

/// What a release does, with an image that no build made.
async fn release(
    world: &World,
    deployed: &Deployed,
    environment: &str,
    version: &str,
    old: &str,
    new: &str,
) -> Result<String> {
    let path = version_file(environment);
    let message = format!("{environment}: {new}");
    deployed
        .commit(&world.client, &path, &version.replace(old, new), &message)
        .await
}

async fn promote(environment: &str) -> Result<()> {
    repository::just(&["promote", environment]).await.map(drop)
}

/// Waits until an environment's chat is Ready with an image, all of Argo CD included.
async fn until_it_serves(world: &World, environment: &str, image: &str) -> Result<()> {
    let namespace = format!("chatapp-{environment}");
    let began = Instant::now();
    argocd::refresh(&world.client, &namespace).await?;
    wait::until(
        &format!("{environment} to serve {image}"),
        PATIENCE,
        async || {
            let app = chatapp::read(&world.client, &namespace, "demo").await?;
            let status = app
                .status
                .as_ref()
                .and_then(|status| status.image.as_deref());
            let serves =
                chatapp::is_ready(&app) && status == Some(image) && app.spec.server.image == image;
            Ok(Seen::when(serves, || chatapp::in_one_line(&app)))
        },
    )
    .await?;
    say!(
        "{environment} serves it after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn the_chat_works(namespace: &str) -> Result<()> {
    let forward = Forward::to(namespace, "demo-frontend").await?;
    Chat::at(forward.url())?.round_trip("hello").await
}

fn version_file(environment: &str) -> String {
    format!("manifests/chatapp/envs/{environment}/version.yaml")
}

fn server_image(version: &str) -> Result<String> {
    let version: Value = serde_saphyr::from_str(version).context("parse version.yaml")?;
    let image = version["spec"]["server"]["image"].as_str();
    image
        .map(ToOwned::to_owned)
        .context("version.yaml has no image of the server")
}

async fn application(world: &World) -> Result<argocd::Application> {
    let application = argocd::find(&world.client, "chatapp-dev").await?;
    application.context("the environment has no application")
}
