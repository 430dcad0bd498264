//! The state of a ChatApp as a tree that fits on a screen: each condition with the objects that it is about, in the order of the
//! gate, and below it why it isn't ready.

use chatapp_crds::{ChatApp, ChatAppStatus, ConditionType, Phase};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::ResourceExt;
use serde_json::Value;

use super::why::{blocking, find, why};
use crate::{
    kinds::Kind,
    live::Children,
    plan::{COMPONENT_LABEL, Component, Observed},
};

/// Longest message of what is as it should be.
const SHORT: usize = 90;

/// One line, and those below it.
struct Branch {
    line: String,
    below: Vec<Branch>,
}

impl Branch {
    fn leaf(line: String) -> Self {
        Self {
            line,
            below: Vec::new(),
        }
    }
}

fn draw(branches: &[Branch], indent: &str, text: &mut Vec<String>) {
    for (place, Branch { line, below }) in branches.iter().enumerate() {
        let is_last = place + 1 == branches.len();
        let (fork, next) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        text.push(format!("{indent}{fork}{line}\n"));
        draw(below, &format!("{indent}{next}"), text);
    }
}

/// The tree.
pub(crate) fn status(app: &ChatApp, children: &Children, now: Timestamp) -> String {
    let status = app.status.clone().unwrap_or_default();
    let mut text = vec![head(app, &status, now)];
    let (gate, blocking) = (gate(&status), blocking(&status.conditions));
    for type_ in ConditionType::ALL {
        if type_ == ConditionType::Ready {
            continue;
        }
        let Some(condition) = find(&status.conditions, type_) else {
            continue;
        };
        let blocks = blocking.is_some_and(|blocking| blocking == condition);
        let mark = match (condition.status.as_str(), blocks) {
            ("True", _) => '✔',
            (_, true) if status.phase == Some(Phase::Degraded) => '✘',
            _ if gate == Some(type_) || blocks => '▶',
            _ => '·',
        };
        // What waits for the same has the same message.
        let is_told = blocking.is_some_and(|blocking| blocking.message == condition.message);
        let message = match (blocks, is_told) {
            (true, _) => format!(": {}", one_line(&condition.message)),
            (false, true) => String::new(),
            (false, false) => format!(": {}", shortened(&one_line(&condition.message))),
        };
        text.push(format!(
            "{mark} {:<17} {:>4}  {}{message}\n",
            condition.type_,
            age(&condition.last_transition_time, now),
            condition.reason,
        ));
        let below = below(type_, &children.observed, now);
        draw(&below, "  ", &mut text);
    }
    text.push(rest(children));
    let answer = why(app);
    if !answer.is_ready {
        text.push(format!("\n{}\n", answer.line));
    }
    text.concat()
}

/// The step that the gate stands at: the first that isn't done.
fn gate(status: &ChatAppStatus) -> Option<ConditionType> {
    ConditionType::ALL.into_iter().find(|type_| {
        find(&status.conditions, *type_).is_some_and(|condition| condition.status != "True")
    })
}

fn head(app: &ChatApp, status: &ChatAppStatus, now: Timestamp) -> String {
    let phase = status.phase.map_or_else(
        || "not seen by the operator".to_owned(),
        |phase| format!("{phase:?}"),
    );
    let since = find(&status.conditions, ConditionType::Ready);
    let since = since.map_or_else(String::new, |ready| {
        format!(
            " ({} for {})",
            if ready.status == "True" {
                "ready"
            } else {
                "not ready"
            },
            age(&ready.last_transition_time, now)
        )
    });
    let mut text = vec![format!(
        "ChatApp {} in namespace {}: {phase}{since}\n",
        app.name_any(),
        app.namespace().unwrap_or_default()
    )];
    let mut row = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push(format!("  {name:<9} {value}\n"));
        }
    };
    row("URL", status.url.as_deref());
    row("image", status.image.as_deref());
    if let Some(upgrade) = &status.upgrade {
        row("next", Some(&upgrade.to));
        let migrations = match &upgrade.migrations {
            None => "not known yet".to_owned(),
            Some(migrations) if migrations.is_empty() => "none".to_owned(),
            Some(migrations) => migrations.join(", "),
        };
        row("runs", Some(&migrations));
    }
    let schema = status.schema_version.map(|version| version.to_string());
    row("schema", schema.as_deref());
    text.push("\n".to_owned());
    text.concat()
}

