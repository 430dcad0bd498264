//! What somebody changes by hand comes back; what the operator has no opinion about stays.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, networking::v1::NetworkPolicy};
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    route::http_routes,
    world::{APP, World, image, spec},
};

const SIDECAR: &str = "sidecar.example.org/inject";
const HASH: &str = "sillychat.io/applied-hash";

#[tokio::test]
async fn a_deployment_that_was_changed_or_deleted_comes_back() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-deployment").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let before: Deployment = world.api().get("demo-server").await.expect("the server");

    let change = json!({
        "metadata": {"annotations": {SIDECAR: "true"}},
        "spec": {"replicas": 7, "template": {"metadata": {"annotations": {SIDECAR: "true"}}}},
    });
    world.edit::<Deployment>("demo-server", change).await;
    let after = world
        .until("two replicas", async || {
            let live: Deployment = world.api().get("demo-server").await.ok()?;
            (live.spec.as_ref()?.replicas == Some(2)).then_some(live)
        })
        .await;
    assert_eq!(
        after.annotations().get(SIDECAR).map(String::as_str),
        Some("true")
    );
    let template = after
        .spec
        .expect("a spec")
        .template
        .metadata
        .expect("metadata");
    let annotations = template.annotations.expect("annotations");
    assert_eq!(annotations.get(SIDECAR).map(String::as_str), Some("true"));

    world.delete::<Deployment>("demo-server").await;
    let again = world
        .until("a new Deployment", async || {
            let live: Deployment = world.api().get_opt("demo-server").await.ok()??;
            (live.uid() != before.uid()).then_some(live)
        })
        .await;
    assert_eq!(again.spec.as_ref().map(|spec| spec.replicas), Some(Some(2)));
    assert_eq!(image(&again), image(&before));
    world.bring_up().await;
}

#[tokio::test]
async fn a_service_whose_port_was_changed_comes_back() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-service").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let ports = |service: &Service| {
        let ports = service
            .spec
            .clone()
            .unwrap_or_default()
            .ports
            .unwrap_or_default();
        ports
            .into_iter()
            .map(|port| (port.name.unwrap_or_default(), port.port))
            .collect::<Vec<_>>()
    };

    // As `kubectl edit` sends it.
    let change = json!({"spec": {"ports": [{"port": 81, "name": "http", "targetPort": 8080}, {"port": 80, "$patch": "delete"}]}});
    let params = PatchParams {
        field_manager: Some("hand".to_owned()),
        ..PatchParams::default()
    };
    let changed = world
        .api::<Service>()
        .patch("demo-server", &params, &Patch::Strategic(change))
        .await;
    assert_eq!(ports(&changed.expect("an edit")), [("http".to_owned(), 81)]);
    world
        .until("port 80", async || {
            let live: Service = world.api().get("demo-server").await.ok()?;
            (ports(&live) == [("http".to_owned(), 80)]).then_some(())
        })
        .await;
}

/// The variables of the servers that come from the spec of these tests.
fn variables(server: Deployment) -> Option<Value> {
    let pod = server.spec?.template.spec?;
    let variables = pod.containers.into_iter().next()?.env?.into_iter();
    let theirs = variables.filter(|variable| variable.name.starts_with('O'));
    Some(json!(theirs.collect::<Vec<_>>()))
}

async fn until_variables(world: &World<'_>, expected: &Value) {
    world
        .until("the variables", async || {
            let live = world.api::<Deployment>().get("demo-server").await.ok()?;
            (variables(live)? == *expected).then_some(())
        })
        .await;
}

async fn edit_variables(world: &World<'_>, manager: &str, hash: &Value, env: &Value) -> Value {
    let change = json!({"metadata": {"annotations": hash},
        "spec": {"template": {"spec": {"containers": [{"name": "chat-server", "env": env}]}}}});
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let change = Patch::Strategic(change);
    let servers = world.api::<Deployment>();
    let changed = servers.patch("demo-server", &params, &change).await;
    variables(changed.expect("an edit")).expect("variables")
}

/// Server-side apply would add our value to what somebody has put in its place, and the two of them are refused. What is done about
/// that leaves us the owner of all that was changed.
#[tokio::test]
async fn variables_that_were_changed_come_back_and_go_with_the_spec() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-env").await;
    let mut spec = spec();
    let [one, other] = ["ONE", "OTHER"].map(|name| json!({"name": name, "value": "ours"}));
    spec["server"]["env"] = json!([one, other]);
    world.create_app(spec).await;
    world.bring_up().await;

    let from = json!({"fieldRef": {"fieldPath": "metadata.name"}});
    let env = json!([{"name": "ONE", "value": null, "valueFrom": from}, {"name": "OTHER", "$patch": "delete"}]);
    let changed = edit_variables(&world, "hand", &json!({}), &env).await;
    assert_eq!(changed.as_array().map(Vec::len), Some(1));
    until_variables(&world, &json!([one, other])).await;
    world.bring_up().await;

    for left in [json!([one]), json!([])] {
        let env = json!({"spec": {"server": {"env": left}}});
        world.edit::<ChatApp>(APP, env).await;
        until_variables(&world, &left).await;
    }
}

