//! Someone writes an image that doesn't exist: the ChatApp says which one and why, what served before goes on, and the
//! right image makes it ready without anything else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chatapp_crds::ConditionType;
use e2e::{
    chatapp, kubectl,
    wait::{self, Seen},
};
use serde_json::Value;

use crate::{World, example};

const WRONG_TAG: &str = "no-such-tag";
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn story(world: &World) -> Result<()> {
    a_new_version(world).await?;
    the_first_database(world).await
}

/// The server's image of a ChatApp that serves.
async fn a_new_version(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let name = example::name()?;
    let mut object = example::object()?;
    let image = object["spec"]["server"]["image"]
        .as_str()
        .context("the example's image")?;
    let wrong = format!("{}:{WRONG_TAG}", repository_of(image));
    object["spec"]["server"]["image"] = Value::String(wrong.clone());
    kubectl::apply(example::NAMESPACE, &object).await?;
    until_named(world, &name, &wrong).await?;
    example::chat_with(&name)
        .await
        .context("the old version doesn't serve any more")?;

    let began = Instant::now();
    world.example.ready(&world.client).await?;
    say!(
        "ready {:.1} s after the right image was applied",
        began.elapsed().as_secs_f64()
    );
    let app = chatapp::read(&world.client, example::NAMESPACE, &name).await?;
    ensure!(
        !chatapp::in_one_line(&app).contains(WRONG_TAG),
        "the wrong image is still there: {}",
        chatapp::in_one_line(&app)
    );
    example::chat_with(&name).await
}

/// The database's image of a ChatApp that is new: CloudNativePG by itself never gets over it.
async fn the_first_database(world: &World) -> Result<()> {
    const NAME: &str = "typo";
    // The number before the first dash is PostgreSQL's version.
    let wrong = format!("ghcr.io/sillychat/postgres:15-{WRONG_TAG}");
    let mut right = example::object()?;
    right["metadata"]["name"] = NAME.into();
    right["spec"]["database"]["cluster"]["instances"] = 1.into();
    let mut object = right.clone();
    object["spec"]["database"]["cluster"]["image"] = Value::String(wrong.clone());
    kubectl::apply(example::NAMESPACE, &object).await?;
    until_named(world, NAME, &wrong).await?;

    let began = Instant::now();
    kubectl::apply(example::NAMESPACE, &right).await?;
    chatapp::ready(&world.client, example::NAMESPACE, NAME, example::PATIENCE).await?;
    say!(
        "ready {:.1} s after the right image was applied",
        began.elapsed().as_secs_f64()
    );
    example::chat_with(NAME).await
}

/// Waits until the ChatApp says which image can't be had, and why.
async fn until_named(world: &World, name: &str, image: &str) -> Result<()> {
    let began = Instant::now();
    let said = wait::until("the wrong image to be named", PATIENCE, async || {
        let app = chatapp::read(&world.client, example::NAMESPACE, name).await?;
        Ok(match chatapp::current(&app, ConditionType::Ready) {
            Some(ready)
                if ready.status == "False" && names(&ready.reason, &ready.message, image) =>
            {
                Seen::Done(format!("{}: {}", ready.reason, ready.message))
            }
            _ => Seen::NotYet(chatapp::in_one_line(&app)),
        })
    })
    .await?;
    say!("after {:.1} s: {said}", began.elapsed().as_secs_f64());
    Ok(())
}

/// Whether a condition names both the error that the kubelet has and the image that it has it with.
fn names(reason: &str, message: &str, image: &str) -> bool {
    let pull_error = ["ErrImagePull", "ImagePullBackOff"];
    message.contains(image)
        && pull_error
            .iter()
            .any(|error| reason.contains(error) || message.contains(error))
}

/// An image's name without its tag and digest. A colon before the last slash belongs to the registry's port.
fn repository_of(image: &str) -> &str {
    let untagged = image.split('@').next().unwrap_or(image);
    match untagged.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => untagged,
    }
}
