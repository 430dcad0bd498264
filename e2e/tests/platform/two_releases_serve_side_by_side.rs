//! An upgrade to a release with another schema, and the way back: servers of both releases serve one database at the same time, while
//! clients chat through them, and every request is answered.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use chatapp_crds::Upgrade;
use e2e::{
    chatapp,
    database::Database,
    kubectl,
    next_release::NextRelease,
    pods,
    registry::Registry,
    wait::{self, Seen},
};
use kube::Client;
use serde_json::json;

use crate::{World, constant_load::ConstantLoad, example};

const PATIENCE: Duration = Duration::from_mins(1);
/// Several, so that a rollout takes its time.
const SERVERS: u32 = 3;

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    let name = example::name()?;
    let app = world.example.ready(client).await?;
    let this = app.spec.server.image;
    let next = NextRelease::of_this()?;
    let began = Instant::now();
    // Named by digest, as an image of dev's is.
    let known = chatapp::read(client, "chatapp-dev", "demo").await?;
    let image = next
        .image(&Registry::from_env()?, &known.spec.server.image)
        .await?;
    say!(
        "{} after {}: built in {:.0} s",
        next.version,
        next.former,
        began.elapsed().as_secs_f64()
    );
    let told = side_by_side(client, &name, &next, &this, &image).await;
    // Whatever came of it: others use the database after this.
    let back = example::patched(json!({}))?;
    kubectl::apply(example::NAMESPACE, &back).await?;
    chatapp::ready(client, example::NAMESPACE, &name, example::PATIENCE).await?;
    let cluster = format!("{name}-db");
    let database = Database {
        namespace: example::NAMESPACE,
        cluster: &cluster,
    };
    let is_migrated = format!(
        "SELECT count(*) FROM _sqlx_migrations WHERE version = {}",
        next.migration
    );
    if database.psql(client, "app", &is_migrated).await?.trim() == "1" {
        database.psql(client, "app", &next.undo()).await?;
    }
    told
}

async fn side_by_side(
    client: &Client,
    name: &str,
    next: &NextRelease,
    this: &str,
    image: &str,
) -> Result<()> {
    let spec = |image: &str| {
        example::patched(json!({"spec": {"server": {"image": image, "replicas": SERVERS}}}))
    };
    kubectl::apply(example::NAMESPACE, &spec(this)?).await?;
    chatapp::ready(client, example::NAMESPACE, name, example::PATIENCE).await?;
    pods::settled(client, example::NAMESPACE, name).await?;
    let load = ConstantLoad::start(name).await?;

    kubectl::apply(example::NAMESPACE, &spec(image)?).await?;
    let upgrade = Upgrade {
        from: this.to_owned(),
        to: image.to_owned(),
        migrations: Some(vec![next.migration_name()]),
    };
    until_told(client, name, &upgrade).await?;
    let both = roll_out(client, name, [this, image]).await?;
    say!("up: both releases served for {:.1} s", both.as_secs_f64());
    let app = chatapp::ready(client, example::NAMESPACE, name, example::PATIENCE).await?;
    let schema = app.status.and_then(|status| status.schema_version);
    ensure!(
        schema == Some(i64::from(next.migration)),
        "the schema is {schema:?}"
    );
    load.goes_on().await?;

    // `git revert`: the former release works on the schema as it is now.
    kubectl::apply(example::NAMESPACE, &spec(this)?).await?;
    let both = roll_out(client, name, [this, image]).await?;
    say!("back: both releases served for {:.1} s", both.as_secs_f64());
    load.goes_on().await?;
    pods::settled(client, example::NAMESPACE, name).await?;
    load.no_request_failed().await
}

/// What an upgrade is going to do is in the status before it is done.
async fn until_told(client: &Client, name: &str, upgrade: &Upgrade) -> Result<()> {
    wait::until("the plan of the upgrade", PATIENCE, async || {
        let app = chatapp::read(client, example::NAMESPACE, name).await?;
        let told = app.status.and_then(|status| status.upgrade);
        Ok(Seen::when(told.as_ref() == Some(upgrade), || {
            format!("{told:?}")
        }))
    })
    .await
}

/// Waits for the end of a rollout. Returns for how long servers of both images were ready at the same time.
async fn roll_out(client: &Client, name: &str, images: [&str; 2]) -> Result<Duration> {
    let images = BTreeSet::from(images.map(str::to_owned));
    let mut both = (None, None);
    wait::until("the rollout", example::PATIENCE, async || {
        let serving = pods::ready_images(client, example::NAMESPACE, name).await?;
        if images.is_subset(&serving) {
            both.0.get_or_insert_with(Instant::now);
            both.1 = Some(Instant::now());
        }
        let app = chatapp::read(client, example::NAMESPACE, name).await?;
        Ok(Seen::when(
            both.0.is_some() && chatapp::is_ready(&app),
            || format!("{serving:?} serve; {}", chatapp::in_one_line(&app)),
        ))
    })
    .await?;
    let (Some(first), Some(last)) = both else {
        anyhow::bail!("no two releases served at the same time");
    };
    Ok(last.duration_since(first))
}
