//! What becomes of the conversations when somebody deletes a ChatApp: they stay, and the next one of the name has them; unless
//! the ChatApp says that they are to go; and in a namespace that is deleted nothing stands in the way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chatapp_crds::RETAINED_LABEL;
use e2e::{
    chatapp,
    conversation::Conversation,
    database::Database,
    events, kubectl, namespace,
    wait::{self, Seen},
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::json;

use crate::{World, example};

const NAMESPACE: &str = "chatapp-e2e-deletion";
const NAME: &str = "keeper";
const DATABASE: Database = Database {
    namespace: NAMESPACE,
    cluster: "keeper-db",
};
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    namespace::make(client, NAMESPACE).await?;
    let app = example::small(NAME)?;
    kubectl::apply(NAMESPACE, &app).await?;
    // It is there when the namespace goes.
    kubectl::apply(NAMESPACE, &example::small("other")?).await?;
    chatapp::ready(client, NAMESPACE, NAME, example::PATIENCE).await?;
    let conversation = Conversation::hold(NAMESPACE, NAME).await?;

    stays(client).await?;
    let began = Instant::now();
    kubectl::apply(NAMESPACE, &app).await?;
    chatapp::ready(client, NAMESPACE, NAME, example::PATIENCE).await?;
    say!(
        "a new ChatApp of the name was ready after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let cluster = DATABASE.find(client).await?.context("no Cluster")?;
    ensure!(
        !cluster.labels().contains_key(RETAINED_LABEL),
        "the Cluster is still labelled as left behind"
    );
    conversation.goes_on().await?;

    let delete = json!({"spec": {"database": {"deletionPolicy": "Delete"}}});
    goes(client, delete).await?;

    chatapp::ready(client, NAMESPACE, "other", example::PATIENCE).await?;
    let began = Instant::now();
    namespace::remove(client, NAMESPACE).await?;
    say!(
        "the namespace, with a ChatApp that served, was gone after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// `kubectl delete` leaves the database behind, and says so.
async fn stays(client: &Client) -> Result<()> {
    let before = DATABASE.find(client).await?.context("no Cluster")?;
    let messages = DATABASE.messages(client).await?;
    let began = Instant::now();
    let arguments = ["--namespace", NAMESPACE, "delete", "chatapp", NAME];
    kubectl::run(&arguments).await?;
    say!(
        "kubectl delete chatapp {NAME} took {:.1} s",
        began.elapsed().as_secs_f64()
    );
    until_pods(
        client,
        "sillychat.io/chatapp=keeper,app.kubernetes.io/component!=database",
    )
    .await?;

    let left = DATABASE
        .find(client)
        .await?
        .context("the Cluster is gone")?;
    ensure!(left.uid() == before.uid(), "it is another Cluster");
    ensure!(
        left.labels().get(RETAINED_LABEL).map(String::as_str) == Some("true"),
        "the Cluster isn't labelled as left behind: {:?}",
        left.labels()
    );
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    secrets
        .get_metadata("keeper-db-app")
        .await
        .context("the database's password is gone")?;
    let told = events::of(client, NAMESPACE, NAME, "DatabaseRetained").await?;
    let told = told
        .first()
        .context("no event says that the database stays")?;
    say!("event: {told}");
    ensure!(
        told.contains("keeper-db"),
        "the event doesn't name the Cluster"
    );
    let now = DATABASE.messages(client).await?;
    ensure!(now == messages, "before: {messages}; after: {now}");
    say!("{now}");
    Ok(())
}

/// `deletionPolicy: Delete` takes the Cluster, its volumes and its secrets along.
async fn goes(client: &Client, policy: serde_json::Value) -> Result<()> {
    let mut app = example::small(NAME)?;
    example::merge(&mut app, policy);
    kubectl::apply(NAMESPACE, &app).await?;
    chatapp::ready(client, NAMESPACE, NAME, example::PATIENCE).await?;
    let began = Instant::now();
    let arguments = ["--namespace", NAMESPACE, "delete", "chatapp", NAME];
    kubectl::run(&arguments).await?;
    until_pods(client, "sillychat.io/chatapp=keeper").await?;
    let volumes = Api::<PersistentVolumeClaim>::namespaced(client.clone(), NAMESPACE);
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    wait::until("everything of it to be gone", PATIENCE, async || {
        let cluster = DATABASE
            .find(client)
            .await?
            .map(|cluster| cluster.name_any());
        let labelled = ListParams::default().labels("cnpg.io/cluster=keeper-db");
        let volumes = volumes.list_metadata(&labelled).await?.items;
        let secret = secrets.get_metadata_opt("keeper-db-app").await?;
        let left: Vec<_> = cluster
            .into_iter()
            .chain(volumes.iter().map(ResourceExt::name_any))
            .chain(secret.iter().map(ResourceExt::name_any))
            .collect();
        Ok(Seen::when(left.is_empty(), || left.join(", ")))
    })
    .await?;
    say!(
        "with deletionPolicy: Delete everything was gone after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn until_pods(client: &Client, labels: &str) -> Result<()> {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let labels = ListParams::default().labels(labels);
    wait::until("its pods to be gone", PATIENCE, async || {
        let pods = pods.list_metadata(&labels).await?.items;
        let names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
        Ok(Seen::when(names.is_empty(), || names.join(", ")))
    })
    .await
}
