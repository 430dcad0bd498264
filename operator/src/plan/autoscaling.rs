//! How many servers there are: as the spec says, or as the load needs by a `HorizontalPodAutoscaler`, which then decides the
//! Deployment's `replicas` alone.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use super::{
    Child, Observed,
    names::{self, Component},
    workload::Scale,
};

/// Servers without `spec.server.replicas`.
const DEFAULT_REPLICAS: i32 = 2;

/// How many servers are wanted.
pub(crate) fn scale(app: &ChatApp) -> Scale {
    let server = &app.spec.server;
    match &server.autoscaling {
        _ if app.spec.suspend => Scale::Fixed(0),
        Some(autoscaling) => Scale::Auto {
            min: autoscaling.min_replicas,
        },
        None => Scale::Fixed(server.replicas.unwrap_or(DEFAULT_REPLICAS)),
    }
}

/// The autoscaler, if one is wanted.
pub(crate) fn child(app: &ChatApp) -> Option<Child> {
    let autoscaling = app.spec.server.autoscaling.as_ref();
    let autoscaling = autoscaling.filter(|_| !app.spec.suspend)?;
    let name = names::server(app);
    let autoscaler = HorizontalPodAutoscaler {
        metadata: names::metadata(app, Component::Server, name.clone()),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name,
            },
            min_replicas: Some(autoscaling.min_replicas),
            max_replicas: autoscaling.max_replicas,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(autoscaling.target_cpu_utilization_percentage),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            ..HorizontalPodAutoscalerSpec::default()
        }),
        ..HorizontalPodAutoscaler::default()
    };
    Some(Child::of(ConditionType::ServerAvailable, &autoscaler))
}

/// What keeps the autoscaler from its work: the servers serve, but their number stays as it is.
pub(crate) fn remark(app: &ChatApp, observed: &Observed) -> Option<String> {
    child(app)?;
    let name = names::server(app);
    let live: HorizontalPodAutoscaler = observed.get(&name)?;
    let conditions = live.status?.conditions.unwrap_or_default();
    let stands = conditions
        .iter()
        .find(|condition| condition.type_ == "ScalingActive" && condition.status == "False")?;
    // Its message changes all the time.
    let reason = stands.reason.as_deref().unwrap_or_default();
    Some(format!(
        "HorizontalPodAutoscaler {name} can't tell the load ({reason}); if it stays so, does the cluster have metrics-server?"
    ))
}
