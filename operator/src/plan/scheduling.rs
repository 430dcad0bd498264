//! Where pods may run: `spec.scheduling`, for pods that we make and in the words of CloudNativePG for those that it makes.

use chatapp_crds::ChatApp;
use k8s_openapi::api::core::v1::{PodSpec, TopologySpreadConstraint};
use serde_json::{Map, Value, json};

use super::names::{self, Component};

/// The pod, where it may run.
pub(crate) fn place(app: &ChatApp, pod: PodSpec) -> PodSpec {
    let Some(scheduling) = &app.spec.scheduling else {
        return pod;
    };
    PodSpec {
        node_selector: some(&scheduling.node_selector, scheduling.node_selector.len()),
        tolerations: some(&scheduling.tolerations, scheduling.tolerations.len()),
        affinity: scheduling.affinity.clone(),
        ..pod
    }
}

/// How the pods of a part are spread: over nodes, where the spec doesn't say.
pub(crate) fn spread(app: &ChatApp, component: Component) -> Vec<TopologySpreadConstraint> {
    let wanted = wanted_spread(app, component);
    if !wanted.is_empty() {
        return wanted;
    }
    vec![TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(names::selector(app, component)),
        ..TopologySpreadConstraint::default()
    }]
}

fn wanted_spread(app: &ChatApp, component: Component) -> Vec<TopologySpreadConstraint> {
    let scheduling = app.spec.scheduling.as_ref();
    let constraints = scheduling.map(|scheduling| &scheduling.topology_spread_constraints);
    constraints
        .into_iter()
        .flatten()
        .cloned()
        .map(|mut constraint| {
            constraint
                .label_selector
                .get_or_insert_with(|| names::selector(app, component));
            constraint
        })
        .collect()
}

/// The fields of a CloudNativePG `Cluster`'s spec. It spreads its instances over nodes by itself.
/// <https://cloudnative-pg.io/documentation/current/scheduling/>
pub(crate) fn of_cluster(app: &ChatApp) -> Map<String, Value> {
    let mut spec = Map::new();
    let Some(scheduling) = &app.spec.scheduling else {
        return spec;
    };
    let terms = scheduling.affinity.clone().unwrap_or_default();
    let affinity: Map<String, Value> = [
        (
            "nodeSelector",
            some(&scheduling.node_selector, scheduling.node_selector.len()).map(|it| json!(it)),
        ),
        (
            "tolerations",
            some(&scheduling.tolerations, scheduling.tolerations.len()).map(|it| json!(it)),
        ),
        ("nodeAffinity", terms.node_affinity.map(|it| json!(it))),
        (
            "additionalPodAffinity",
            terms.pod_affinity.map(|it| json!(it)),
        ),
        (
            "additionalPodAntiAffinity",
            terms.pod_anti_affinity.map(|it| json!(it)),
        ),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    if !affinity.is_empty() {
        spec.insert("affinity".to_owned(), Value::Object(affinity));
    }
    let spread = wanted_spread(app, Component::Database);
    if !spread.is_empty() {
        spec.insert("topologySpreadConstraints".to_owned(), json!(spread));
    }
    spec
}

/// `None` for what is empty: the API server leaves it out.
fn some<T: Clone>(value: &T, length: usize) -> Option<T> {
    (length > 0).then(|| value.clone())
}
