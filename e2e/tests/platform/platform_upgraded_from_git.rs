//! A commit changes the CRD and another one the operator, while people chat: the new operator leads, the new field is known, and no
//! ChatApp notices: no request fails, no pod is another one, no Job runs again, no generation moves. The same on the way back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chatapp_crds::ChatApp;
use e2e::{
    argocd,
    deployed::Deployed,
    kubectl,
    load::Load,
    pods,
    registry::Registry,
    wait::{self, Seen},
};
use k8s_openapi::api::{
    apps::v1::Deployment, batch::v1::Job, coordination::v1::Lease, core::v1::Pod,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::{Value, json};

use crate::{World, example};

const CRD: &str = "manifests/platform/crds/chatapps.sillychat.io.yaml";
const IMAGES: &str = "manifests/platform/operator/kustomization.yaml";
const SYSTEM: &str = "chatapp-system";
const OPERATOR: &str = "chatapp-operator";
const ENVIRONMENTS: [&str; 3] = ["chatapp-dev", "chatapp-staging", "chatapp-prod"];
const APP: &str = "demo";
const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) async fn story(world: &World) -> Result<()> {
    let deployed = Deployed::clone().await?;
    let before = [
        (CRD, deployed.read(CRD).await?),
        (IMAGES, deployed.read(IMAGES).await?),
    ];
    let told = tell(world, &deployed, &before[0].1, &before[1].1).await;
    for (path, text) in &before {
        deployed.put_back(&world.client, path, text).await?;
    }
    told
}

async fn tell(world: &World, deployed: &Deployed, crd: &str, images: &str) -> Result<()> {
    let client = &world.client;
    let old = operator_image(client).await?;
    let new = Registry::from_env()?
        .derive(&old, |config| {
            config["config"]["Labels"]["sillychat.io/e2e"] = json!(uuid::Uuid::new_v4());
        })
        .await?;
    let (_, old_digest) = old.split_once('@').context("no digest")?;
    let (_, new_digest) = new.split_once('@').context("no digest")?;
    ensure!(images.contains(old_digest), "{IMAGES}: {images}");
    ensure!(!knows_the_field().await?, "the field is known already");
    // The story before may have put something back.
    argocd::until_at_rest(client, &[], PATIENCE).await?;
    for namespace in ENVIRONMENTS {
        pods::settled(client, namespace, APP).await?;
    }
    let before = Live::read(client).await?;
    let load = Load::start(&world.chat, CLIENTS, PACE).await?;

    let began = Instant::now();
    let field = deployed
        .commit(client, CRD, &with_a_field(crd)?, "CRD: a new field")
        .await?;
    let images = images.replace(old_digest, new_digest);
    let program = deployed
        .commit(client, IMAGES, &images, "operator: a new image")
        .await?;
    until_upgraded(client, &program, &new).await?;
    ensure!(knows_the_field().await?, "the new field is not known");
    load.goes_on(PATIENCE).await?;
    before.is_untouched(client).await?;
    say!(
        "a new CRD and a new operator were at work after {:.1} s",
        began.elapsed().as_secs_f64()
    );

    let began = Instant::now();
    deployed.revert(client, &program).await?;
    let commit = deployed.revert(client, &field).await?;
    until_upgraded(client, &commit, &old).await?;
    ensure!(!knows_the_field().await?, "the field is still known");
    load.goes_on(PATIENCE).await?;
    before.is_untouched(client).await?;
    say!(
        "and the old ones again after {:.1} s; {}",
        began.elapsed().as_secs_f64(),
        load.no_request_failed().await?
    );
    Ok(())
}

/// What must stay as it is, of all environments.
struct Live {
    generations: BTreeMap<String, Option<i64>>,
    pods: BTreeMap<String, (Option<String>, i32)>,
    jobs: BTreeSet<Option<String>>,
}

