//! A page that can be reached from outside: by an Ingress, then through a Gateway, then not at all.

use chatapp_crds::{ChatApp, ConditionType, Phase};
use k8s_openapi::api::{
    core::v1::{Namespace, Secret},
    networking::v1::{Ingress, NetworkPolicy},
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    world::{APP, World, condition, spec},
};

/// The routes of a namespace.
pub(crate) fn http_routes(world: &World<'_>, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    Api::namespaced_with(
        world.client.clone(),
        namespace,
        &ApiResource::from_gvk(&kind),
    )
}

/// As a Gateway's controller.
async fn answer(routes: &Api<DynamicObject>, parent: &Value, accepted: &str) {
    let live = routes.get(APP).await.expect("an HTTPRoute");
    let generation = live.metadata.generation;
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "observedGeneration": generation, "reason": "Test", "message": "not from this namespace"});
    let status = json!({"status": {"parents": [{"parentRef": parent, "controllerName": "example.org/x",
        "conditions": [condition("Accepted", accepted), condition("ResolvedRefs", "True")]}]}});
    let reported = routes
        .patch_status(APP, &PatchParams::default(), &Patch::Merge(status))
        .await;
    reported.expect("a status");
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
        .until_condition(ConditionType::RouteReady, "no Gateway", |condition| {
            condition.reason == "GatewayMissing"
                && condition
                    .message
                    .contains("Gateway public does not exist in namespace gateways")
        })
        .await;
    assert!(world.all::<Ingress>().await.is_empty());
    let gateways = Place::of(&world, "gateway.networking.k8s.io", "Gateway", "gateways").await;
    gateways
        .create(
            "public",
            json!({"spec": {"listeners": [{"name": "https", "port": 443}]}}),
        )
        .await;
    world
        .until_reason(ConditionType::RouteReady, "WaitingForGateway")
        .await;

    let routes = http_routes(&world, "route");
    let answer = async |accepted: &str| answer(&routes, &parent, accepted).await;
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

    // The certificate of the Gateway goes: its controller says so where nobody watches, and a change of the ChatApp meets it.
    let status = |resolved: &str| {
        let condition = json!({"type": "ResolvedRefs", "status": resolved, "reason": "InvalidCertificateRef", "message": "Secret x not found"});
        json!({"listeners": [{"name": "https", "conditions": [condition]}]})
    };
    gateways.report("public", status("False")).await;
    world.touch_app().await;
    world
        .until_condition(ConditionType::RouteReady, "no certificate", |condition| {
            condition.reason == "ListenerNotReady"
                && condition.message.contains("listener https: ResolvedRefs is False, InvalidCertificateRef: Secret x not found")
        })
        .await;
    // Somebody waits for it now: it is looked at again without a change.
    gateways.report("public", status("True")).await;
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

