//! What an operator looks at.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
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
    let api: Api<DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        "unreadable",
        &ApiResource::erase::<ChatApp>(&()),
    );
    let odd = json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": "odd"},
        "spec": {"server": {"image": 7}}});
    let odd: DynamicObject = serde_json::from_value(odd).expect("an object");
    world
        .until("the looser rules", async || {
            api.create(&PostParams::default(), &odd).await.ok()
        })
        .await;
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

/// With what the CRD would add.
fn complete_spec() -> serde_json::Value {
    let mut spec = spec();
    spec["server"]["replicas"] = json!(2);
    spec["frontend"]["replicas"] = json!(2);
    spec["database"]["cluster"]["instances"] = json!(1);
    spec
}
