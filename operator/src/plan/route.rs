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
use serde_json::json;

use super::{
    Child, Observed,
    names::{self, Component},
    neighbours::Neighbour,
    workload,
};
use crate::kinds::Kind;

/// Paths of the chat server's API that browsers use.
const API_PATHS: [&str; 3] = ["/start_chat", "/message", "/transcript"];

/// Annotations of an Ingress that cert-manager makes a certificate for.
/// <https://cert-manager.io/docs/usage/ingress/>
const ISSUERS: [&str; 2] = ["cert-manager.io/issuer", "cert-manager.io/cluster-issuer"];

/// Which kind of object makes the route.
pub(super) enum By<'a> {
    Ingress(&'a IngressRoute),
    Gateway(&'a GatewayRoute),
}

pub(super) fn wanted(app: &ChatApp) -> Option<(&Route, By<'_>)> {
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
        let key = match issuer.kind {
            IssuerKind::Issuer => ISSUERS[0],
            IssuerKind::ClusterIssuer => ISSUERS[1],
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

/// What the certificate of an Ingress is in, or comes from.
pub(super) fn certificate_of(app: &ChatApp, route: &Route) -> Option<Neighbour> {
    let tls = route.tls.as_ref()?;
    let namespace = app.namespace().unwrap_or_default();
    let name = certificate(app, tls);
    let annotations = route.ingress.iter().flat_map(|it| it.annotations.keys());
    let is_annotated = ISSUERS.iter().any(|issuer| {
        annotations
            .clone()
            .any(|annotation| annotation.as_str() == *issuer)
    });
    Some(if tls.issuer_ref.is_some() || is_annotated {
        Neighbour::certificate(namespace, name)
    } else {
        Neighbour::secret(namespace, name)
    })
}

pub(super) fn gateway_of(app: &ChatApp, parent: &ParentRef) -> Neighbour {
    let namespace = parent.namespace.clone().or_else(|| app.namespace());
    Neighbour::gateway(namespace.unwrap_or_default(), parent.name.clone())
}

/// What is to be looked at for the verdict.
pub(crate) fn neighbours(app: &ChatApp) -> Vec<Neighbour> {
    match wanted(app) {
        None => Vec::new(),
        Some((route, By::Ingress(_))) => certificate_of(app, route).into_iter().collect(),
        Some((_, By::Gateway(settings))) => {
            let parents = settings.parent_refs.iter();
            parents.map(|parent| gateway_of(app, parent)).collect()
        }
    }
}
