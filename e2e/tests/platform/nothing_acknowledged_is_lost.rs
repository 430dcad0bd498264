//! Clients chat all the time while the database's primary dies, then is drained, and then a server does. What was
//! acknowledged is there afterwards, once and in order; the chat comes back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{
    audit,
    database::Database,
    kubectl,
    load::{Conversation, Load},
    wait::{self, Seen},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::World;

const NAMESPACE: &str = "chatapp-dev";
const DATABASE: Database = Database {
    namespace: NAMESPACE,
    cluster: "demo-db",
};
const CLIENTS: usize = 8;
const PACE: Duration = Duration::from_millis(250);
const RECOVERY: Duration = Duration::from_mins(3);

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    database_is_healthy(client).await?;
    let load = Load::start(&world.chat, CLIENTS, PACE).await?;
    chat_goes_on(&load).await?;

    // First as when its machine dies: no time to say goodbye, or to send what is written to the standby. Then the new
    // one as when its machine is emptied for an upgrade: with all the time that its pod asks for.
    for grace in ["--grace-period=1", "--grace-period=-1"] {
        let primary = DATABASE.primary(client).await?;
        delete(client, &load, &primary, grace).await?;
        database_is_healthy(client).await?;
        chat_goes_on(&load).await?;
    }

    let server = server_pod(client).await?;
    delete(client, &load, &server, "--grace-period=-1").await?;
    servers_are_healthy(client).await?;
    chat_goes_on(&load).await?;

    let (conversations, figures) = load.stop().await?;
    println!("{figures}");
    audit(world, &conversations).await
}

/// Deletes a pod and waits until it is gone.
async fn delete(client: &Client, load: &Load, pod: &Pod, grace: &str) -> Result<()> {
    let name = pod.name_any();
    let acknowledged: usize = load.acknowledged().iter().sum();
    let began = Instant::now();
    kubectl::run(&[
        "--namespace",
        NAMESPACE,
        "delete",
        "pod",
        &name,
        grace,
        "--wait=false",
    ])
    .await?;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    wait::until(&format!("pod {name} to be gone"), RECOVERY, async || {
        let now = pods.get_opt(&name).await?;
        let gone = now
            .as_ref()
            .is_none_or(|now| now.metadata.uid != pod.metadata.uid);
        Ok(Seen::when(gone, || "it is still there".to_owned()))
    })
    .await?;
    println!(
        "after {acknowledged} messages: deleted {name} with {grace}, gone after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn database_is_healthy(client: &Client) -> Result<()> {
    wait::until("the database to be healthy", RECOVERY, async || {
        DATABASE.is_healthy(client).await
    })
    .await
}

async fn server_pod(client: &Client) -> Result<Pod> {
    let labels = ListParams::default()
        .labels("app.kubernetes.io/instance=demo,app.kubernetes.io/component=server");
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
        .list(&labels)
        .await
        .context("list server pods")?;
    pods.items
        .into_iter()
        .next()
        .context("there is no server pod")
}

async fn servers_are_healthy(client: &Client) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    wait::until("the servers to be healthy", RECOVERY, async || {
        let deployment = deployments.get("demo-server").await?;
        let wanted = deployment.spec.and_then(|spec| spec.replicas);
        let available = deployment
            .status
            .and_then(|status| status.available_replicas);
        Ok(Seen::when(wanted == available, || {
            format!("{available:?} of {wanted:?} are available")
        }))
    })
    .await
}

/// Waits until every client has got more acknowledgements than it has now.
async fn chat_goes_on(load: &Load) -> Result<()> {
    const MORE: usize = 8;
    let before = load.acknowledged();
    wait::until("acknowledgements for every client", RECOVERY, async || {
        let now = load.acknowledged();
        let more = before
            .iter()
            .zip(&now)
            .all(|(before, now)| *now >= before + MORE);
        Ok(Seen::when(more, || {
            format!("{before:?} were acknowledged before, now {now:?}")
        }))
    })
    .await
}

async fn audit(world: &World, conversations: &[Conversation]) -> Result<()> {
    let mut wrong = Vec::new();
    for Conversation { chat_id, sent } in conversations {
        let transcript = world
            .chat
            .transcript(*chat_id)
            .await
            .with_context(|| format!("transcript of {chat_id}"))?;
        let findings = audit::findings(sent, &transcript);
        wrong.extend(
            findings
                .iter()
                .map(|finding| format!("chat {chat_id}: {finding}")),
        );
    }
    ensure!(
        wrong.is_empty(),
        "{} things are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}
