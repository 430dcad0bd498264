//! How the page is reached from outside, and when it is.

use super::*;

pub(super) fn ingress_app() -> ChatApp {
    with(
        &json!({"route": {"host": "chat.example.org", "ingress": {"className": "nginx"}, "tls": {"issuerRef": {"kind": "ClusterIssuer", "name": "le"}}}}),
    )
}

#[test]
fn an_ingress_sends_the_api_to_the_servers_and_the_rest_to_the_page() {
    let app = ingress_app();
    let mut world = World::installed(&chatapp("server:1"));
    let plan = world.pass(&app);
    let ingress = child_of_kind(&plan, "Ingress");
    let paths = ingress.object["spec"]["rules"][0]["http"]["paths"].clone();
    let paths: Vec<_> = paths
        .as_array()
        .expect("paths")
        .iter()
        .map(|path| {
            (
                path["path"].as_str(),
                path["backend"]["service"]["name"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            (Some("/start_chat"), Some("demo-server")),
            (Some("/message"), Some("demo-server")),
            (Some("/transcript"), Some("demo-server")),
            (Some("/"), Some("demo-frontend")),
        ]
    );
    assert_eq!(
        ingress.object["metadata"]["annotations"]["cert-manager.io/cluster-issuer"],
        "le"
    );
    assert_eq!(ingress.object["spec"]["tls"][0]["secretName"], "demo-tls");
    assert_eq!(url(&app), "https://chat.example.org");

    assert_eq!(
        verdict(&world.pass(&app), RouteReady).reason().reason,
        "WaitingForIngressController"
    );
    world.object(Kind::Ingress, "demo")["status"] =
        json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    assert!(verdict(&world.pass(&app), RouteReady).is_done());

    let plan = world.pass(&chatapp("server:1"));
    assert_eq!(deleted(&plan), [("Ingress", "uid-of-demo")]);
    assert_eq!(url(&chatapp("server:1")), "http://demo-frontend.test.svc");
}

#[test]
fn a_gateway_has_to_accept_the_route() {
    let parent = json!({"name": "public", "namespace": "gateways", "sectionName": "https"});
    let app =
        with(&json!({"route": {"host": "chat.example.org", "gateway": {"parentRefs": [parent]}}}));
    assert_eq!(url(&app), "https://chat.example.org");
    let mut world = World::installed(&chatapp("server:1"));
    let mut unknown = World::installed(&chatapp("server:1"));
    unknown.observed.set_unknown(Kind::HTTPRoute);
    let plan = unknown.pass(&app);
    assert_eq!(
        verdict(&plan, RouteReady).reason().reason,
        "GatewayAPIMissing"
    );
    assert!(child(&plan, "HTTPRoute", "demo").is_none());

    world.pass(&app);
    let reason = |world: &mut World| verdict(&world.pass(&app), RouteReady).reason().reason;
    assert_eq!(reason(&mut world), "WaitingForGateway");
    let condition = |type_: &str, status: &str, generation: u32| json!({"type": type_, "status": status, "observedGeneration": generation, "reason": "R", "message": "m"});
    let mut report = |parent: Value, conditions: Value| {
        world.object(Kind::HTTPRoute, "demo")["status"] =
            json!({"parents": [{"parentRef": parent, "conditions": conditions}]});
        reason(&mut world)
    };
    let good = || {
        json!([
            condition("Accepted", "True", 1),
            condition("ResolvedRefs", "True", 1)
        ])
    };
    let other = json!({"name": "public", "sectionName": "https"});
    assert_eq!(report(other, good()), "WaitingForGateway");
    let former = json!([
        condition("Accepted", "True", 0),
        condition("ResolvedRefs", "True", 1)
    ]);
    assert_eq!(report(parent.clone(), former), "WaitingForGateway");
    let refused = json!([condition("Accepted", "False", 1)]);
    assert_eq!(report(parent.clone(), refused), "HTTPRouteRefused");
    assert_eq!(report(parent, good()), "HTTPRouteReady");
}
