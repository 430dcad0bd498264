//! What the server's and the page's Deployments have in common: restricted pods, the hold of the gate, and when a rollout is done.
//!
//! The gate holds only a new version back. A Deployment carries, in an annotation, the pod template that was last let through;
//! while the gate is closed that one is applied again, so that the former version is still repaired and scaled.

use std::collections::BTreeMap;

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, Container, HTTPGetAction, Lifecycle, LifecycleHandler, Pod,
            PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecurityContext,
            Service, ServicePort, ServiceSpec, SleepAction, TopologySpreadConstraint,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};
use kube::{ResourceExt, api::ObjectMeta};

use super::{
    Child,
    names::{self, Component},
    pods,
    verdict::Verdict,
};

/// Annotation of a Deployment: the pod template that the gate let through last, as JSON.
const TEMPLATE_ANNOTATION: &str = "sillychat.io/applied-template";

/// User of the server's image.
pub(crate) const SERVER_UID: i64 = 65532;
/// User of the page's image.
pub(crate) const FRONTEND_UID: i64 = 101;
/// Port that the containers listen on.
pub(crate) const CONTAINER_PORT: i32 = 8080;

/// A Deployment and what the gate says to its pod template.
pub(crate) struct Workload<'a> {
    pub(crate) component: Component,
    pub(crate) condition: ConditionType,
    pub(crate) name: String,
    pub(crate) replicas: i32,
    pub(crate) template: PodTemplateSpec,
    pub(crate) live: Option<&'a Deployment>,
    /// Why the present template may not roll yet.
    pub(crate) held: Option<Verdict>,
}

impl Workload<'_> {
    /// The Deployment to apply; `None` as long as the gate is closed and there is no former version to keep.
    pub(crate) fn child(&self, app: &ChatApp) -> Option<Child> {
        let template = match &self.held {
            None => self.template.clone(),
            Some(_) => applied_template(self.live?)?,
        };
        let mut metadata = names::metadata(app, self.component, self.name.clone());
        let rendered = serde_json::to_string(&template).ok()?;
        metadata.annotations = Some(BTreeMap::from([(TEMPLATE_ANNOTATION.to_owned(), rendered)]));
        let deployment = Deployment {
            metadata,
            spec: Some(DeploymentSpec {
                replicas: Some(self.replicas),
                selector: names::selector(app, self.component),
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(RollingUpdateDeployment {
                        max_unavailable: Some(IntOrString::Int(0)),
                        max_surge: Some(IntOrString::Int(1)),
                    }),
                }),
                template,
                ..DeploymentSpec::default()
            }),
            ..Deployment::default()
        };
        Some(Child::of(self.condition, &deployment))
    }

    /// Whether all wanted pods of the present template serve, and no other does.
    pub(crate) fn verdict<'p>(&self, pods: impl Iterator<Item = &'p Pod> + Clone) -> Verdict {
        if let Some(held) = &self.held {
            return held.clone();
        }
        let (wanted, name) = (self.replicas, &self.name);
        let Some(live) = self.live else {
            return Verdict::waiting("Creating", format!("Deployment {name} is being created"));
        };
        let applied = applied_template(live).as_ref() == Some(&self.template);
        let scaled = live.spec.as_ref().and_then(|spec| spec.replicas) == Some(wanted);
        let status = live.status.clone().unwrap_or_default();
        let observed = status.observed_generation.is_some()
            && status.observed_generation == live.metadata.generation;
        let count = |replicas: Option<i32>| replicas.unwrap_or_default();
        let (updated, total, available) = (
            count(status.updated_replicas),
            count(status.replicas),
            count(status.available_replicas),
        );
        if applied && scaled && observed && [updated, total, available] == [wanted; 3] {
            return Verdict::done(
                "Available",
                format!("Deployment {name}: {available}/{wanted} pods serve"),
            );
        }
        pods::trouble(pods.clone()).or_else(|| missing_volume(pods)).unwrap_or_else(|| {
            let message = format!("Deployment {name}: {updated}/{wanted} pods are up to date, {available} serve, {} are to stop", (total - updated).max(0));
            Verdict::waiting("RollingOut", message)
        })
    }

    /// A Service in front of the pods: port 80, named http.
    pub(crate) fn service(&self, app: &ChatApp) -> Child {
        let service = Service {
            metadata: names::metadata(app, self.component, self.name.clone()),
            spec: Some(ServiceSpec {
                selector: names::selector(app, self.component).match_labels,
                ports: Some(vec![ServicePort {
                    name: Some("http".to_owned()),
                    port: 80,
                    protocol: Some("TCP".to_owned()),
                    target_port: Some(IntOrString::Int(CONTAINER_PORT)),
                    ..ServicePort::default()
                }]),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        };
        Child::of(self.condition, &service)
    }
}

/// The template that was let through last.
pub(crate) fn applied_template(deployment: &Deployment) -> Option<PodTemplateSpec> {
    serde_json::from_str(deployment.annotations().get(TEMPLATE_ANNOTATION)?).ok()
}

/// A pod that is stuck before its first container mostly misses a Secret or a ConfigMap. The kubelet tells of it only in events,
/// and the operator may not read Secrets: so it names what the pod mounts.
pub(crate) fn missing_volume<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<Verdict> {
    let pod = pods
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .find(|pod| {
            let statuses = pod
                .status
                .as_ref()
                .and_then(|status| status.container_statuses.as_ref());
            statuses.into_iter().flatten().any(|container| {
                let waiting = container
                    .state
                    .as_ref()
                    .and_then(|state| state.waiting.as_ref());
                waiting.and_then(|waiting| waiting.reason.as_deref()) == Some("ContainerCreating")
            })
        })?;
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    let mounted: Vec<String> = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| {
            let secret = volume
                .secret
                .as_ref()
                .and_then(|secret| secret.secret_name.as_ref())
                .map(|name| format!("Secret {name}"));
            secret.or_else(|| {
                volume
                    .config_map
                    .as_ref()
                    .map(|config_map| format!("ConfigMap {}", config_map.name))
            })
        })
        .collect();
    let message = format!(
        "pod {} is being created; if it stays so, does it find what it mounts ({}), with the right keys?",
        pod.name_any(),
        mounted.join(", ")
    );
    Some(Verdict::waiting("ContainerCreating", message))
}