/// As a namespace's administrator, who lets the operator see whether this one Secret is there.
fn right_to_see(secret: &str) -> [Value; 2] {
    let api_group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "chatapp-operator-sees-certificate"});
    [
        json!({"apiVersion": format!("{api_group}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}]}),
        json!({"apiVersion": format!("{api_group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": api_group, "kind": "Role", "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": "chatapp-operator", "namespace": "chatapp-system"}]}),
    ]
}

/// How often the operator has asked for the certificate's Secret.
fn looks(world: &World<'_>) -> usize {
    let requests = world.requests();
    let looks = requests
        .iter()
        .filter(|request| request.what() == "get secrets/mine");
    looks.count()
}

#[tokio::test]
async fn a_certificate_that_is_missing_is_told_to_whom_lets_the_operator_look() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "route-certificate").await;
    let mut spec = spec();
    spec["route"] =
        json!({"host": "chat.example.org", "tls": {"secretName": "mine"}, "ingress": {}});
    world.create_app(spec).await;
    world.report_ingress().await;
    let app = world.bring_up().await;
    let ready = condition(&app, ConditionType::RouteReady).expect("a condition");
    assert!(
        ready
            .message
            .ends_with("the operator may not see whether Secret mine is there"),
        "{}",
        ready.message
    );

    let rights = [("Role", 0), ("RoleBinding", 1)];
    for (kind, place) in rights {
        let api = Place::of(&world, "rbac.authorization.k8s.io", kind, &world.namespace).await;
        let object = right_to_see("mine")[place].clone();
        api.create("chatapp-operator-sees-certificate", object)
            .await;
    }
    world
        .until("the missing Secret to be told", async || {
            // One pass for each touch: changes that come too fast are waited out by the operator.
            let before = looks(&world);
            world.touch_app().await;
            world
                .until("a look at the Secret", async || {
                    (looks(&world) > before).then_some(())
                })
                .await;
            let app = world.api::<ChatApp>().get(APP).await.ok()?;
            let told = condition(&app, ConditionType::RouteReady)?;
            (told.reason == "CertificateMissing").then(|| told.message.clone())
        })
        .await;
    let secret = json!({"metadata": {"name": "mine"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}});
    let secret: Secret = serde_json::from_value(secret).expect("a Secret");
    let created = world.api().create(&PostParams::default(), &secret).await;
    created.expect("the Secret");
    let app = world.bring_up().await;
    let ready = condition(&app, ConditionType::RouteReady).expect("a condition");
    assert_eq!(
        ready.message,
        "Ingress demo serves chat.example.org at 192.0.2.1"
    );

    let issued =
        json!({"spec": {"route": {"tls": {"secretName": null, "issuerRef": {"name": "le"}}}}});
    world.edit::<ChatApp>(APP, issued).await;
    world
        .until_condition(ConditionType::RouteReady, "no Certificate", |condition| {
            condition.reason == "CertificateMissing"
                && condition.message.contains("does cert-manager run")
        })
        .await;
    let certificates = Place::of(&world, "cert-manager.io", "Certificate", &world.namespace).await;
    certificates.create("demo-tls", json!({})).await;
    let status = |ready: &str| json!({"conditions": [{"type": "Ready", "status": ready, "reason": "DoesNotExist", "message": "being issued"}]});
    certificates.report("demo-tls", status("False")).await;
    world
        .until_condition(ConditionType::RouteReady, "not issued yet", |condition| {
            condition.message == "Certificate demo-tls: Ready is False, DoesNotExist: being issued"
        })
        .await;
    certificates.report("demo-tls", status("True")).await;
    world.bring_up().await;
}

/// Objects of others in a namespace.
struct Place {
    api: Api<DynamicObject>,
    kind: GroupVersionKind,
}

impl Place {
    /// The namespace is made if it isn't there.
    async fn of(world: &World<'_>, group: &str, kind: &str, namespace: &str) -> Self {
        let object: Namespace =
            serde_json::from_value(json!({"metadata": {"name": namespace}})).expect("a Namespace");
        let namespaces: Api<Namespace> = Api::all(world.client.clone());
        let _ = namespaces.create(&PostParams::default(), &object).await;
        let kind = GroupVersionKind::gvk(group, "v1", kind);
        let resource = ApiResource::from_gvk(&kind);
        Self {
            api: Api::namespaced_with(world.client.clone(), namespace, &resource),
            kind,
        }
    }

    async fn create(&self, name: &str, mut object: Value) {
        object["apiVersion"] = json!(self.kind.api_version());
        object["kind"] = json!(self.kind.kind);
        object["metadata"] = json!({ "name": name });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let created = self.api.create(&PostParams::default(), &object).await;
        created.expect("the object");
    }

    /// As the controller of its kind.
    async fn report(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self
            .api
            .patch_status(name, &PatchParams::default(), &patch)
            .await;
        patched.expect("a status");
    }
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

/// Nothing else waits for what isn't installed.
#[tokio::test]
async fn an_issuer_without_cert_manager_is_written_all_the_same() {
    // Of its own: the others' has the kind.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let world = World::new(&server, "no-cert-manager").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let route =
        json!({"host": "chat.example.org", "ingress": {}, "tls": {"issuerRef": {"name": "le"}}});
    world
        .edit::<ChatApp>(APP, json!({"spec": {"route": route}}))
        .await;
    world
        .until("the issuer on the Ingress", async || {
            let ingresses = world.all::<Ingress>().await;
            let annotations = ingresses.first()?.annotations();
            (annotations.get("cert-manager.io/issuer")? == "le").then_some(())
        })
        .await;
}
