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
            Capabilities, Container, ContainerPort, HTTPGetAction, Lifecycle, LifecycleHandler,
            LocalObjectReference, Pod, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
            SeccompProfile, SecurityContext, Service, ServicePort, ServiceSpec, SleepAction,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};
use kube::{ResourceExt, api::ObjectMeta};
use serde_json::{Value, json};

use super::{
    Child, Observed, disruption,
    names::{self, Component},
    pods,
    prune::Kept,
    scheduling,
    verdict::Verdict,
};
use crate::{compare::covers, kinds::Kind};

/// Annotation of a Deployment: the pod template that the gate let through last, as JSON.
pub(crate) const TEMPLATE_ANNOTATION: &str = "sillychat.io/applied-template";

/// User of the server's image.
pub(crate) const SERVER_UID: i64 = 65532;
/// User of the page's image.
pub(crate) const FRONTEND_UID: i64 = 101;
/// Port that the containers listen on.
pub(crate) const CONTAINER_PORT: i32 = 8080;
/// Port of the Services.
pub(crate) const SERVICE_PORT: i32 = 80;

/// How many pods a Deployment is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Fixed(i32),
    /// An autoscaler decides, but not below `min`.
    Auto {
        min: i32,
    },
}

impl Scale {
    /// The fewest pods.
    pub(crate) const fn min(self) -> i32 {
        match self {
            Self::Fixed(replicas) | Self::Auto { min: replicas } => replicas,
        }
    }
}

/// A Deployment and what the gate says to its pod template.
pub(crate) struct Workload {
    pub(crate) component: Component,
    pub(crate) condition: ConditionType,
    pub(crate) name: String,
    pub(crate) scale: Scale,
    pub(crate) template: PodTemplateSpec,
    pub(crate) live: Option<Deployment>,
    /// Why the present template may not roll yet.
    pub(crate) held: Option<Verdict>,
}