impl Live {
    async fn read(client: &Client) -> Result<Self> {
        let mut live = Self {
            generations: BTreeMap::new(),
            pods: BTreeMap::new(),
            jobs: BTreeSet::new(),
        };
        let all = ListParams::default();
        for namespace in ENVIRONMENTS {
            let name = |object: &str| format!("{namespace}/{object}");
            for app in Api::<ChatApp>::namespaced(client.clone(), namespace)
                .list(&all)
                .await?
            {
                let generation = app.metadata.generation;
                live.generations.insert(name(&app.name_any()), generation);
            }
            // Those of Jobs have ended, and may be cleared away.
            let serving = ListParams::default().labels("!batch.kubernetes.io/job-name");
            for pod in Api::<Pod>::namespaced(client.clone(), namespace)
                .list(&serving)
                .await?
            {
                let statuses = pod.status.iter();
                let restarts = statuses
                    .flat_map(|status| status.container_statuses.iter().flatten())
                    .map(|container| container.restart_count)
                    .sum();
                live.pods
                    .insert(name(&pod.name_any()), (pod.uid(), restarts));
            }
            let jobs = Api::<Job>::namespaced(client.clone(), namespace)
                .list_metadata(&all)
                .await?;
            live.jobs.extend(jobs.iter().map(ResourceExt::uid));
        }
        Ok(live)
    }

    async fn is_untouched(&self, client: &Client) -> Result<()> {
        let now = Self::read(client).await?;
        ensure!(
            now.generations == self.generations,
            "generations were {:?}, are {:?}",
            self.generations,
            now.generations
        );
        ensure!(
            now.pods == self.pods,
            "pods were {:?}, are {:?}",
            self.pods,
            now.pods
        );
        let more: Vec<_> = now.jobs.difference(&self.jobs).collect();
        ensure!(more.is_empty(), "Jobs have run: {more:?}");
        Ok(())
    }
}

/// Waits until both parts are what a commit says, and an operator of this image leads.
async fn until_upgraded(client: &Client, commit: &str, image: &str) -> Result<()> {
    for name in ["crds", "operator"] {
        argocd::until_at(client, name, commit, PATIENCE).await?;
    }
    let pods = Api::<Pod>::namespaced(client.clone(), SYSTEM);
    let leases = Api::<Lease>::namespaced(client.clone(), SYSTEM);
    wait::until("a new operator to lead", PATIENCE, async || {
        let lease = leases.get(OPERATOR).await?.spec.context("an empty Lease")?;
        let holder = lease.holder_identity.unwrap_or_default();
        // A process of the pod: its name has a suffix.
        let (name, _) = holder.rsplit_once('-').context("nobody leads")?;
        let pod = pods.get_opt(name).await?;
        let leads = pod.and_then(|pod| pod.spec).is_some_and(|spec| {
            spec.containers
                .iter()
                .any(|one| one.image.as_deref() == Some(image))
        });
        Ok(Seen::when(leads, || format!("{holder} leads")))
    })
    .await
}

async fn operator_image(client: &Client) -> Result<String> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), SYSTEM);
    let deployment = deployments
        .get(OPERATOR)
        .await
        .context("read the operator")?;
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    let container = pod.and_then(|pod| pod.containers.into_iter().next());
    let image = container.and_then(|container| container.image);
    image.context("the operator has no image")
}

/// A field that nothing reads.
fn with_a_field(crd: &str) -> Result<String> {
    let mut crd: Value = serde_saphyr::from_str(crd).context("parse the CRD")?;
    let spec = crd
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
        .and_then(Value::as_object_mut)
        .context("the CRD has no spec")?;
    let field = json!({"type": "string", "description": "What people call it among themselves."});
    spec.insert("nickname".to_owned(), field);
    Ok(crd.to_string())
}

async fn knows_the_field() -> Result<bool> {
    let mut app = example::small("nicknamed")?;
    example::merge(&mut app, json!({"spec": {"nickname": "Nick"}}));
    let outcome = kubectl::dry_run("chatapp-dev", &app).await?;
    ensure!(
        outcome.succeeded || outcome.stderr.contains("nickname"),
        "{outcome:?}"
    );
    Ok(outcome.succeeded)
}
