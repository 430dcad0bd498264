//! `spec.suspend`: servers and page go to zero, then the database hibernates, with its volumes. Jobs that run are waited for; those
//! that can't, or whose next try is to come, go and are made again when the app goes on.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{
    Child, Deletion, Observed,
    database::{self, Source},
    job,
    names::{self, Component},
    pods, retention,
    verdict::Verdict,
};
use crate::kinds::Kind;

/// Reason of the conditions of an app that is stopped; it makes the phase.
pub(crate) const SUSPENDED: &str = "Suspended";

/// Stops CloudNativePG's instances and keeps their volumes.
/// <https://cloudnative-pg.io/documentation/current/declarative_hibernation/>
pub(crate) const HIBERNATION: &str = "cnpg.io/hibernation";

/// Lets the `Cluster` hibernate, as soon as nobody needs it any more.
pub(crate) fn hibernate(app: &ChatApp, observed: &Observed, cluster: &mut Child) {
    if app.spec.suspend
        && (is_told_to_hibernate(app, observed)
            || (is_empty(app, observed)
                && pods(observed, needs_database).is_empty()
                && unended_jobs(app, observed).is_empty()))
    {
        cluster.object["metadata"]["annotations"][HIBERNATION] = json!("on");
    }
}

/// Once asleep it is not woken up by a Job that comes late.
fn is_told_to_hibernate(app: &ChatApp, observed: &Observed) -> bool {
    let cluster = observed.value(Kind::Cluster, &names::database(app));
    cluster.is_some_and(|cluster| cluster["metadata"]["annotations"][HIBERNATION] == "on")
}

/// Whether the servers' Deployment has no pods and makes none.
fn is_empty(app: &ChatApp, observed: &Observed) -> bool {
    let server: Option<Deployment> = observed.get(&names::server(app));
    server.is_none_or(|server| {
        let wanted = server.spec.and_then(|spec| spec.replicas);
        let present = server.status.and_then(|status| status.replicas);
        wanted == Some(0) && present.unwrap_or_default() == 0
    })
}

/// The pods, other than those that have ended, of parts that are meant.
fn pods(observed: &Observed, is_meant: impl Fn(&str) -> bool) -> Vec<Pod> {
    let mut pods = observed.all::<Pod>();
    pods.retain(|pod| {
        let component = pod.labels().get(names::COMPONENT_LABEL);
        !pods::has_ended(pod) && component.is_some_and(|component| is_meant(component))
    });
    pods
}

/// What may still make a pod: Jobs of ours, and those of the CronJob.
fn unended_jobs(app: &ChatApp, observed: &Observed) -> Vec<Job> {
    let mut jobs = observed.ours::<Job>();
    jobs.extend(retention::jobs(app, observed));
    jobs.retain(|job| !job::has_ended(job));
    jobs
}

/// Whether the app is to stop and none of the Job's pods is at work. Such a Job might never end, or do its next tries when the
/// database sleeps, and have failed for good by that. One that works on the database is left to end.
pub(crate) fn is_idle(app: &ChatApp, job: &Job, pods: &[Pod]) -> bool {
    let is_at_work = |pod: &Pod| job::is_pod_of(pod, job) && pods::is_at_work(pod);
    app.spec.suspend && !job::has_ended(job) && !pods.iter().any(is_at_work)
}

/// Of the CronJob's Jobs, which are nobody's task, those that are idle.
pub(crate) fn idle_purges(app: &ChatApp, observed: &Observed) -> Vec<Deletion> {
    // Nearly every pass.
    if !app.spec.suspend {
        return Vec::new();
    }
    let pods = observed.pods_of(Component::Retention);
    let mut jobs = retention::jobs(app, observed);
    jobs.retain(|job| is_idle(app, job, &pods));
    jobs.iter().filter_map(Deletion::of).collect()
}

/// Servers and Jobs.
fn needs_database(component: &str) -> bool {
    let others = [Component::Database, Component::Pooler, Component::Frontend];
    !others.iter().any(|other| other.as_str() == component)
}

/// Whether CloudNativePG says that the `Cluster` hibernates.
pub(crate) fn is_hibernating(cluster: &Value) -> bool {
    let conditions = cluster
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == HIBERNATION && condition["status"] == "True")
}

/// How far the stop has come; `None` if the app is not to stop.
pub(crate) fn verdict(app: &ChatApp, source: &Source<'_>, observed: &Observed) -> Option<Verdict> {
    if !app.spec.suspend {
        return None;
    }
    let sleeps = match source {
        Source::Cluster(_) => database::live(app, observed).is_none_or(is_hibernating),
        Source::External(_) => true,
    };
    Some(match awaited(app, observed) {
        Some(awaited) => Verdict::waiting("Suspending", format!("spec.suspend: {awaited}")),
        None if sleeps => Verdict::waiting(
            SUSPENDED,
            "stopped by spec.suspend, nothing is lost; write suspend: false to go on",
        ),
        None => {
            let name = names::database(app);
            Verdict::waiting(
                "Suspending",
                format!("spec.suspend: Cluster {name} is being hibernated"),
            )
        }
    })
}

/// What has to go before the database sleeps.
fn awaited(app: &ChatApp, observed: &Observed) -> Option<String> {
    let is_of_job =
        |component: &str| needs_database(component) && component != Component::Server.as_str();
    let of_jobs = pods(observed, is_of_job);
    if let Some(pod) = of_jobs.iter().find(|pod| pods::is_at_work(pod)) {
        return Some(format!(
            "pod {}, which works on the database, is to end first ({})",
            pod.name_any(),
            pods::if_its_node_is_gone(pod)
        ));
    }
    let pods = pods(observed, |component| {
        component != Component::Database.as_str()
    });
    if !pods.is_empty() {
        return Some(format!("{} being stopped", named(&pods)));
    }
    if !is_empty(app, observed) {
        let name = names::server(app);
        return Some(format!("the pods of Deployment {name} are being stopped"));
    }
    let job = unended_jobs(app, observed).into_iter().next()?;
    Some(format!("Job {} is being stopped", job.name_any()))
}

/// The first of them, and how many more there are.
fn named(pods: &[Pod]) -> String {
    const TOLD: usize = 3;
    let names = pods.iter().take(TOLD);
    let names: Vec<String> = names.map(|pod| format!("pod {}", pod.name_any())).collect();
    let names = names.join(", ");
    match pods.len() {
        1 => format!("{names} is"),
        ..=TOLD => format!("{names} are"),
        count => format!("{names} and {} more are", count - TOLD),
    }
}

/// What the conditions say of an app that is to stop. What has been done stays so: the schema, and a database of somebody else's.
pub(crate) fn overrule(
    verdicts: &mut [(ConditionType, Verdict)],
    source: &Source<'_>,
    stop: &Verdict,
) {
    for (type_, verdict) in verdicts {
        let stays = match type_ {
            ConditionType::DatabaseReady => matches!(source, Source::External(_)),
            ConditionType::ServerAvailable | ConditionType::FrontendAvailable => false,
            _ => verdict.is_done(),
        };
        if !stays {
            *verdict = stop.clone();
        }
    }
}
