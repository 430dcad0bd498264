//! The database's password changes while clients chat, of a database of one's own and of one that is in a Secret: no server is
//! restarted and no request fails.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{
    chat::Chat,
    chatapp,
    database::Database,
    forward::Proxy,
    kubectl,
    load::Load,
    namespace, pods,
    wait::{self, Seen},
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{World, example, external_database};

const NAMESPACE: &str = "chatapp-e2e-password";
const OWN: &str = "own";
const DATABASE: Database = Database {
    namespace: NAMESPACE,
    cluster: "own-db",
};
/// `CloudNativePG` makes it.
const SECRET: &str = "own-db-app";
const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(250);
/// The kubelet writes a changed Secret into its pods when it looks at them, about once a minute.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    namespace::make(client, NAMESPACE).await?;
    kubectl::apply(NAMESPACE, &example::small(OWN)?).await?;
    chatapp::ready(client, NAMESPACE, OWN, example::PATIENCE).await?;
    let external = external_database::Guestbook::of(client, &DATABASE).await?;
    kubectl::apply(NAMESPACE, &external.secret).await?;
    kubectl::apply(NAMESPACE, &external.app).await?;
    chatapp::ready(client, NAMESPACE, &external.name, example::PATIENCE).await?;

    let proxy = Proxy::open().await?;
    let mut loads = Vec::new();
    let mut before = Vec::new();
    for app in [OWN, &external.name] {
        let url = proxy.url(NAMESPACE, &format!("{app}-server"));
        loads.push((app, Load::start(&Chat::at(&url)?, CLIENTS, PACE).await?));
        before.push(pods::settled(client, NAMESPACE, app).await?);
    }
    for (_, load) in &loads {
        load.goes_on(PATIENCE).await?;
    }

    let changed = DATABASE.psql(client, "postgres", "SELECT now()").await?;
    let began = Instant::now();
    let secrets = [SECRET, &external.secret_name];
    change_password(client, &secrets).await?;
    let old = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND backend_start < '{changed}'"
    );
    wait::until("every connection to be a new one", PATIENCE, async || {
        let left = DATABASE.psql(client, "postgres", &old).await?;
        Ok(Seen::when(left == "0", || {
            format!("{left} are from before")
        }))
    })
    .await?;
    say!(
        "all servers had gone over {:.1} s after the Secrets changed",
        began.elapsed().as_secs_f64()
    );
    for (app, load) in loads {
        load.goes_on(PATIENCE)
            .await
            .with_context(|| app.to_owned())?;
        let figures = load.no_request_failed().await;
        say!("{app}: {}", figures.with_context(|| app.to_owned())?);
    }
    for (app, before) in [OWN, &external.name].into_iter().zip(before) {
        let after = pods::settled(client, NAMESPACE, app).await?;
        ensure!(
            before == after,
            "pods of {app} before: {before:?}, after: {after:?}"
        );
    }
    namespace::remove(client, NAMESPACE).await
}

/// Writes another password into Secrets, wherever they have the present one. `CloudNativePG` tells the database.
async fn change_password(client: &Client, names: &[&str]) -> Result<()> {
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let data = secrets.get(SECRET).await.context("read the password")?.data;
    let present = data.unwrap_or_default().remove("password");
    let present = String::from_utf8(present.context("no password")?.0)?;
    let next = Uuid::new_v4().simple().to_string();
    for name in names {
        let secret = secrets
            .get(name)
            .await
            .with_context(|| format!("read Secret {name}"))?;
        let mut changes = serde_json::Map::new();
        for (key, value) in secret.data.unwrap_or_default() {
            let value = String::from_utf8(value.0)?;
            if value.contains(&present) {
                let value = value.replace(&present, &next).into_bytes();
                changes.insert(key, json!(ByteString(value)));
            }
        }
        ensure!(
            !changes.is_empty(),
            "Secret {name} doesn't have the password"
        );
        let patch = Patch::Merge(json!({"data": Value::Object(changes)}));
        secrets
            .patch(name, &PatchParams::default(), &patch)
            .await
            .with_context(|| format!("change Secret {name}"))?;
    }
    Ok(())
}
