//! A second ChatApp that brings no database of its own: it is given the URL of one that exists, in a Secret. As long as the Secret
//! isn't there, it says so.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chatapp_crds::ConditionType;
use e2e::{chatapp, database::Database, kubectl, repository};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{World, example};

const FILE: &str = "examples/external-database.yaml";
const DATABASE: &str = "external";
const PATIENCE: Duration = Duration::from_mins(1);

/// The example of `FILE`, and the Secret that it wants.
pub(crate) struct Guestbook {
    pub(crate) name: String,
    pub(crate) app: Value,
    pub(crate) secret_name: String,
    pub(crate) secret: Value,
}

impl Guestbook {
    /// On a database of its own in a `Cluster` that is there.
    pub(crate) async fn of(client: &Client, cluster: &Database<'_>) -> Result<Self> {
        let create = format!("CREATE DATABASE {DATABASE} OWNER app");
        cluster
            .psql(client, "postgres", &create)
            .await
            .context("create a database")?;
        let url = url_of(client, cluster).await?;
        let app: Value = repository::yaml(FILE)?;
        let secret = &app["spec"]["database"]["external"]["urlSecretRef"];
        let text = |value: &Value, what: &str| {
            let text = value.as_str().map(ToOwned::to_owned);
            text.with_context(|| format!("{FILE} has no {what}"))
        };
        let secret_name = text(&secret["name"], "Secret")?;
        let key = text(&secret["key"], "key of a Secret")?;
        Ok(Self {
            name: text(&app["metadata"]["name"], "metadata.name")?,
            secret: json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret_name}, "stringData": {key: url},
            }),
            secret_name,
            app,
        })
    }
}

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    world.example.ready(client).await?;
    let cluster = format!("{}-db", example::name()?);
    let database = Database {
        namespace: example::NAMESPACE,
        cluster: &cluster,
    };
    let guestbook = Guestbook::of(client, &database).await?;
    let name = &guestbook.name;

    kubectl::apply_file(example::NAMESPACE, &repository::root().join(FILE)).await?;
    let app = (example::NAMESPACE, name.as_str());
    let missing = [guestbook.secret_name.as_str()];
    let told = chatapp::until_told(client, app, ConditionType::Ready, &missing, PATIENCE).await?;
    say!("without the Secret: {told}");

    let began = Instant::now();
    kubectl::apply(example::NAMESPACE, &guestbook.secret).await?;
    chatapp::ready(client, example::NAMESPACE, name, example::PATIENCE).await?;
    say!(
        "{FILE} was ready {:.1} s after its Secret was there",
        began.elapsed().as_secs_f64()
    );
    example::chat_with(name).await?;
    let messages = database
        .psql(client, DATABASE, "SELECT count(*) > 0 FROM messages")
        .await?;
    ensure!(
        messages == "t",
        "the messages are not in the database {DATABASE}"
    );
    Ok(())
}

/// The URL that CloudNativePG made for the application, with the other database in place of its own.
async fn url_of(client: &Client, cluster: &Database<'_>) -> Result<String> {
    let secrets = Api::<Secret>::namespaced(client.clone(), cluster.namespace);
    let data = secrets
        .get(&format!("{}-app", cluster.cluster))
        .await
        .context("read CloudNativePG's secret")?
        .data
        .unwrap_or_default();
    let url = String::from_utf8(
        data.get("uri")
            .context("CloudNativePG's secret has no uri")?
            .0
            .clone(),
    )?;
    // Never in a message: it has the password.
    let (server, _) = url
        .rsplit_once('/')
        .context("CloudNativePG's uri has no path")?;
    Ok(format!("{server}/{DATABASE}"))
}