impl Workload {
    /// The Deployment to apply; `None` as long as the gate is closed and there is no former version to keep.
    pub(crate) fn child(&self, app: &ChatApp) -> Option<Child> {
        let template = self.let_through()?;
        let mut metadata = names::metadata(app, self.component, self.name.clone());
        let rendered = serde_json::to_string(&template).ok()?;
        metadata.annotations = Some(BTreeMap::from([(TEMPLATE_ANNOTATION.to_owned(), rendered)]));
        let deployment = Deployment {
            metadata,
            spec: Some(DeploymentSpec {
                replicas: self.applied_replicas(),
                selector: names::selector(app, self.component),
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(RollingUpdateDeployment {
                        max_unavailable: Some(IntOrString::Int(0)),
                        max_surge: Some(IntOrString::Int(1)),
                    }),
                }),
                template,
                // Only where somebody has paused it: the API server leaves `false` out.
                paused: self.is_paused().then_some(false),
                ..DeploymentSpec::default()
            }),
            ..Deployment::default()
        };
        let child = Child::of(self.condition, &deployment);
        Some(match self.scale {
            Scale::Fixed(_) => child,
            Scale::Auto { .. } => child.giving_up("/spec/replicas"),
        })
    }

    fn live_replicas(&self) -> Option<i32> {
        self.live.as_ref()?.spec.as_ref()?.replicas
    }

    /// An autoscaler's number is left alone. But it has to be put on the way: it doesn't touch a Deployment without pods.
    fn applied_replicas(&self) -> Option<i32> {
        match (self.scale, self.live_replicas()) {
            (Scale::Fixed(replicas), _) => Some(replicas),
            (Scale::Auto { min }, None | Some(0)) => Some(min),
            (Scale::Auto { .. }, Some(_)) => None,
        }
    }

    /// How many pods should serve now.
    pub(crate) fn wanted_replicas(&self) -> i32 {
        match self.scale {
            Scale::Fixed(replicas) => replicas,
            Scale::Auto { min } => self.live_replicas().unwrap_or(min),
        }
    }

    /// Image of the version that was let through, the present or the former one.
    pub(crate) fn image(&self) -> Option<String> {
        let pod = self.let_through()?.spec?;
        pod.containers.first()?.image.clone()
    }

    /// The pod template that may run: the present one, or while the gate is closed the former one.
    pub(crate) fn let_through(&self) -> Option<PodTemplateSpec> {
        match &self.held {
            None => Some(self.template.clone()),
            Some(_) => applied_template(self.live.as_ref()?),
        }
    }

    fn is_paused(&self) -> bool {
        let spec = self.live.as_ref().and_then(|live| live.spec.as_ref());
        spec.and_then(|spec| spec.paused) == Some(true)
    }

    /// Whether all wanted pods of the present template serve, and no other does. It believes the Deployment's status only when that
    /// is about the template that we want, and not about one that somebody has put in its place.
    pub(crate) fn has_rolled_out(&self) -> bool {
        let Some(live) = self.live.as_ref().filter(|_| self.held.is_none()) else {
            return false;
        };
        let Some(spec) = &live.spec else {
            return false;
        };
        let status = live.status.clone().unwrap_or_default();
        applied_template(live).as_ref() == Some(&self.template)
            && covers(&json!(spec.template), &json!(self.template))
            && status.observed_generation.is_some()
            && status.observed_generation == live.metadata.generation
            && {
                let [updated, total, available] = [
                    status.updated_replicas,
                    status.replicas,
                    status.available_replicas,
                ]
                .map(Option::unwrap_or_default);
                match self.scale {
                    Scale::Fixed(replicas) => {
                        spec.replicas == Some(replicas)
                            && [updated, total, available] == [replicas; 3]
                    }
                    // Those that come because of the load are no rollout.
                    Scale::Auto { min } => {
                        spec.replicas >= Some(min) && updated == total && available >= min
                    }
                }
            }
    }

    /// How the rollout stands. `pods` are all of the part; only those of the present template say what is in its way.
    pub(crate) fn verdict(&self, pods: &[Pod]) -> Verdict {
        if let Some(held) = &self.held {
            return held.clone();
        }
        let (wanted, name) = (self.wanted_replicas(), &self.name);
        let Some(live) = &self.live else {
            return Verdict::waiting("Creating", format!("Deployment {name} is being created"));
        };
        if self.has_rolled_out() {
            return if wanted == 0 {
                Verdict::waiting(
                    "ScaledToZero",
                    format!(
                        "Deployment {name} has no pods, as replicas: 0 wants it; nobody is served"
                    ),
                )
            } else {
                let serving = match self.scale {
                    Scale::Fixed(_) => wanted.to_string(),
                    // The number changes with the load: a condition that does would be written all the time.
                    Scale::Auto { min } => format!("{min} or more"),
                };
                Verdict::done(
                    "Available",
                    format!("Deployment {name}: {serving} pods serve"),
                )
            };
        }
        let mut template = json!(self.template);
        if let Some(Value::Object(pod)) = template.get_mut("spec") {
            // The API server adds some to every pod.
            pod.remove("tolerations");
        }
        let pods: Vec<&Pod> = pods
            .iter()
            .filter(|pod| {
                covers(
                    &json!({"metadata": pod.metadata, "spec": pod.spec}),
                    &template,
                )
            })
            .collect();
        let trouble = pods::trouble(pods.iter().copied()).or_else(|| rollout_trouble(live));
        trouble.unwrap_or_else(|| {
            let status = live.status.clone().unwrap_or_default();
            let [updated, total, available] =
                [status.updated_replicas, status.replicas, status.available_replicas]
                    .map(Option::unwrap_or_default);
            let mut message = format!(
                "Deployment {name}: {updated}/{wanted} pods are up to date, {available} serve, {} are to stop",
                (total - updated).max(0)
            );
            if let Some(hint) = pods::mount_hint(pods.iter().copied()) {
                message = format!("{message}; {hint}");
            }
            Verdict::waiting("RollingOut", message)
        })
    }

    /// How many of the pods the drain of a node takes at a time.
    pub(crate) fn budget(&self, app: &ChatApp) -> Option<Child> {
        let name = self.name.clone();
        disruption::budget(app, self.component, self.condition, name, self.scale.min())
    }

    /// A Service in front of the pods: port 80, named http.
    pub(crate) fn service(&self, app: &ChatApp) -> Child {
        let service = Service {
            metadata: names::metadata(app, self.component, self.name.clone()),
            spec: Some(ServiceSpec {
                type_: Some("ClusterIP".to_owned()),
                selector: names::selector(app, self.component).match_labels,
                ports: Some(vec![ServicePort {
                    name: Some("http".to_owned()),
                    port: SERVICE_PORT,
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

/// What Kubernetes says of pods that it may not create (a quota, an admission webhook), or that never become ready.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment>
fn rollout_trouble(live: &Deployment) -> Option<Verdict> {
    let status = live.status.as_ref()?;
    if status.observed_generation != live.metadata.generation {
        return None;
    }
    let conditions = status.conditions.as_deref().unwrap_or_default();
    conditions.iter().find_map(|condition| {
        let reason = match (condition.type_.as_str(), condition.status.as_str()) {
            ("ReplicaFailure", "True") => "ReplicaFailure",
            ("Progressing", "False")
                if condition.reason.as_deref() == Some("ProgressDeadlineExceeded") =>
            {
                "ProgressDeadlineExceeded"
            }
            _ => return None,
        };
        let message = condition.message.as_deref().unwrap_or_default();
        let name = live.name_any();
        Some(Verdict::failed(
            reason,
            format!("Deployment {name}: {}", pods::shorten(message)),
        ))
    })
}

/// The accounts of pods and of Deployments: without its account no pod of a former template could be made again.
pub(crate) fn accounts_in_use(observed: &Observed) -> Vec<Kept> {
    let ours = |object: &&Value| observed.is_ours(object);
    let templates = observed.found(Kind::Deployment).filter(ours);
    let templates = templates.map(|deployment| &deployment["spec"]["template"]);
    templates
        .chain(observed.found(Kind::Pod))
        .filter_map(|pod| pod["spec"]["serviceAccountName"].as_str())
        .map(|account| (Kind::ServiceAccount, account.to_owned()))
        .collect()
}

/// The template that was let through last.
pub(crate) fn applied_template(deployment: &Deployment) -> Option<PodTemplateSpec> {
    serde_json::from_str(deployment.annotations().get(TEMPLATE_ANNOTATION)?).ok()
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
    let pod = PodSpec {
        service_account_name: Some(names::service_account(app)),
        automount_service_account_token: Some(false),
        image_pull_secrets: pull_secrets(app),
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
    };
    scheduling::place(app, pod)
}

pub(crate) fn pull_secrets(app: &ChatApp) -> Option<Vec<LocalObjectReference>> {
    let secrets = &app.spec.image_pull_secrets;
    (!secrets.is_empty()).then(|| secrets.clone())
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
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: CONTAINER_PORT,
            ..ContainerPort::default()
        }]),
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
            topology_spread_constraints: Some(scheduling::spread(app, component)),
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