/// Digests don't change; a tag may have moved.
pub(crate) fn pull_policy(image: &str) -> String {
    if image.contains("@sha256:") {
        "IfNotPresent"
    } else {
        "Always"
    }
    .to_owned()
}

/// The parts of a pod that satisfy the restricted Pod Security Standard.
/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
pub(crate) fn pod_defaults(app: &ChatApp, uid: i64) -> PodSpec {
    PodSpec {
        service_account_name: Some(names::service_account(app)),
        automount_service_account_token: Some(false),
        image_pull_secrets: (!app.spec.image_pull_secrets.is_empty())
            .then(|| app.spec.image_pull_secrets.clone()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(uid),
            run_as_group: Some(uid),
            fs_group: Some(uid),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

pub(crate) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

/// The pod template of a part that serves HTTP.
pub(crate) fn serving_template(
    app: &ChatApp,
    component: Component,
    uid: i64,
    annotations: BTreeMap<String, String>,
    container: Container,
    pod: PodSpec,
) -> PodTemplateSpec {
    let probe = |path: &str, period: i32, failures: i32| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(CONTAINER_PORT),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    };
    let ready_path = if component == Component::Server {
        "/readyz"
    } else {
        "/healthz"
    };
    let container = Container {
        image_pull_policy: container.image.as_deref().map(pull_policy),
        security_context: Some(container_security()),
        startup_probe: Some(probe("/healthz", 1, 60)),
        liveness_probe: Some(probe("/healthz", 10, 3)),
        readiness_probe: Some(probe(ready_path, 3, 2)),
        // Endpoints need a moment to forget a pod that ends.
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: 5 }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..container
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(names::labels(app, component)),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![container],
            volumes: pod.volumes,
            // 5 s of preStop, 25 s for requests under way, and some slack.
            termination_grace_period_seconds: Some(35),
            topology_spread_constraints: Some(vec![TopologySpreadConstraint {
                max_skew: 1,
                topology_key: "kubernetes.io/hostname".to_owned(),
                when_unsatisfiable: "ScheduleAnyway".to_owned(),
                label_selector: Some(names::selector(app, component)),
                ..TopologySpreadConstraint::default()
            }]),
            ..pod_defaults(app, uid)
        }),
    }
}

/// Requests of CPU and memory, and a limit of memory; a limit of CPU would only add latency.
pub(crate) fn resources(
    cpu: &str,
    memory: &str,
    memory_limit: &str,
) -> k8s_openapi::api::core::v1::ResourceRequirements {
    let quantities = |entries: &[(&str, &str)]| {
        Some(
            entries
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned())))
                .collect(),
        )
    };
    k8s_openapi::api::core::v1::ResourceRequirements {
        requests: quantities(&[("cpu", cpu), ("memory", memory)]),
        limits: quantities(&[("memory", memory_limit)]),
        ..Default::default()
    }
}
