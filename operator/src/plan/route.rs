//! How the page is reached from outside: an Ingress or an `HTTPRoute`. API calls go straight to the servers, everything else to the
//! page.

use chatapp_crds::{
    ChatApp, ConditionType, GatewayRoute, IngressRoute, IssuerKind, ParentRef, Route, Tls,
};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{
    Child, Observed,
    names::{self, Component},
    pods,
    verdict::Verdict,
    workload,
};
use crate::kinds::Kind;

/// Paths of the chat server's API that browsers use.
const API_PATHS: [&str; 3] = ["/start_chat", "/message", "/transcript"];

/// Which kind of object makes the route.
enum By<'a> {
    Ingress(&'a IngressRoute),
    Gateway(&'a GatewayRoute),
}

fn wanted(app: &ChatApp) -> Option<(&Route, By<'_>)> {
    let route = app.spec.route.as_ref()?;
    let by = match (&route.ingress, &route.gateway) {
        (Some(ingress), None) => By::Ingress(ingress),
        (None, Some(gateway)) => By::Gateway(gateway),
        // The API server lets exactly one of the two through.
        _ => return None,
    };
    Some((route, by))
}

/// The object that makes the route, if one is wanted and the API server knows its kind.
pub(crate) fn child(app: &ChatApp, observed: &Observed) -> Option<Child> {
    match wanted(app)? {
        (route, By::Ingress(settings)) => Some(ingress(app, route, settings)),
        (route, By::Gateway(settings)) => observed
            .knows(Kind::HTTPRoute)
            .then(|| http_route(app, route, settings)),
    }
}

/// Address of the page for the world outside.
pub(crate) fn url(app: &ChatApp) -> Option<String> {
    let (route, by) = wanted(app)?;
    let is_secure = match by {
        By::Ingress(_) => route.tls.is_some(),
        By::Gateway(gateway) => gateway.parent_refs.iter().any(|parent| {
            let listener = parent.section_name.as_deref().unwrap_or_default();
            parent.port == Some(443) || listener.contains("https")
        }),
    };
    let scheme = if is_secure { "https" } else { "http" };
    Some(format!("{scheme}://{}", route.host))
}

fn ingress(app: &ChatApp, route: &Route, settings: &IngressRoute) -> Child {
    let mut metadata = names::metadata(app, Component::Shared, names::route(app));
    let mut annotations = settings.annotations.clone();
    if let Some(issuer) = route.tls.as_ref().and_then(|tls| tls.issuer_ref.as_ref()) {
        // https://cert-manager.io/docs/usage/ingress/
        let key = match issuer.kind {
            IssuerKind::Issuer => "cert-manager.io/issuer",
            IssuerKind::ClusterIssuer => "cert-manager.io/cluster-issuer",
        };
        annotations.insert(key.to_owned(), issuer.name.clone());
    }
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    let path = |path: &str, service: String| HTTPIngressPath {
        path: Some(path.to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: service,
                port: Some(ServiceBackendPort {
                    name: None,
                    number: Some(workload::SERVICE_PORT),
                }),
            }),
            resource: None,
        },
    };
    let paths = API_PATHS
        .iter()
        .map(|api| path(api, names::server(app)))
        .chain([path("/", names::frontend(app))])
        .collect();
    let ingress = Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: settings.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(route.host.clone()),
                http: Some(HTTPIngressRuleValue { paths }),
            }]),
            tls: route.tls.as_ref().map(|tls| {
                vec![IngressTLS {
                    hosts: Some(vec![route.host.clone()]),
                    secret_name: Some(certificate(app, tls)),
                }]
            }),
            default_backend: None,
        }),
        status: None,
    };
    Child::of(ConditionType::RouteReady, &ingress)
}

/// The Secret with the certificate.
fn certificate(app: &ChatApp, tls: &Tls) -> String {
    tls.secret_name
        .clone()
        .unwrap_or_else(|| names::certificate(app))
}

/// <https://gateway-api.sigs.k8s.io/reference/spec/#httproute>
fn http_route(app: &ChatApp, route: &Route, settings: &GatewayRoute) -> Child {
    let prefix = |path: &str| json!({"path": {"type": "PathPrefix", "value": path}});
    let rule = |paths: &[&str], service: String| {
        json!({
            "matches": paths.iter().map(|path| prefix(path)).collect::<Vec<_>>(),
            "backendRefs": [{"name": service, "port": workload::SERVICE_PORT}],
        })
    };
    let object = json!({
        "apiVersion": Kind::HTTPRoute.api_version(),
        "kind": Kind::HTTPRoute.name(),
        "metadata": names::metadata(app, Component::Shared, names::route(app)),
        "spec": {
            "parentRefs": settings.parent_refs,
            "hostnames": [route.host],
            "rules": [
                rule(&API_PATHS, names::server(app)),
                rule(&["/"], names::frontend(app)),
            ],
        },
    });
    Child::new(ConditionType::RouteReady, object)
}