/// The objects that a condition is about.
fn below(type_: ConditionType, observed: &Observed, now: Timestamp) -> Vec<Branch> {
    match type_ {
        ConditionType::DatabaseReady => database(observed, now),
        ConditionType::Migrated => jobs(observed, Component::Migration, now),
        ConditionType::Imported => jobs(observed, Component::Import, now),
        ConditionType::ContentLoaded => jobs(observed, Component::Content, now),
        ConditionType::ServerAvailable => {
            let mut below = deployments(observed, Component::Server, now);
            below.extend(
                observed
                    .ours::<HorizontalPodAutoscaler>()
                    .iter()
                    .map(autoscaler),
            );
            below.extend(
                observed
                    .ours::<CronJob>()
                    .iter()
                    .map(|cron_job| self::cron_job(cron_job, now)),
            );
            below
        }
        ConditionType::FrontendAvailable => deployments(observed, Component::Frontend, now),
        ConditionType::RouteReady => [Kind::Ingress, Kind::HTTPRoute]
            .into_iter()
            .flat_map(|kind| {
                ours(observed, kind)
                    .map(move |route| Branch::leaf(format!("{} {}", kind.name(), name(route))))
            })
            .collect(),
        ConditionType::Ready => Vec::new(),
    }
}

fn ours(observed: &Observed, kind: Kind) -> impl Iterator<Item = &Value> {
    observed
        .found(kind)
        .filter(|object| observed.is_ours(object))
}

fn database(observed: &Observed, now: Timestamp) -> Vec<Branch> {
    let clusters = ours(observed, Kind::Cluster).map(|cluster| {
        let status = &cluster["status"];
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let primary = status["currentPrimary"].as_str().unwrap_or_default();
        let phase = status["phase"].as_str().unwrap_or("not started");
        let instances = observed.pods_of(Component::Database);
        Branch {
            line: format!(
                "Cluster {}  {}/{} ready, {phase}",
                name(cluster),
                number(&status["readyInstances"]),
                number(&cluster["spec"]["instances"]),
            ),
            below: instances
                .iter()
                .map(|pod| {
                    let role = if pod.name_any() == primary {
                        ", primary"
                    } else {
                        ""
                    };
                    Branch::leaf(format!("{}{role}", self::pod(pod, now)))
                })
                .collect(),
        }
    });
    let poolers = ours(observed, Kind::Pooler).map(|pooler| Branch {
        line: format!(
            "Pooler {}  {} wanted",
            name(pooler),
            pooler["spec"]["instances"]
        ),
        below: pods(observed, Component::Pooler, now),
    });
    clusters.chain(poolers).collect()
}

fn deployments(observed: &Observed, component: Component, now: Timestamp) -> Vec<Branch> {
    let deployments = observed.ours::<Deployment>().into_iter();
    let of_part = deployments.filter(|deployment| {
        deployment.labels().get(COMPONENT_LABEL).map(String::as_str) == Some(component.as_str())
    });
    of_part
        .map(|deployment| {
            let status = deployment.status.clone().unwrap_or_default();
            let spec = deployment.spec.clone().unwrap_or_default();
            let template = spec.template.spec.unwrap_or_default();
            let image = template
                .containers
                .first()
                .and_then(|container| container.image.clone());
            Branch {
                line: format!(
                    "Deployment {}  {}/{} ready, {} up to date, {}",
                    deployment.name_any(),
                    status.ready_replicas.unwrap_or_default(),
                    spec.replicas.unwrap_or_default(),
                    status.updated_replicas.unwrap_or_default(),
                    image.unwrap_or_default(),
                ),
                below: pods(observed, component, now),
            }
        })
        .collect()
}

fn autoscaler(autoscaler: &HorizontalPodAutoscaler) -> Branch {
    let spec = autoscaler.spec.clone().unwrap_or_default();
    let current = autoscaler
        .status
        .as_ref()
        .and_then(|status| status.current_replicas);
    Branch::leaf(format!(
        "HorizontalPodAutoscaler {}  {} of {} to {}",
        autoscaler.name_any(),
        current.unwrap_or_default(),
        spec.min_replicas.unwrap_or_default(),
        spec.max_replicas,
    ))
}

