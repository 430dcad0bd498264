//! Whether the page can be reached from outside, as far as those say who make it so: ingress controllers, the controllers of
//! Gateways, cert-manager.

use chatapp_crds::{ChatApp, GatewayRoute, IngressRoute, ParentRef, Route};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{
    Observed, names,
    neighbours::{Sight, told, trouble},
    route::{By, certificate_of, gateway_of, wanted},
    verdict::Verdict,
};
use crate::kinds::Kind;

/// Whether the page can be reached from outside.
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
    if let Some(trouble) = certificate_trouble(app, route, observed) {
        return trouble;
    }
    let served = format!(
        "Ingress {name} serves {} at {}",
        route.host,
        addresses.join(", ")
    );
    let remark = certificate_remark(app, route, observed);
    Verdict::done("IngressReady", served).with_remark(remark)
}

/// The certificate that isn't there. An ingress controller takes one of its own then, which browsers refuse, and says so nowhere but in
/// its log.
fn certificate_trouble(app: &ChatApp, route: &Route, observed: &Observed) -> Option<Verdict> {
    let ingress = names::route(app);
    let neighbour = certificate_of(app, route)?;
    let name = &neighbour.name;
    match observed.sight(&neighbour) {
        Sight::Hidden => None,
        Sight::Missing if neighbour.is_secret() => Some(Verdict::failed(
            "CertificateMissing",
            format!(
                "Secret {name} does not exist, so that browsers refuse the certificate of {}: kubectl create secret tls {name} \
                 --cert=FILE --key=FILE, or name another one in spec.route.tls",
                route.host
            ),
        )),
        Sight::Missing => Some(Verdict::waiting(
            "CertificateMissing",
            format!(
                "Certificate {name} does not exist yet; if it stays so, does cert-manager run, and see Ingress {ingress}?"
            ),
        )),
        Sight::Found(_) if neighbour.is_secret() => None,
        Sight::Found(certificate) => {
            let conditions = &certificate["status"]["conditions"];
            let trouble = trouble(conditions, &["Ready"]);
            let is_silent = conditions.as_array().is_none_or(Vec::is_empty);
            let told = trouble.or_else(|| is_silent.then(|| "not looked at yet".to_owned()))?;
            Some(Verdict::waiting(
                "CertificateNotReady",
                format!("Certificate {name}: {told}"),
            ))
        }
    }
}

/// What is left to people to look at.
fn certificate_remark(app: &ChatApp, route: &Route, observed: &Observed) -> Option<String> {
    let neighbour = certificate_of(app, route)?;
    let (kind, name) = (neighbour.kind, &neighbour.name);
    (*observed.sight(&neighbour) == Sight::Hidden)
        .then(|| format!("the operator may not see whether {kind} {name} is there"))
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
        match parent_verdict(app, parent, live, observed) {
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
fn parent_verdict(app: &ChatApp, parent: &ParentRef, live: &Value, observed: &Observed) -> Verdict {
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
        if let Some(condition) = condition(type_)
            && condition["status"] != "True"
        {
            let hint = hint(condition["reason"].as_str().unwrap_or_default());
            return Verdict::failed(
                "HTTPRouteRefused",
                format!(
                    "HTTPRoute {route}, Gateway {gateway}: {}{hint}",
                    told(condition)
                ),
            );
        }
    }
    if let Some(trouble) = gateway_trouble(app, parent, observed) {
        return trouble;
    }
    let silent = ["Accepted", "ResolvedRefs"]
        .into_iter()
        .find(|type_| condition(type_).is_none());
    silent.map_or_else(
        || Verdict::done("Accepted", ""),
        |type_| {
            Verdict::waiting(
                "WaitingForGateway",
                format!(
                    "HTTPRoute {route}: nobody has said {type_} for Gateway {gateway} yet; if it stays so, does a controller serve the \
                     Gateway's class?"
                ),
            )
        },
    )
}

/// What to do about a refusal, by its reason.
/// <https://gateway-api.sigs.k8s.io/reference/spec/#routeconditionreason>
fn hint(reason: &str) -> &'static str {
    match reason {
        "NotAllowedByListeners" => {
            "; allow routes from this namespace in the listener's allowedRoutes, or name another listener or Gateway in \
             spec.route.gateway.parentRefs"
        }
        "NoMatchingListenerHostname" => {
            "; give a listener of the Gateway this host name, or correct spec.route.host"
        }
        "NoMatchingParent" => {
            "; name a listener or port that the Gateway has in spec.route.gateway.parentRefs"
        }
        _ => "",
    }
}

/// What is wrong with the Gateway itself: without it, or without the certificate of its listener, an accepted route serves nobody.
fn gateway_trouble(app: &ChatApp, parent: &ParentRef, observed: &Observed) -> Option<Verdict> {
    let neighbour = gateway_of(app, parent);
    let name = &neighbour.name;
    let gateway = match observed.sight(&neighbour) {
        Sight::Hidden => return None,
        Sight::Missing => {
            let namespace = &neighbour.namespace;
            return Some(Verdict::waiting(
                "GatewayMissing",
                format!(
                    "Gateway {name} does not exist in namespace {namespace}: create it, or correct spec.route.gateway.parentRefs"
                ),
            ));
        }
        Sight::Found(gateway) => gateway,
    };
    let status = &gateway["status"];
    if let Some(told) = trouble(&status["conditions"], &["Accepted", "Programmed"]) {
        return Some(Verdict::waiting(
            "GatewayNotReady",
            format!("Gateway {name}: {told}"),
        ));
    }
    let is_meant = |listener: &&Value| {
        let section = parent.section_name.as_deref();
        section.is_none_or(|section| listener["name"] == *section)
            && parent.port.is_none_or(|port| listener["port"] == port)
    };
    let listeners = gateway["spec"]["listeners"].as_array();
    let meant = listeners.into_iter().flatten().filter(is_meant);
    let reports = status["listeners"].as_array();
    let troubles: Option<Vec<String>> = meant
        .map(|listener| {
            let mut reports = reports.into_iter().flatten();
            let report = reports.find(|report| report["name"] == listener["name"])?;
            let types = ["Accepted", "ResolvedRefs", "Programmed"];
            let told = trouble(&report["conditions"], &types)?;
            let listener = listener["name"].as_str().unwrap_or_default();
            Some(format!("Gateway {name}, listener {listener}: {told}"))
        })
        .collect();
    // One that is well is enough.
    let first = troubles?.into_iter().next()?;
    Some(Verdict::failed("ListenerNotReady", first))
}
