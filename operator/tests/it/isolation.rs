//! ChatApps whose names or places are close to each other's have nothing in common.

use std::collections::BTreeSet;

use chatapp_crds::ChatApp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;

use crate::{
    api_server::ApiServer,
    world::{APP, World, app, is_ready, spec},
};

async fn owned<K>(world: &World<'_>, app: &ChatApp) -> BTreeSet<String>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let objects = world.all::<K>().await;
    let ours = objects.iter().filter(|object| {
        let mut owners = object.owner_references().iter();
        owners.any(|owner| Some(&owner.uid) == app.uid().as_ref())
    });
    ours.map(|object| format!("{}/{}", K::kind(&()), object.name_any()))
        .collect()
}

async fn children(world: &World<'_>, app: &ChatApp) -> BTreeSet<String> {
    let mut all = owned::<Deployment>(world, app).await;
    all.extend(owned::<Service>(world, app).await);
    all.extend(owned::<ServiceAccount>(world, app).await);
    all.extend(owned::<Job>(world, app).await);
    all.extend(owned::<NetworkPolicy>(world, app).await);
    all.extend(owned::<PodDisruptionBudget>(world, app).await);
    all
}

#[tokio::test]
async fn names_that_are_close_or_like_a_childs_are_nobodys_trouble() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "isolation").await;
    let long = "a".repeat(39);
    let names = [
        APP.to_owned(),
        format!("{APP}-db"),
        format!("{APP}-server"),
        format!("{APP}-pods"),
        format!("{APP}-jobs"),
        format!("{APP}-migrate"),
        format!("{long}b"),
        format!("{long}c"),
    ];
    for name in &names {
        let app = app(name, &spec());
        let created = world.api().create(&PostParams::default(), &app).await;
        created.expect("the ChatApp");
    }
    let apps = world
        .until("all ready", async || {
            world.play().await?;
            let apps = world.all::<ChatApp>().await;
            apps.iter().all(is_ready).then_some(apps)
        })
        .await;
    let mut seen = BTreeSet::new();
    for app in &apps {
        let children = children(&world, app).await;
        // Account, two Services, two Deployments, a Job, four policies, two budgets.
        assert_eq!(children.len(), 12, "{}: {children:?}", app.name_any());
        for child in children {
            assert!(seen.insert(child.clone()), "{child} has two owners");
        }
    }
    let clusters = world.clusters().list(&ListParams::default()).await;
    assert_eq!(clusters.expect("Clusters").items.len(), names.len());
    // CloudNativePG names its accounts after its Clusters.
    for account in world.all::<ServiceAccount>().await {
        assert!(
            !account.name_any().ends_with("-db"),
            "{}",
            account.name_any()
        );
    }

    // The end of one is nobody else's.
    let before = names_of_apps_but(&world, APP).await;
    let deleted = world
        .api::<ChatApp>()
        .delete(APP, &DeleteParams::background())
        .await;
    deleted.expect("a deletion");
    world
        .until("the end of its children", async || {
            let deployments = world.all::<Deployment>().await;
            let is_gone = deployments.iter().all(|deployment| {
                !["demo-server", "demo-frontend"].contains(&deployment.name_any().as_str())
            });
            is_gone.then_some(())
        })
        .await;
    assert_eq!(names_of_apps_but(&world, APP).await, before);
}

async fn names_of_apps_but(world: &World<'_>, but: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut all = Vec::new();
    for app in world.all::<ChatApp>().await {
        if app.name_any() != but {
            all.push((app.name_any(), children(world, &app).await));
        }
    }
    all
}

#[tokio::test]
async fn the_same_name_in_two_namespaces_is_two_chat_apps() {
    let server = ApiServer::shared().await;
    let one = World::new(server, "isolation-one").await;
    let other = World::new(server, "isolation-other").await;
    one.create_app(spec()).await;
    let app = other.create_app(spec()).await;
    one.bring_up().await;
    other.bring_up().await;
    let before = children(&other, &app).await;
    one.delete::<ChatApp>(APP).await;
    one.until("the end of one", async || {
        one.all::<Deployment>().await.is_empty().then_some(())
    })
    .await;
    assert_eq!(children(&other, &app).await, before);
    let clusters = other.clusters().list(&ListParams::default()).await;
    assert_eq!(clusters.expect("Clusters").items.len(), 1);
}
