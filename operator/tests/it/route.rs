//! A page that can be reached from outside: by an Ingress, then through a Gateway, then not at all.

use chatapp_crds::{ChatApp, ConditionType, Phase};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    world::{APP, World, spec},
};

fn http_routes(world: &World<'_>, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    Api::namespaced_with(
        world.client.clone(),
        namespace,
        &ApiResource::from_gvk(&kind),
    )
}

#[tokio::test]
async fn a_route_comes_changes_and_goes() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "route").await;
    let mut spec = spec();
    spec["route"] = json!({"host": "chat.example.org", "tls": {"secretName": "certificate"},
        "ingress": {"className": "nginx", "annotations": {"example.org/a": "1"}}});
    world.create_app(spec).await;
    world
        .until_reason(ConditionType::RouteReady, "WaitingForIngressController")
        .await;

    // As an ingress controller.
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    let reported = world
        .api::<Ingress>()
        .patch_status(APP, &PatchParams::default(), &Patch::Merge(status))
        .await;
    reported.expect("an Ingress");
    let ready = world.bring_up().await.status.expect("a status");
    assert_eq!(ready.url.as_deref(), Some("https://chat.example.org"));

    // An annotation that is no longer wanted goes, one of the controller's stays.
    let theirs = json!({"metadata": {"annotations": {"controller.example.org/b": "2"}}});
    world.edit::<Ingress>(APP, theirs).await;
    let fewer = json!({"spec": {"route": {"ingress": {"annotations": null}}}});
    world.edit::<ChatApp>(APP, fewer).await;
    world
        .until("the annotation to go", async || {
            let ingress = world.api::<Ingress>().get(APP).await.ok()?;
            let annotations = ingress.metadata.annotations?;
            assert_eq!(annotations["controller.example.org/b"], "2");
            (!annotations.contains_key("example.org/a")).then_some(())
        })
        .await;

    let parent = json!({"name": "public", "namespace": "gateways"});
    let gateway = json!({"spec": {"route": {"ingress": null, "tls": null, "gateway": {"parentRefs": [parent]}}}});
    world.edit::<ChatApp>(APP, gateway).await;
    world
        .until_reason(ConditionType::RouteReady, "WaitingForGateway")
        .await;
    assert!(world.all::<Ingress>().await.is_empty());

    // As a Gateway's controller.
    let routes = http_routes(&world, "route");
    let answer = async |accepted: &str| {
        let live = routes.get(APP).await.expect("an HTTPRoute");
        let generation = live.metadata.generation;
        let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "observedGeneration": generation, "reason": "Test", "message": "not from this namespace"});
        let status = json!({"status": {"parents": [{"parentRef": parent, "controllerName": "example.org/x",
            "conditions": [condition("Accepted", accepted), condition("ResolvedRefs", "True")]}]}});
        let reported = routes
            .patch_status(APP, &PatchParams::default(), &Patch::Merge(status))
            .await;
        reported.expect("a status");
    };
    answer("False").await;
    let app = world
        .until_condition(ConditionType::RouteReady, "refused", |condition| {
            condition.reason == "HTTPRouteRefused"
                && condition.message.contains("not from this namespace")
        })
        .await;
    assert_eq!(
        app.status.and_then(|status| status.phase),
        Some(Phase::Degraded)
    );
    answer("True").await;
    world.bring_up().await;

    let none = json!({"spec": {"route": null}});
    world.edit::<ChatApp>(APP, none).await;
    let app = world
        .until_reason(ConditionType::RouteReady, "NotWanted")
        .await;
    let url = app.status.and_then(|status| status.url);
    assert_eq!(url.as_deref(), Some("http://demo-frontend.route.svc"));
    world
        .until("the end of the HTTPRoute", async || {
            routes.get_opt(APP).await.ok()?.is_none().then_some(())
        })
        .await;
}

#[tokio::test]
async fn the_servers_open_to_the_world_with_a_route_only() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "route-policy").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let clients = async || -> Value {
        let policy: NetworkPolicy = world.api().get("demo-server").await.expect("a policy");
        json!(policy.spec)["ingress"][0]["from"].clone()
    };
    assert!(clients().await.is_array());
    let route = json!({"spec": {"route": {"host": "chat.example.org", "ingress": {}}}});
    world.edit::<ChatApp>(APP, route).await;
    world
        .until("an open policy", async || {
            clients().await.is_null().then_some(())
        })
        .await;
}
