//! Somebody removes a ChatApp from Git, and somebody else the whole application: Argo CD asks first, and whatever it removes then, the
//! conversations stay and come back with the ChatApp.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chatapp_crds::RETAINED_LABEL;
use e2e::{
    argocd, chatapp,
    conversation::Conversation,
    database::Database,
    kubectl, namespace,
    wait::{self, Seen},
};
use kube::{Client, ResourceExt};

use crate::{World, example, own_application::OwnApplication};

const NAME: &str = "chatapp-e2e-git";
const APP: &str = "demo";
const DATABASE: Database = Database {
    namespace: NAME,
    cluster: "demo-db",
};
const PATIENCE: Duration = Duration::from_mins(2);
const WITH_APP: &str = "resources: [../base]\npatches: [{path: settings.yaml}]\n";

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    let application = OwnApplication::prepare(client, NAME).await?;
    let told = tell(client, &application).await;
    application.remove(client).await?;
    told?;
    namespace::remove(client, NAME).await
}

async fn tell(client: &Client, application: &OwnApplication) -> Result<()> {
    application.set_settings(&example::small(APP)?)?;
    application.set_resources(WITH_APP)?;
    let commit = application.push("A chat").await?;
    application.create().await?;
    application.until_synced(client, &commit).await?;
    chatapp::ready(client, NAME, APP, example::PATIENCE).await?;
    let conversation = Conversation::hold(NAME, APP).await?;
    let messages = DATABASE.messages(client).await?;
    let uid = DATABASE
        .find(client)
        .await?
        .and_then(|cluster| cluster.uid());

    application.set_resources("")?;
    application.push("No chat").await?;
    argocd::refresh(client, NAME).await?;
    until_asked(client, application).await?;
    conversation
        .goes_on()
        .await
        .context("before the removal is confirmed")?;
    let messages_then = DATABASE.messages(client).await?;
    ensure!(
        messages != messages_then,
        "the checksum doesn't notice a message"
    );
    let began = Instant::now();
    approve(client).await?;
    until_left_behind(client, &messages_then, uid.as_deref()).await?;
    say!(
        "pruned {:.1} s after the confirmation; {messages_then}",
        began.elapsed().as_secs_f64()
    );

    application.set_resources(WITH_APP)?;
    let commit = application.push("The chat again").await?;
    argocd::refresh(client, NAME).await?;
    application.until_synced(client, &commit).await?;
    chatapp::ready(client, NAME, APP, example::PATIENCE).await?;
    conversation.goes_on().await.context("after it came back")?;

    let messages = DATABASE.messages(client).await?;
    let began = Instant::now();
    let delete = [
        "--namespace",
        argocd::NAMESPACE,
        "delete",
        "application",
        NAME,
        "--wait=false",
    ];
    kubectl::run(&delete).await?;
    approve(client).await?;
    until_left_behind(client, &messages, uid.as_deref()).await?;
    application.until_gone(client).await?;
    say!(
        "the application was gone after {:.1} s; {messages}",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Waits until Argo CD waits for somebody to confirm the removal.
async fn until_asked(client: &Client, application: &OwnApplication) -> Result<()> {
    let told = wait::until("Argo CD to ask", PATIENCE, async || {
        let message = application.read(client).await?.message().to_owned();
        Ok(if message.contains("confirm") {
            Seen::Done(message)
        } else {
            Seen::NotYet(message)
        })
    })
    .await?;
    say!("Argo CD: {told}");
    Ok(())
}

async fn approve(client: &Client) -> Result<()> {
    let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
    argocd::approve_deletion(client, NAME, &now).await
}

/// Waits until the ChatApp is gone. Its database isn't.
async fn until_left_behind(client: &Client, messages: &str, uid: Option<&str>) -> Result<()> {
    wait::until("the ChatApp to be gone", PATIENCE, async || {
        let app = chatapp::find(client, NAME, APP).await?;
        Ok(Seen::when(app.is_none(), || "it is still there".to_owned()))
    })
    .await?;
    let cluster = DATABASE
        .find(client)
        .await?
        .context("the Cluster is gone")?;
    ensure!(cluster.uid().as_deref() == uid, "it is another Cluster");
    ensure!(
        cluster.metadata.deletion_timestamp.is_none()
            && cluster.labels().contains_key(RETAINED_LABEL),
        "the Cluster isn't labelled as left behind: {:?}",
        cluster.metadata
    );
    let now = DATABASE.messages(client).await?;
    ensure!(now == messages, "before: {messages}; after: {now}");
    Ok(())
}
