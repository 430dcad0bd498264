//! `PodDisruptionBudgets`: the drain of a node takes one pod of a part at a time. A part with one pod has none, it would block the
//! drain for ever. CloudNativePG makes those of the database.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    Child,
    names::{self, Component},
};

/// The budget of a part with so many pods at least.
pub(crate) fn budget(
    app: &ChatApp,
    component: Component,
    condition: ConditionType,
    name: String,
    pods: i32,
) -> Option<Child> {
    if pods < 2 {
        return None;
    }
    let budget = PodDisruptionBudget {
        metadata: names::metadata(app, component, name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(names::selector(app, component)),
            // Pods that don't serve anyway may go.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    Some(Child::of(condition, &budget))
}
