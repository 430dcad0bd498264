//! A second ChatApp that brings no database of its own: it is given the URL of one that exists, in a Secret.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::{chatapp, database::Database, kubectl, repository};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use crate::{World, example};

const FILE: &str = "examples/external-database.yaml";
const DATABASE: &str = "external";

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let cluster = format!("{}-db", example::name()?);
    let database = Database {
        namespace: example::NAMESPACE,
        cluster: &cluster,
    };
    let create = format!("CREATE DATABASE {DATABASE} OWNER app");
    database
        .psql(&world.client, "postgres", &create)
        .await
        .context("create a database")?;
    let url = url_of(world, &format!("{cluster}-app")).await?;

    let app: Value = repository::yaml(FILE)?;
    let name = app["metadata"]["name"]
        .as_str()
        .with_context(|| format!("{FILE} has no metadata.name"))?;
    let secret = &app["spec"]["database"]["external"]["urlSecretRef"];
    let (secret, key) = secret["name"]
        .as_str()
        .zip(secret["key"].as_str())
        .context("urlSecretRef in the example")?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {key: url}});

    let began = Instant::now();
    kubectl::apply(example::NAMESPACE, &secret).await?;
    kubectl::apply_file(example::NAMESPACE, &repository::root().join(FILE)).await?;
    chatapp::ready(&world.client, example::NAMESPACE, name, example::PATIENCE).await?;
    println!(
        "{FILE} was ready {:.1} s after kubectl apply",
        began.elapsed().as_secs_f64()
    );
    example::chat_with(name).await?;
    let messages = database
        .psql(&world.client, DATABASE, "SELECT count(*) > 0 FROM messages")
        .await?;
    ensure!(
        messages == "t",
        "the messages are not in the database {DATABASE}"
    );
    Ok(())
}

/// The URL that CloudNativePG made for the application, with the other database in place of its own.
async fn url_of(world: &World, secret: &str) -> Result<String> {
    let secrets = Api::<Secret>::namespaced(world.client.clone(), example::NAMESPACE);
    let data = secrets
        .get(secret)
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
