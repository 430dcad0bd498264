//! `spec.suspend`: servers and page go to zero, then the database hibernates, with its volumes. Jobs that run are waited for.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{
    Child, Observed,
    database::{self, Source},
    names::{self, Component},
    pods,
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
            || (is_empty(app, observed) && !has_pods(observed, needs_database)))
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

/// Whether there is a pod, other than those that have ended, of a part that `is_meant`.
fn has_pods(observed: &Observed, is_meant: impl Fn(&str) -> bool) -> bool {
    observed.all::<Pod>().iter().any(|pod| {
        let component = pod.labels().get(names::COMPONENT_LABEL);
        !pods::has_ended(pod) && component.is_some_and(|component| is_meant(component))
    })
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
    Some(
        if !is_empty(app, observed)
            || has_pods(observed, |component| {
                component != Component::Database.as_str()
            })
        {
            Verdict::waiting("Suspending", "spec.suspend: pods are being stopped")
        } else if sleeps {
            Verdict::waiting(
                SUSPENDED,
                "stopped by spec.suspend, nothing is lost; write suspend: false to go on",
            )
        } else {
            let name = names::database(app);
            Verdict::waiting(
                "Suspending",
                format!("spec.suspend: Cluster {name} is being hibernated"),
            )
        },
    )
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
