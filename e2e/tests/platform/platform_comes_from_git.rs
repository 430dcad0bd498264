//! From an empty cluster to chats by `argocd/root.yaml` alone: of all that is on the node, hands have applied what the cluster came
//! with, Argo CD, that one file, and secrets, which Git must not have. The rest is there because an application says so, in the order
//! of the waves.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use e2e::{
    argocd,
    inventory::{self, Object},
    registry::Registry,
};

use crate::World;

/// What `argocd/root.yaml` has in it.
const ROOT: [&str; 2] = ["AppProject argocd/root", "Application argocd/root"];
/// What is called so came with the cluster: DNS, metrics, storage.
const CLUSTER: [&str; 5] = [
    "coredns",
    "local-path",
    "metrics-server",
    "system:",
    "v1beta1.metrics.k8s.io",
];
/// Argo CD marks everything that it applies, but CRDs.
const ONLY_CRDS: [&str; 2] = ["crds", "gateway-api"];
/// The first of each wave that has something to wait for.
const WAVES: [&str; 5] = [
    "CustomResourceDefinition chatapps.sillychat.io",
    "Deployment cnpg-system/cnpg-controller-manager",
    "Deployment chatapp-system/chatapp-operator",
    "ValidatingAdmissionPolicy chatapp-images-by-digest",
    "ChatApp chatapp-dev/demo",
];

pub(crate) async fn story(world: &World) -> Result<()> {
    Registry::from_env().context("another cluster has things of others")?;
    let objects = inventory::everything(&world.client).await?;
    let by_hand: BTreeSet<String> = objects
        .iter()
        .filter(|object| object.was_applied_by_hand() && object.application().is_none())
        .filter(|object| !came_with_the_cluster(object) && !is_argocd(object))
        .filter(|object| !is_a_story(object) && !is_given(object))
        .map(ToString::to_string)
        .collect();
    ensure!(
        by_hand == BTreeSet::from(ROOT.map(str::to_owned)),
        "applied by hand: {by_hand:#?}"
    );

    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for application in objects.iter().filter_map(Object::application) {
        *made.entry(application).or_default() += 1;
    }
    for application in argocd::applications(&world.client).await? {
        let name = application.name();
        ensure!(
            made.contains_key(name) || ONLY_CRDS.contains(&name),
            "{name} has made nothing: {made:?}"
        );
    }
    say!("of {} objects these are from Git: {made:?}", objects.len());
    in_order(&objects)
}

fn came_with_the_cluster(object: &Object) -> bool {
    CLUSTER.iter().any(|name| object.name().starts_with(name))
}

/// Argo CD itself, and nothing that it is told to do.
fn is_argocd(object: &Object) -> bool {
    let name = object.name();
    let told = ["Application ", "ApplicationSet ", "AppProject "];
    let is_told = told.iter().any(|kind| object.to_string().starts_with(kind));
    let is_part = object.namespace() == Some(argocd::NAMESPACE)
        || name.starts_with("argocd")
        || name.ends_with(".argoproj.io");
    is_part && !is_told
}

/// What Git must not have.
fn is_given(object: &Object) -> bool {
    object.to_string().starts_with("Secret ")
}

/// Stories are told beside this one, each with a namespace of its own.
fn is_a_story(object: &Object) -> bool {
    let is_one = |name: &str| name.starts_with("chatapp-e2e");
    is_one(object.name()) || object.namespace().is_some_and(is_one)
}

/// On a node that is older than the newest wave this tells nothing: `./just down --purge`.
fn in_order(objects: &[Object]) -> Result<()> {
    let created = WAVES.map(|wave| {
        let object = objects.iter().find(|object| object.to_string() == wave);
        let created = object.and_then(Object::created);
        created.with_context(|| format!("there is no {wave}"))
    });
    let created = created.into_iter().collect::<Result<Vec<_>>>()?;
    ensure!(
        created.is_sorted(),
        "made in another order than {WAVES:?}: {created:?}"
    );
    Ok(())
}
