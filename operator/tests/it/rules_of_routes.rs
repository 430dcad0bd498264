//! What the API server says to `spec.route`.

use chatapp_crds::ChatApp;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    rules::{refused, with},
    world::{APP, World, app},
};

/// A route by an Ingress with these fields besides.
fn route(fields: &Value) -> Value {
    let mut route = json!({"host": "chat.example.org", "ingress": {}});
    for (key, value) in fields.as_object().expect("fields") {
        route[key] = value.clone();
    }
    with("/route", route)
}

fn gateway(parent: &Value) -> Value {
    with(
        "/route",
        json!({"host": "chat.example.org", "gateway": {"parentRefs": [parent]}}),
    )
}

async fn dry_run(world: &World<'_>, spec: &Value) -> kube::Result<ChatApp> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    world.api().create(&params, &app(APP, spec)).await
}

#[tokio::test]
async fn routes_by_ingress_and_by_gateway_are_accepted() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "rules-route-accepted").await;
    for spec in [
        route(&json!({})),
        route(&json!({"host": "10.0.0.1.example.org"})),
        route(&json!({"host": "localhost", "tls": {"secretName": "certificate"}})),
        route(&json!({"tls": {"issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"}}})),
        route(
            &json!({"ingress": {"className": "nginx", "annotations": {"nginx.ingress.kubernetes.io/x": "y"}}}),
        ),
        gateway(
            &json!({"name": "public", "namespace": "gateways", "sectionName": "https", "port": 443}),
        ),
    ] {
        let created = dry_run(&world, &spec).await;
        assert!(created.is_ok(), "{spec}: {created:?}");
    }
    let created = dry_run(
        &world,
        &route(&json!({"tls": {"issuerRef": {"name": "own"}}})),
    )
    .await;
    let tls = created
        .expect("accepted")
        .spec
        .route
        .and_then(|route| route.tls);
    let issuer = tls.and_then(|tls| tls.issuer_ref).expect("an issuer");
    assert_eq!(issuer.kind, chatapp_crds::IssuerKind::Issuer);
}

#[tokio::test]
async fn what_breaks_a_rule_of_routes_is_refused_with_what_to_do() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "rules-route-refused").await;
    let one_kind = "spec.route needs exactly one of 'ingress'";
    let host = "must be a host name in lower case such as 'chat.example.org'";
    let one_certificate = "spec.route.tls needs exactly one of 'secretName'";
    let both = json!({"secretName": "a", "issuerRef": {"name": "b"}});
    let parents = json!([{"name": "public"}]);
    let cases = [
        (
            route(&json!({"gateway": {"parentRefs": parents}})),
            one_kind,
        ),
        (with("/route", json!({"host": "a.example.org"})), one_kind),
        (
            with(
                "/route",
                json!({"host": "a.example.org", "gateway": {"parentRefs": parents}, "tls": {"secretName": "a"}}),
            ),
            "spec.route.tls goes with 'ingress' only",
        ),
        (route(&json!({"host": "https://chat.example.org"})), host),
        (route(&json!({"host": "Chat.example.org"})), host),
        (route(&json!({"host": "*.example.org"})), host),
        (route(&json!({"host": "chat.example.org:443"})), host),
        (
            route(&json!({"host": "10.0.0.1"})),
            "must be a host name, not an IP address",
        ),
        (route(&json!({"tls": both})), one_certificate),
        (route(&json!({"tls": {}})), one_certificate),
        (
            route(&json!({"ingress": {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}})),
            "annotations of sillychat.io/ and argocd.argoproj.io/ are not yours to set",
        ),
        (
            gateway(&json!({"name": "public", "port": 70000})),
            "should be less than or equal to 65535",
        ),
        (
            with(
                "/route",
                json!({"host": "a.example.org", "gateway": {"parentRefs": []}}),
            ),
            "should have at least 1 items",
        ),
    ];
    for (spec, message) in cases {
        refused(dry_run(&world, &spec).await, message, &app(APP, &spec));
    }
}