/// Whether the page can be reached from outside, as far as those say who make it so.
pub(crate) fn verdict(app: &ChatApp, observed: &Observed) -> Verdict {
    match wanted(app) {
        None => Verdict::done(
            "NotWanted",
            "there is no spec.route: the page has an address in the cluster only",
        ),
        Some((route, By::Ingress(settings))) => ingress_verdict(app, route, settings, observed),
        Some((route, By::Gateway(settings))) => gateway_verdict(app, route, settings, observed),
    }
}

fn ingress_verdict(
    app: &ChatApp,
    route: &Route,
    settings: &IngressRoute,
    observed: &Observed,
) -> Verdict {
    let name = names::route(app);
    let Some(live) = observed.value(Kind::Ingress, &name) else {
        return Verdict::waiting(
            "IngressCreating",
            format!("Ingress {name} is being created"),
        );
    };
    let points = live
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    let addresses: Vec<&str> = points
        .into_iter()
        .flatten()
        .filter_map(|point| point["hostname"].as_str().or_else(|| point["ip"].as_str()))
        .collect();
    if addresses.is_empty() {
        let class = settings.class_name.as_deref().map_or_else(
            || "the default IngressClass".to_owned(),
            |class| format!("IngressClass {class}"),
        );
        return Verdict::waiting(
            "WaitingForIngressController",
            format!(
                "Ingress {name} has no address yet; if it stays so, does an ingress controller serve {class}, and does it write addresses into status?"
            ),
        );
    }
    Verdict::done(
        "IngressReady",
        format!(
            "Ingress {name} serves {} at {}",
            route.host,
            addresses.join(", ")
        ),
    )
}

fn gateway_verdict(
    app: &ChatApp,
    route: &Route,
    settings: &GatewayRoute,
    observed: &Observed,
) -> Verdict {
    if !observed.knows(Kind::HTTPRoute) {
        return Verdict::waiting(
            "GatewayAPIMissing",
            format!(
                "the cluster doesn't know {} HTTPRoute: install the Gateway API, or use spec.route.ingress",
                Kind::HTTPRoute.api_version()
            ),
        );
    }
    let name = names::route(app);
    let Some(live) = observed.value(Kind::HTTPRoute, &name) else {
        return Verdict::waiting(
            "HTTPRouteCreating",
            format!("HTTPRoute {name} is being created"),
        );
    };
    let mut waiting = None;
    for parent in &settings.parent_refs {
        match parent_verdict(app, parent, live) {
            failed @ Verdict::Failed(_) => return failed,
            Verdict::Waiting(reason) => {
                waiting.get_or_insert(Verdict::Waiting(reason));
            }
            Verdict::Done(_) => {}
        }
    }
    waiting.unwrap_or_else(|| {
        Verdict::done(
            "HTTPRouteReady",
            format!("HTTPRoute {name} serves {}", route.host),
        )
    })
}

/// What the controller of a Gateway says: `Accepted` and `ResolvedRefs`, of the present generation.
fn parent_verdict(app: &ChatApp, parent: &ParentRef, live: &Value) -> Verdict {
    let (route, gateway) = (names::route(app), &parent.name);
    let own = app.namespace();
    let is_about = |status: &&Value| {
        let reference = &status["parentRef"];
        let namespace = parent.namespace.as_deref().or(own.as_deref());
        reference["name"] == json!(gateway)
            && reference["namespace"]
                .as_str()
                .or(own.as_deref())
                .is_some_and(|found| Some(found) == namespace)
            && reference["sectionName"].as_str() == parent.section_name.as_deref()
            && reference["port"].as_i64() == parent.port.map(i64::from)
    };
    let parents = live.pointer("/status/parents").and_then(Value::as_array);
    let status = parents.into_iter().flatten().find(is_about);
    let condition = |type_: &str| {
        let conditions = status?["conditions"].as_array()?;
        conditions.iter().find(|condition| {
            condition["type"] == type_
                && condition["observedGeneration"] == live["metadata"]["generation"]
        })
    };
    for type_ in ["Accepted", "ResolvedRefs"] {
        let Some(condition) = condition(type_) else {
            return Verdict::waiting(
                "WaitingForGateway",
                format!(
                    "HTTPRoute {route}: nobody has said {type_} for Gateway {gateway} yet; if it stays so, does the Gateway exist, and does a controller serve its class?"
                ),
            );
        };
        if condition["status"] != "True" {
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            return Verdict::failed(
                "HTTPRouteRefused",
                format!(
                    "HTTPRoute {route}, Gateway {gateway}: {type_} is {}, {}: {}",
                    text("status"),
                    text("reason"),
                    pods::shorten(text("message"))
                ),
            );
        }
    }
    Verdict::done("Accepted", "")
}
