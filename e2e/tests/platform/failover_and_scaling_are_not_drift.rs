//! What a cluster does by itself is no difference from Git: the database's primary dies and another instance takes over, and the
//! autoscaler adds servers under load. Argo CD calls the application Synced all the time, and unhealthy at most once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{
    argocd,
    chat::Chat,
    chatapp,
    chronicle::Chronicle,
    conversation::Conversation,
    database::Database,
    forward::Proxy,
    kubectl,
    load::Load,
    namespace,
    wait::{self, Seen},
};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::{World, example, own_application::OwnApplication};

const NAME: &str = "chatapp-e2e-calm";
const APP: &str = "demo";
const DATABASE: Database = Database {
    namespace: NAME,
    cluster: "demo-db",
};
const RESOURCES: &str = "resources: [../base]\ncomponents: [../components/autoscaling]\npatches: [{path: settings.yaml}]\n";
const PATIENCE: Duration = Duration::from_mins(3);
/// More than enough for servers that ask for a hundredth of a core.
const CLIENTS: usize = 8;
const PACE: Duration = Duration::from_millis(250);

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    let application = OwnApplication::prepare(client, NAME).await?;
    let told = tell(client, &application).await;
    application.remove(client).await?;
    told?;
    namespace::remove(client, NAME).await
}

async fn tell(client: &Client, application: &OwnApplication) -> Result<()> {
    application.set_settings(&settings()?)?;
    application.set_resources(RESOURCES)?;
    let commit = application.push("A chat that grows").await?;
    application.create().await?;
    application.until_synced(client, &commit).await?;
    chatapp::ready(client, NAME, APP, example::PATIENCE).await?;
    let conversation = Conversation::hold(NAME, APP).await?;

    let chronicle = Chronicle::begin(client, &[NAME]);
    fail_over(client).await?;
    until_healthy(client, application, &chronicle).await?;
    conversation.goes_on().await.context("after the failover")?;
    let course = chronicle.course(NAME)?;
    course.left_health_at_most(1).context("during a failover")?;
    say!("a failover: {course}");

    let chronicle = Chronicle::begin(client, &[NAME]);
    scale_up(client).await?;
    until_healthy(client, application, &chronicle).await?;
    let course = chronicle.course(NAME)?;
    course
        .left_health_at_most(1)
        .context("while servers were added")?;
    say!("more servers: {course}");
    conversation.goes_on().await.context("after the scaling")
}

fn settings() -> Result<serde_json::Value> {
    let mut settings = example::small(APP)?;
    let servers = json!({
        "replicas": null,
        "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    });
    let patch = json!({"spec": {"server": servers, "database": {"cluster": {"instances": 2}}}});
    example::merge(&mut settings, patch);
    Ok(settings)
}

async fn fail_over(client: &Client) -> Result<()> {
    let primary = DATABASE.primary(client).await?.name_any();
    let began = Instant::now();
    let delete = [
        "--namespace",
        NAME,
        "delete",
        "pod",
        &primary,
        "--grace-period=1",
        "--wait=false",
    ];
    kubectl::run(&delete).await?;
    wait::until("another primary", PATIENCE, async || {
        let now = DATABASE.primary(client).await?.name_any();
        Ok(Seen::when(now != primary, || now))
    })
    .await?;
    wait::until("the database to be healthy", PATIENCE, async || {
        DATABASE.is_healthy(client).await
    })
    .await?;
    chatapp::ready(client, NAME, APP, PATIENCE).await?;
    say!(
        "{primary} was killed; all was well again after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Chats until the autoscaler has added a server, and that one serves.
async fn scale_up(client: &Client) -> Result<()> {
    let proxy = Proxy::open().await?;
    let chat = Chat::at(&proxy.url(NAME, &format!("{APP}-server")))?;
    let load = Load::start(&chat, CLIENTS, PACE).await?;
    let began = Instant::now();
    let autoscalers = Api::<HorizontalPodAutoscaler>::namespaced(client.clone(), NAME);
    wait::until("the autoscaler to add a server", PATIENCE, async || {
        let autoscaler = autoscalers.get(&format!("{APP}-server")).await?;
        let status = autoscaler.status.context("no status")?;
        Ok(Seen::when(status.desired_replicas > 1, || {
            format!("{status:?}")
        }))
    })
    .await?;
    let app = wait::until("the new server to serve", PATIENCE, async || {
        let app = chatapp::ready(client, NAME, APP, PATIENCE).await?;
        let status = app.status.clone().unwrap_or_default();
        let more = status.ready_replicas > 1;
        Ok(if more {
            Seen::Done(app)
        } else {
            Seen::NotYet(format!("{status:?}"))
        })
    })
    .await?;
    ensure!(
        app.spec.server.replicas.is_none(),
        "somebody has written the number of servers into the spec"
    );
    say!(
        "more than one server after {:.1} s; {}",
        began.elapsed().as_secs_f64(),
        load.no_request_failed().await?
    );
    Ok(())
}

/// Waits until Argo CD has compared it with Git after what has happened, and calls it healthy.
async fn until_healthy(
    client: &Client,
    application: &OwnApplication,
    chronicle: &Chronicle,
) -> Result<()> {
    let before = chronicle.course(NAME)?.comparisons();
    argocd::refresh(client, NAME).await?;
    wait::until("Argo CD to have looked", PATIENCE, async || {
        let looked = chronicle.course(NAME)?.comparisons() > before;
        let now = application.read(client).await?;
        Ok(Seen::when(looked && now.is_healthy(), || {
            format!("{now:?}")
        }))
    })
    .await
}
