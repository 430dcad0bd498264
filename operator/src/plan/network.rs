//! `NetworkPolicies`: who may talk to whom. Each pod of the ChatApp is selected by one of them, and each of them denies what it does
//! not name, in both directions.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};
use kube::ResourceExt;

use super::{
    Child,
    database::Source,
    names::{self, APP_LABEL, COMPONENT_LABEL, Component},
    workload,
};

const POSTGRES_PORT: i32 = 5432;
/// Where CloudNativePG's operator asks an instance how it is.
const INSTANCE_PORT: i32 = 8000;
/// Label of CloudNativePG's operator, whatever its namespace.
const CNPG_OPERATOR: (&str, &str) = ("app.kubernetes.io/name", "cloudnative-pg");
/// Variables that send traces to somewhere that we don't know.
const TRACES_PREFIX: &str = "OTEL_EXPORTER_OTLP";

/// The parts whose pods have a policy of their own; all others share one.
const SERVING: [Component; 4] = [
    Component::Server,
    Component::Frontend,
    Component::Database,
    Component::Pooler,
];

/// The policies of an app.
pub(crate) fn policies(app: &ChatApp, source: &Source<'_>) -> Vec<Child> {
    let mut policies = vec![frontend(app), server(app, source), jobs(app, source)];
    if let Source::Cluster(_) = source {
        policies.push(database(app));
    }
    policies
}

/// Anyone may open the page; it talks to the server.
fn frontend(app: &ChatApp) -> Child {
    policy(
        app,
        Component::Frontend,
        ConditionType::FrontendAvailable,
        names::frontend(app),
        pods(app, "In", &[Component::Frontend]),
        vec![from(Vec::new(), &[workload::CONTAINER_PORT])],
        vec![
            to(
                peers(app, &[Component::Server]),
                &[workload::CONTAINER_PORT],
            ),
            dns(),
        ],
    )
}

/// The page may talk to it, and a route's proxy, wherever that is.
fn server(app: &ChatApp, source: &Source<'_>) -> Child {
    let clients = if app.spec.route.is_some() {
        Vec::new()
    } else {
        peers(app, &[Component::Frontend])
    };
    let mut egress = to_database(app, source);
    let env = &app.spec.server.env;
    if env
        .iter()
        .any(|variable| variable.name.starts_with(TRACES_PREFIX))
    {
        egress.push(NetworkPolicyEgressRule::default());
    }
    policy(
        app,
        Component::Server,
        ConditionType::ServerAvailable,
        names::server(app),
        pods(app, "In", &[Component::Server]),
        vec![from(clients, &[workload::CONTAINER_PORT])],
        egress,
    )
}

/// Jobs, and whatever else has the label: nobody talks to them, they talk to the database.
fn jobs(app: &ChatApp, source: &Source<'_>) -> Child {
    policy(
        app,
        Component::Shared,
        ConditionType::Migrated,
        names::jobs(app),
        pods(app, "NotIn", &SERVING),
        Vec::new(),
        to_database(app, source),
    )
}

/// Servers, Jobs, the pool, the other instances and CloudNativePG's operator. Instances talk to the API server, whose address
/// nobody knows.
fn database(app: &ChatApp) -> Child {
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(LabelSelector {
            match_labels: Some([(CNPG_OPERATOR.0.to_owned(), CNPG_OPERATOR.1.to_owned())].into()),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    };
    let clients = NetworkPolicyPeer {
        pod_selector: Some(pods(app, "NotIn", &[Component::Frontend])),
        ..NetworkPolicyPeer::default()
    };
    policy(
        app,
        Component::Database,
        ConditionType::DatabaseReady,
        names::database(app),
        pods(app, "In", &[Component::Database, Component::Pooler]),
        vec![
            from(vec![clients], &[POSTGRES_PORT]),
            from(peers(app, &[Component::Database]), &[INSTANCE_PORT]),
            from(vec![operator], &[POSTGRES_PORT, INSTANCE_PORT]),
        ],
        vec![NetworkPolicyEgressRule::default()],
    )
}

fn to_database(app: &ChatApp, source: &Source<'_>) -> Vec<NetworkPolicyEgressRule> {
    match source {
        Source::Cluster(_) => vec![
            to(
                peers(app, &[Component::Database, Component::Pooler]),
                &[POSTGRES_PORT],
            ),
            dns(),
        ],
        // Its address is in a Secret, which we don't read.
        Source::External(_) => vec![NetworkPolicyEgressRule::default()],
    }
}

fn policy(
    app: &ChatApp,
    component: Component,
    condition: ConditionType,
    name: String,
    pods: LabelSelector,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> Child {
    let policy = NetworkPolicy {
        metadata: names::metadata(app, component, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            // Where it is empty, too: what is not ours we could not take out again.
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    };
    Child::of(condition, &policy)
}

/// Selects the app's pods whose part is, or is not, among these.
fn pods(app: &ChatApp, operator: &str, components: &[Component]) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(APP_LABEL.to_owned(), app.name_any())].into()),
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: COMPONENT_LABEL.to_owned(),
            operator: operator.to_owned(),
            values: Some(
                components
                    .iter()
                    .map(|component| component.as_str().to_owned())
                    .collect(),
            ),
        }]),
    }
}

fn peers(app: &ChatApp, components: &[Component]) -> Vec<NetworkPolicyPeer> {
    vec![NetworkPolicyPeer {
        pod_selector: Some(pods(app, "In", components)),
        ..NetworkPolicyPeer::default()
    }]
}

/// From these to these ports; from anywhere without peers.
fn from(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: (!peers.is_empty()).then_some(peers),
        ports: Some(ports.iter().map(|port| self::port("TCP", *port)).collect()),
    }
}

fn to(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(peers),
        ports: Some(ports.iter().map(|port| self::port("TCP", *port)).collect()),
    }
}

/// Wherever the cluster's DNS is.
fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: None,
        ports: Some(vec![port("UDP", 53), port("TCP", 53)]),
    }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        end_port: None,
    }
}
