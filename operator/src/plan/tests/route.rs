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
    for type_ in ["Accepted", "ResolvedRefs"] {
        let other = if type_ == "Accepted" {
            "ResolvedRefs"
        } else {
            "Accepted"
        };
        let refused = json!([condition(type_, "False", 1), condition(other, "True", 1)]);
        assert_eq!(report(parent.clone(), refused), "HTTPRouteRefused");
    }
    assert_eq!(report(parent, good()), "HTTPRouteReady");
}

/// The Gateway of the test, as its controller reports on it.
fn gateway(conditions: &Value, listeners: &Value) -> Sight {
    Sight::Found(json!({
        "spec": {"listeners": [{"name": "http", "port": 80}, {"name": "https", "port": 443}]},
        "status": {"conditions": conditions, "listeners": listeners},
    }))
}

#[test]
fn what_is_wrong_with_a_gateway_is_told() {
    let condition = |type_: &str, status: &str, reason: &str| json!({"type": type_, "status": status, "observedGeneration": 1, "reason": reason, "message": "m"});
    let app = |parent: Value| {
        with(&json!({"route": {"host": "chat.example.org", "gateway": {"parentRefs": [parent]}}}))
    };
    let good = || {
        json!([
            condition("Accepted", "True", "Accepted"),
            condition("ResolvedRefs", "True", "ResolvedRefs")
        ])
    };
    let told = |parent: Value, conditions: Value, sight: Sight| {
        let app = app(parent.clone());
        let mut world = World::installed(&chatapp("server:1"));
        world.pass(&app);
        world.object(Kind::HTTPRoute, "demo")["status"] =
            json!({"parents": [{"parentRef": parent, "conditions": conditions}]});
        let looked_at = neighbours(&app);
        assert_eq!(looked_at.len(), 1);
        world.observed.neighbours = [(looked_at[0].clone(), sight)].into();
        let reason = verdict(&world.pass(&app), RouteReady).reason().clone();
        (reason.reason, reason.message)
    };
    let public = || json!({"name": "public", "namespace": "gateways"});
    let https = || json!({"name": "public", "namespace": "gateways", "sectionName": "https"});

    assert_eq!(
        told(public(), json!([]), Sight::Missing),
        (
            "GatewayMissing",
            "Gateway public does not exist in namespace gateways: create it, or correct spec.route.gateway.parentRefs".to_owned()
        )
    );
    // As the Gateway API's CRD has it, before any controller.
    let unheard = json!([
        condition("Accepted", "Unknown", "Pending"),
        condition("Programmed", "Unknown", "Pending")
    ]);
    assert_eq!(
        told(public(), json!([]), gateway(&unheard, &json!([]))),
        (
            "GatewayNotReady",
            "Gateway public: Accepted is Unknown, Pending: m".to_owned()
        )
    );
    let well = json!([
        condition("Accepted", "True", "Accepted"),
        condition("Programmed", "True", "Programmed")
    ]);
    let (reason, _) = told(public(), json!([]), gateway(&well, &json!([])));
    assert_eq!(reason, "WaitingForGateway");

    // The certificate of a listener isn't there.
    let listeners = json!([
        {"name": "http", "conditions": [condition("ResolvedRefs", "True", "ResolvedRefs")]},
        {"name": "https", "conditions": [condition("Accepted", "True", "Accepted"), condition("ResolvedRefs", "False", "InvalidCertificateRef")]},
    ]);
    assert_eq!(
        told(https(), good(), gateway(&well, &listeners)),
        (
            "ListenerNotReady",
            "Gateway public, listener https: ResolvedRefs is False, InvalidCertificateRef: m"
                .to_owned()
        )
    );
    for (parent, sight) in [
        (public(), gateway(&well, &listeners)),
        (
            json!({"name": "public", "namespace": "gateways", "port": 80}),
            gateway(&well, &listeners),
        ),
        (https(), Sight::Hidden),
    ] {
        assert_eq!(told(parent, good(), sight).0, "HTTPRouteReady");
    }

    let refused = json!([
        condition("Accepted", "False", "NotAllowedByListeners"),
        condition("ResolvedRefs", "True", "ResolvedRefs")
    ]);
    let (reason, message) = told(https(), refused, gateway(&well, &listeners));
    assert_eq!(reason, "HTTPRouteRefused");
    assert!(
        message.starts_with("HTTPRoute demo, Gateway public: Accepted is False, NotAllowedByListeners: m; allow routes from this namespace"),
        "{message}"
    );
}

#[test]
fn an_ingress_without_its_certificate_is_not_ready() {
    let told = |app: &ChatApp, sight: Option<Sight>| {
        let mut world = World::installed(&chatapp("server:1"));
        world.pass(app);
        world.object(Kind::Ingress, "demo")["status"] =
            json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        let looked_at = neighbours(app);
        world.observed.neighbours = looked_at.into_iter().zip(sight).collect();
        verdict(&world.pass(app), RouteReady).clone()
    };
    let own = with(
        &json!({"route": {"host": "chat.example.org", "ingress": {}, "tls": {"secretName": "mine"}}}),
    );
    let Verdict::Failed(missing) = told(&own, Some(Sight::Missing)) else {
        panic!("a missing certificate goes unnoticed")
    };
    assert_eq!(missing.reason, "CertificateMissing");
    assert!(
        missing.message.starts_with("Secret mine does not exist, so that browsers refuse the certificate of chat.example.org: kubectl create secret tls mine"),
        "{}",
        missing.message
    );
    let there = told(&own, Some(Sight::Found(json!({}))));
    assert_eq!(
        there.reason().message,
        "Ingress demo serves chat.example.org at 192.0.2.1"
    );
    for hidden in [None, Some(Sight::Hidden)] {
        let hidden = told(&own, hidden);
        assert!(hidden.is_done());
        assert!(
            hidden
                .reason()
                .message
                .ends_with("; the operator may not see whether Secret mine is there"),
            "{hidden:?}"
        );
    }

    let issued = ingress_app();
    assert_eq!(neighbours(&issued)[0].kind, "Certificate");
    let annotated = with(
        &json!({"route": {"host": "chat.example.org", "ingress": {"annotations": {"cert-manager.io/issuer": "le"}}, "tls": {"secretName": "mine"}}}),
    );
    assert_eq!(neighbours(&annotated)[0].kind, "Certificate");
    let certificate =
        |conditions: Value| Some(Sight::Found(json!({"status": {"conditions": conditions}})));
    let failing = json!([{"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "Issuing certificate as Secret does not exist"}]);
    for (sight, expected) in [
        (
            Some(Sight::Missing),
            "Certificate demo-tls does not exist yet; if it stays so, does cert-manager run, and see Ingress demo?",
        ),
        (
            certificate(json!([])),
            "Certificate demo-tls: not looked at yet",
        ),
        (
            certificate(failing),
            "Certificate demo-tls: Ready is False, DoesNotExist: Issuing certificate as Secret does not exist",
        ),
    ] {
        let verdict = told(&issued, sight);
        assert!(matches!(verdict, Verdict::Waiting(_)), "{verdict:?}");
        assert_eq!(verdict.reason().message, expected);
    }
    let ready = certificate(json!([{"type": "Ready", "status": "True"}]));
    assert!(told(&issued, ready).is_done());
}