fn cron_job(cron_job: &CronJob, now: Timestamp) -> Branch {
    let status = cron_job.status.clone().unwrap_or_default();
    let schedule = cron_job.spec.as_ref().map(|spec| spec.schedule.clone());
    let success = status.last_successful_time.map_or_else(
        || "never done yet".to_owned(),
        |time| format!("last done {} ago", age(&time, now)),
    );
    Branch::leaf(format!(
        "CronJob {}  {}, {success}",
        cron_job.name_any(),
        schedule.unwrap_or_default()
    ))
}

/// Jobs of a part; pods only of those that aren't complete.
fn jobs(observed: &Observed, component: Component, now: Timestamp) -> Vec<Branch> {
    let jobs = observed.ours::<Job>().into_iter();
    let of_part = jobs.filter(|job| {
        job.labels().get(COMPONENT_LABEL).map(String::as_str) == Some(component.as_str())
    });
    let all_pods = observed.pods_of(component);
    of_part
        .map(|job| {
            let status = job.status.clone().unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            let end = conditions.iter().find(|condition| {
                condition.status == "True"
                    && matches!(condition.type_.as_str(), "Complete" | "Failed")
            });
            let stands = end.map_or_else(
                || "runs".to_owned(),
                |end| match &end.last_transition_time {
                    Some(time) => format!("{}, {} ago", end.type_.to_lowercase(), age(time, now)),
                    None => end.type_.to_lowercase(),
                },
            );
            let is_complete = end.is_some_and(|end| end.type_ == "Complete");
            let own = all_pods.iter().filter(|pod| {
                !is_complete
                    && pod
                        .owner_references()
                        .iter()
                        .any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
            });
            Branch {
                line: format!("Job {}  {stands}", job.name_any()),
                below: own.map(|pod| Branch::leaf(self::pod(pod, now))).collect(),
            }
        })
        .collect()
}

fn pods(observed: &Observed, component: Component, now: Timestamp) -> Vec<Branch> {
    let pods = observed.pods_of(component);
    pods.iter()
        .map(|pod| Branch::leaf(self::pod(pod, now)))
        .collect()
}

fn pod(pod: &Pod, now: Timestamp) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    let mut restarts = 0;
    let mut waits = None;
    for container in containers {
        restarts += container.restart_count;
        let waiting = container
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref());
        waits = waits.or_else(|| waiting.and_then(|waiting| waiting.reason.clone()));
    }
    let is_ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let phase = status.phase.unwrap_or_else(|| "Unknown".to_owned());
    let mut parts = vec![match (pod.metadata.deletion_timestamp.is_some(), waits) {
        (true, _) => "Terminating".to_owned(),
        (false, Some(reason)) => reason,
        (false, None) => phase.clone(),
    }];
    if phase == "Running" {
        parts.push(if is_ready { "ready" } else { "not ready" }.to_owned());
    }
    if restarts > 0 {
        parts.push(format!("{restarts} restarts"));
    }
    if let Some(created) = pod.creation_timestamp() {
        parts.push(age(&created, now));
    }
    format!("Pod {}  {}", pod.name_any(), parts.join(", "))
}

/// What needs no line of its own.
fn rest(children: &Children) -> String {
    let kinds = [
        Kind::ServiceAccount,
        Kind::Service,
        Kind::NetworkPolicy,
        Kind::PodDisruptionBudget,
        Kind::ConfigMap,
    ];
    let counts: Vec<String> = kinds
        .into_iter()
        .map(|kind| (ours(&children.observed, kind).count(), kind.plural()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, plural)| format!("{count} {plural}"))
        .collect();
    let mut text = Vec::new();
    if !counts.is_empty() {
        text.push(format!("  and {}\n", counts.join(", ")));
    }
    if !children.hidden.is_empty() {
        text.push(format!(
            "  you have no right to list {}\n",
            children.hidden.join(", ")
        ));
    }
    text.concat()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHORT {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHORT).collect();
    format!("{start}...")
}

/// As `kubectl get` writes it, in one unit.
fn age(since: &Time, now: Timestamp) -> String {
    let seconds = now.duration_since(since.0).as_secs().max(0);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}