/// The same, when the operator has died in the middle of it.
#[tokio::test]
async fn an_object_without_a_hash_is_made_our_own_first() {
    let server = ApiServer::shared().await;
    let mut world = World::new(server, "drift-hash").await;
    let mut spec = spec();
    let one = json!({"name": "ONE", "value": "ours"});
    spec["server"]["env"] = json!([one]);
    world.create_app(spec).await;
    world.bring_up().await;
    world.stop_operator();
    let gone = json!([{"name": "ONE", "$patch": "delete"}]);
    edit_variables(&world, "hand", &json!({}), &gone).await;
    let no_hash = json!({HASH: null});
    edit_variables(&world, "chatapp-operator", &no_hash, &json!([one])).await;

    world.start_operator().await;
    world
        .until("the hash", async || {
            let live = world.api::<Deployment>().get("demo-server").await.ok()?;
            live.annotations().contains_key(HASH).then_some(())
        })
        .await;
    let env = json!({"spec": {"server": {"env": null}}});
    world.edit::<ChatApp>(APP, env).await;
    until_variables(&world, &json!([])).await;
}

#[tokio::test]
async fn a_label_that_was_added_to_a_selector_goes() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-selector").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let selector = |service: Service| service.spec.unwrap_or_default().selector;
    let before: Service = world.api().get("demo-server").await.expect("the Service");
    let before = selector(before);

    // Without it, the Service would have no endpoints.
    let change = json!({"spec": {"selector": {"stray": "label"}}});
    world.edit::<Service>("demo-server", change).await;
    world
        .until("the former selector", async || {
            let live: Service = world.api().get("demo-server").await.ok()?;
            (selector(live) == before).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_network_policy_that_was_opened_is_closed_again() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-policy").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let stray = json!({"podSelector": {"matchLabels": {"stray": "label"}}});
    for (name, change) in [
        // Pods without the label would be open to everybody.
        ("demo-db", stray),
        ("demo-jobs", json!({"ingress": [{}]})),
        ("demo-server", json!({"egress": [{}]})),
    ] {
        let policies = world.api::<NetworkPolicy>();
        let before = policies.get(name).await.expect("a policy").spec;
        let change = json!({ "spec": change });
        let changed: NetworkPolicy = world.edit(name, change).await;
        assert_ne!(changed.spec, before, "{name}");
        world
            .until("the former policy", async || {
                let live = policies.get(name).await.ok()?;
                (live.spec == before).then_some(())
            })
            .await;
    }
}

#[tokio::test]
async fn a_rollout_that_was_paused_goes_on() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-paused").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    world
        .edit::<Deployment>("demo-server", json!({"spec": {"paused": true}}))
        .await;
    world
        .until("the rollout to go on", async || {
            let live: Deployment = world.api().get("demo-server").await.ok()?;
            (live.spec?.paused != Some(true)).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_backend_or_a_gateway_that_was_added_to_a_route_goes() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-route").await;
    let mut spec = spec();
    spec["route"] =
        json!({"host": "chat.example.org", "gateway": {"parentRefs": [{"name": "public"}]}});
    world.create_app(spec).await;
    let routes = http_routes(&world, "drift-route");
    let before = world
        .until("an HTTPRoute", async || routes.get_opt(APP).await.ok()?)
        .await
        .data;
    // Half of the visitors would see another page, or everybody's Gateway would lead here.
    let lists = ["/spec/rules/1/backendRefs", "/spec/parentRefs"];
    for list in lists {
        let mut changed = before.clone();
        let items = changed.pointer_mut(list).and_then(Value::as_array_mut);
        items
            .expect("a list")
            .push(json!({"name": "stray", "port": 80}));
        let params = PatchParams {
            field_manager: Some("hand".to_owned()),
            ..PatchParams::default()
        };
        let edited = routes.patch(APP, &params, &Patch::Merge(&changed)).await;
        assert_ne!(edited.expect("an edit").data, before, "{list}");
        world
            .until("the former route", async || {
                let live = routes.get(APP).await.ok()?;
                (live.data == before).then_some(())
            })
            .await;
    }
}

/// One label says whose it is, the other one is what the watches select by.
#[tokio::test]
async fn a_database_whose_labels_were_changed_stays_ours() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "drift-labels").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let clusters = world.clusters();
    let before = clusters.get("demo-db").await.expect("the Cluster");
    let another = json!({"app.kubernetes.io/managed-by": "Helm"});
    let none = json!({"sillychat.io/chatapp": null});
    let both = json!({"sillychat.io/chatapp": "other", "app.kubernetes.io/managed-by": null});
    for labels in [another, none, both] {
        let params = PatchParams {
            field_manager: Some("hand".to_owned()),
            ..PatchParams::default()
        };
        let change = Patch::Merge(json!({"metadata": {"labels": labels}}));
        let edited = clusters.patch("demo-db", &params, &change).await;
        assert_ne!(edited.expect("an edit").labels(), before.labels());
        world
            .until("the former labels", async || {
                let live: DynamicObject = clusters.get("demo-db").await.ok()?;
                (live.uid() == before.uid() && live.labels() == before.labels()).then_some(())
            })
            .await;
        world.bring_up().await;
    }

    // What nobody has seen is not changed: it must not shrink to what the spec asks for.
    let grown = json!({"metadata": {"labels": {"sillychat.io/chatapp": null}}, "spec": {"storage": {"size": "5Gi"}}});
    let (params, grown) = (PatchParams::default(), Patch::Merge(grown));
    let edited = clusters.patch("demo-db", &params, &grown).await;
    edited.expect("an edit");
    world
        .until_reason(ConditionType::DatabaseReady, "StorageWouldShrink")
        .await;
    let live = clusters.get("demo-db").await.expect("the Cluster");
    assert_eq!(live.data["spec"]["storage"]["size"], "5Gi");
}
