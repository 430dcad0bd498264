//! What an operator looks at.

use chatapp_crds::{ChatApp, ConditionType, DATABASE_FINALIZER, RETAINED_LABEL};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, CustomResourceExt},
};
use serde_json::json;

use crate::{
    api_server::ApiServer,
    operator::{Operator, Options},
    world::{World, app, spec},
};

#[tokio::test]
async fn several_namespaces_are_watched_and_no_others() {
    let server = ApiServer::shared().await;
    let one = World::without_operator(server, "scope-one").await;
    let two = World::without_operator(server, "scope-two").await;
    let other = World::without_operator(server, "scope-other").await;
    let options = Options {
        namespaces: "scope-one,scope-two".to_owned(),
        ..Options::default()
    };
    let operator = Operator::spawn(server, &one.directory, "operator", options);
    operator.until_ready().await;
    for world in [&other, &one, &two] {
        world.create_app(spec()).await;
    }
    one.bring_up().await;
    two.bring_up().await;
    let left: ChatApp = other.api().get("demo").await.expect("the ChatApp");
    assert!(left.status.is_none());
    assert!(
        !other
            .requests()
            .iter()
            .any(crate::audit::Request::is_by_operator)
    );
    operator.stop();
}

#[tokio::test]
async fn all_namespaces_are_watched_unless_some_are_named() {
    // Of its own: the others have operators too.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let one = World::without_operator(&server, "all-one").await;
    let two = World::without_operator(&server, "all-two").await;
    let operator = Operator::spawn(&server, &one.directory, "operator", Options::default());
    operator.until_ready().await;
    for world in [&one, &two] {
        world.create_app(spec()).await;
        world.bring_up().await;
    }
    operator.stop();
}

#[tokio::test]
async fn a_chatapp_that_can_not_be_read_stops_no_other() {
    // Of its own: its CRD lets everything through.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let mut world = World::without_operator(&server, "unreadable").await;
    let_everything_through(&world).await;
    create_odd(&world).await;
    world.start_operator().await;
    let good = app("demo", &complete_spec());
    world
        .api()
        .create(&PostParams::default(), &good)
        .await
        .expect("the ChatApp");
    world
        .until_reason(ConditionType::DatabaseReady, "ClusterNotReady")
        .await;
    world.bring_up().await;
}

/// As after a rollback of the operator, or of its CRD.
#[tokio::test]
async fn a_chatapp_that_can_not_be_read_can_be_deleted_and_its_database_stays() {
    // Of its own: its CRD lets everything through.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let mut world = World::without_operator(&server, "unreadable-deleted").await;
    let_everything_through(&world).await;
    let odd = create_odd(&world).await;
    create_database_of(&world, &odd).await;
    let labels =
        json!({"sillychat.io/chatapp": "odd", "app.kubernetes.io/managed-by": "chatapp-operator"});
    let template =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}});
    let job = json!({"metadata": {"name": "odd-migrate", "labels": labels}, "spec": {"template": template}});
    let job: Job = serde_json::from_value(job).expect("a Job");
    let created = world.api().create(&PostParams::default(), &job).await;
    created.expect("a Job");
    world.start_operator().await;
    let odds = odds(&world);
    let deleted = odds.delete("odd", &DeleteParams::default()).await;
    deleted.expect("a deletion");
    world
        .until("the end of the Job and of the ChatApp", async || {
            world.collect_garbage().await;
            let is_gone = odds.get_opt("odd").await.ok()?.is_none();
            (is_gone && world.all::<Job>().await.is_empty()).then_some(())
        })
        .await;
    assert!(is_retained(&world).await);

    // Nothing is decided in a namespace that goes, too.
    let mut world = World::without_operator(&server, "unreadable-going").await;
    let odd = create_odd(&world).await;
    create_database_of(&world, &odd).await;
    world.start_operator().await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let deleted = namespaces
        .delete("unreadable-going", &DeleteParams::default())
        .await;
    deleted.expect("a deletion");
    // As the controller of namespaces.
    let odds = self::odds(&world);
    let deleted = odds.delete("odd", &DeleteParams::default()).await;
    deleted.expect("a deletion");
    world
        .until("the end of the ChatApp", async || {
            odds.get_opt("odd").await.ok()?.is_none().then_some(())
        })
        .await;
    assert!(!is_retained(&world).await);
}

async fn let_everything_through(world: &World<'_>) {
    let crds: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let anything = json!({"spec": {"versions": [{
        "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }]}});
    crds.patch(
        ChatApp::crd_name(),
        &PatchParams::default(),
        &Patch::Merge(anything),
    )
    .await
    .expect("a looser CRD");
}

/// ChatApps of any shape.
fn odds(world: &World<'_>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<ChatApp>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

/// A ChatApp that can't be read, as soon as the API server takes it.
async fn create_odd(world: &World<'_>) -> DynamicObject {
    let odd = json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
        "metadata": {"name": "odd", "finalizers": [DATABASE_FINALIZER]}, "spec": {"server": {"image": 7}}});
    let odd: DynamicObject = serde_json::from_value(odd).expect("an object");
    world
        .until("the looser rules", async || {
            let created = odds(world).create(&PostParams::default(), &odd).await;
            created.ok()
        })
        .await
}

/// As the operator has made it when it could read the ChatApp, whose policy was `Delete`.
async fn create_database_of(world: &World<'_>, odd: &DynamicObject) {
    let owner = json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": "odd", "uid": odd.uid(), "controller": true});
    let cluster = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {
        "name": "odd-db", "ownerReferences": [owner],
        "labels": {"sillychat.io/chatapp": "odd", "app.kubernetes.io/managed-by": "chatapp-operator"},
    }});
    let cluster: DynamicObject = serde_json::from_value(cluster).expect("a Cluster");
    let created = world
        .clusters()
        .create(&PostParams::default(), &cluster)
        .await;
    created.expect("the Cluster");
}

/// Marked, and out of the garbage collector's reach.
async fn is_retained(world: &World<'_>) -> bool {
    let cluster = world.clusters().get("odd-db").await;
    let cluster = cluster.expect("the Cluster stays");
    cluster.labels().contains_key(RETAINED_LABEL) && cluster.owner_references().is_empty()
}

/// With what the CRD would add.
fn complete_spec() -> serde_json::Value {
    let mut spec = spec();
    spec["server"]["replicas"] = json!(2);
    spec["frontend"]["replicas"] = json!(2);
    spec["database"]["cluster"]["instances"] = json!(1);
    spec
}
