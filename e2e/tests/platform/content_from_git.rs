//! A bot author commits: a new dialogue is live within a minute of the push; a file with a mistake is refused with line and
//! reason, in Argo CD too, while the former content goes on; a revert heals it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chatapp_crds::ConditionType;
use e2e::{
    argocd, chatapp,
    deployed::Deployed,
    wait::{self, Seen},
};

use crate::World;

const NAMESPACE: &str = "chatapp-dev";
const NAME: &str = "demo";
const APPLICATION: &str = "chatapp-dev";
const FILE: &str = "manifests/chatapp/envs/dev/content.yaml";
const WITHIN: Duration = Duration::from_mins(1);

pub(crate) async fn story(world: &World) -> Result<()> {
    let deployed = Deployed::clone().await?;
    let before = deployed.read(FILE).await?;
    let told = tell(world, &deployed, &before).await;
    deployed.put_back(&world.client, FILE, &before).await?;
    told?;
    until_synced(world, &deployed).await
}

async fn tell(world: &World, deployed: &Deployed, before: &str) -> Result<()> {
    let question = format!("what is new in {}?", uuid::Uuid::new_v4());
    let answer = "This. It came by a commit.";

    let good = format!("{before}  - text: \"{question}\"\n    replies: [\"{answer}\"]\n");
    let added = deployed
        .commit(&world.client, FILE, &good, "dev: a new dialogue")
        .await?;
    until_it_answers(world, &question, answer, "a commit").await?;

    // The same text twice.
    let bad = format!("{good}  - text: \"{question}\"\n    replies: [\"Nobody knows.\"]\n");
    let line = bad.lines().count() - 1;
    let mistake = deployed
        .commit(&world.client, FILE, &bad, "dev: the same dialogue again")
        .await?;
    let began = Instant::now();
    let said = wait::until("the mistake to be named", WITHIN, async || {
        let app = chatapp::read(&world.client, NAMESPACE, NAME).await?;
        let refused = chatapp::current(&app, ConditionType::ContentLoaded)
            .filter(|condition| condition.status == "False")
            .map(|condition| condition.message.clone());
        Ok(match refused {
            Some(message) if message.contains(&format!("line {line}")) => Seen::Done(message),
            _ => Seen::NotYet(chatapp::in_one_line(&app)),
        })
    })
    .await?;
    say!(
        "{:.1} s after the push: {said}",
        began.elapsed().as_secs_f64()
    );
    wait::until("Argo CD to say the same", WITHIN, async || {
        let application = application(world).await?;
        let told = application.is_degraded()
            && application
                .health_message()
                .contains(&format!("line {line}"));
        Ok(Seen::when(told, || format!("{application:?}")))
    })
    .await?;
    until_it_answers(world, &question, answer, "the refusal").await?;

    deployed.revert(&world.client, &mistake).await?;
    chatapp::ready(&world.client, NAMESPACE, NAME, WITHIN).await?;
    deployed.revert(&world.client, &added).await.map(drop)
}

async fn until_it_answers(world: &World, question: &str, answer: &str, after: &str) -> Result<()> {
    let began = Instant::now();
    wait::until("the new answer", WITHIN, async || {
        let chat = world.chat.start().await.context("begin a chat")?;
        let reply = world.chat.send(chat.chat_id, question).await?;
        Ok(Seen::when(reply == answer, || reply))
    })
    .await?;
    say!(
        "answered {:.1} s after {after}",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// As it was before, so that the next story finds what it expects.
async fn until_synced(world: &World, deployed: &Deployed) -> Result<()> {
    let head = deployed.head().await?;
    wait::until("Argo CD to have the last commit", WITHIN, async || {
        let application = application(world).await?;
        Ok(Seen::when(application.is_at(&head), || {
            format!("{application:?}")
        }))
    })
    .await
}

async fn application(world: &World) -> Result<argocd::Application> {
    let application = argocd::find(&world.client, APPLICATION).await?;
    application.context("the environment has no application")
}
