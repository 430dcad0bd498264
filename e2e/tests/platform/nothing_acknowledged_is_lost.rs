//! Clients chat all the time while the database's primary dies, then is drained, then gives way to a standby that is promoted, and
//! then a server ends. What was acknowledged is there afterwards, once and in order; the chat comes back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::{
    database::Database,
    kubectl,
    load::Load,
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
    load.goes_on(RECOVERY).await?;

    // First as when its machine dies: no time to say goodbye, or to send what is written to the standby. Then the new
    // one as when its machine is emptied for an upgrade: with all the time that its pod asks for.
    for grace in ["--grace-period=1", "--grace-period=-1"] {
        let primary = DATABASE.primary(client).await?;
        delete(client, &load, &primary, grace).await?;
        database_is_healthy(client).await?;
        load.goes_on(RECOVERY).await?;
    }
    switch_over(client, &load).await?;
    load.goes_on(RECOVERY).await?;

    let server = server_pod(client).await?;
    delete(client, &load, &server, "--grace-period=-1").await?;
    servers_are_healthy(client).await?;
    load.goes_on(RECOVERY).await?;

    say!("{}", load.nothing_is_lost().await?);
    Ok(())
}

/// As before the work on a machine: the standby is told to take over.
async fn switch_over(client: &Client, load: &Load) -> Result<()> {
    let standby = DATABASE.standby(client).await?.name_any();
    let acknowledged: usize = load.acknowledged().iter().sum();
    let began = Instant::now();
    DATABASE.promote(client, &standby).await?;
    wait::until(
        &format!("{standby} to be the primary"),
        RECOVERY,
        async || {
            let primary = DATABASE.primary(client).await?.name_any();
            Ok(Seen::when(primary == standby, || primary))
        },
    )
    .await?;
    say!(
        "after {acknowledged} messages: {standby} was told to take over, and had after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    database_is_healthy(client).await
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
    say!(
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
