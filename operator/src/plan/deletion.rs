//! What happens before a deleted ChatApp is gone. The garbage collector takes its children; only the database needs a decision. Like
//! the plan of a pass it is a function of values, and it is made anew until it says that nothing is left to do.
//!
//! `Retain`: the Cluster stays and is marked, but not while a Job of ours works on it, since a new ChatApp of the name may adopt it at once.
//! `Delete`: the garbage collector takes it too. Nothing here waits for something that may never come where nothing is to be kept: not in a namespace that
//! is being deleted, and not for a Cluster that is gone or going. Of a ChatApp only the metadata is asked for: the rest may be
//! unreadable.

use chatapp_crds::{ChatApp, DATABASE_FINALIZER, DeletionPolicy};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::Pod,
};
use kube::ResourceExt;
use serde_json::Value;

use super::{
    Deletion, Observed, job, names,
    ownership::{self, Owner, Ownership},
    pods, retention,
};
use crate::kinds::Kind;

/// Kubernetes' own finalizer of an object that is deleted without what it owns (`kubectl delete --cascade=orphan`).
const ORPHAN_FINALIZER: &str = "orphan";

/// Label that the Job controller puts on a Job's pods.
const JOB_NAME_LABEL: &str = "batch.kubernetes.io/job-name";

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Delete these and look again. The message says what is waited for.
    Wait {
        deletions: Vec<Deletion>,
        message: String,
    },
    /// Mark the Cluster as left behind, then release.
    Retain(Value),
    /// Remove the finalizer.
    Release,
}

/// Whether the ChatApp must not go without a look at its database.
pub(crate) fn needs_finalizer(app: &ChatApp) -> bool {
    app.spec.database.cluster.is_some()
}

pub(crate) fn has_finalizer(app: &impl ResourceExt) -> bool {
    app.finalizers()
        .iter()
        .any(|finalizer| finalizer == DATABASE_FINALIZER)
}

/// Plans the next step for a ChatApp that is being deleted in a namespace that stays. `observed` has its Cluster, Jobs, CronJob and pods.
pub(crate) fn plan(app: &impl ResourceExt, policy: DeletionPolicy, observed: &Observed) -> Step {
    let owner = Owner::of(app);
    let ours = observed
        .value(Kind::Cluster, &names::database(app))
        .filter(|cluster| {
            owner.ownership_of_value(cluster) == Ownership::Ours
                && cluster.pointer("/metadata/deletionTimestamp").is_none()
        });
    let Some(cluster) = ours else {
        return Step::Release;
    };
    let is_orphaned = app
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == ORPHAN_FINALIZER);
    // Without an owner it was orphaned a moment ago, or never was to be deleted as far as an operator has seen.
    let goes = policy == DeletionPolicy::Delete && ownership::has_owner(cluster) && !is_orphaned;
    if goes {
        return Step::Release;
    }
    work_under_way(app, observed).unwrap_or_else(|| Step::Retain(cluster.clone()))
}

/// What of ours works on the database, or would begin to: Jobs of all parts, and the CronJob.
fn work_under_way(app: &impl ResourceExt, observed: &Observed) -> Option<Step> {
    let owner = Owner::of(app);
    let mut jobs = observed.all::<Job>();
    jobs.retain(|job| {
        let is_ours = owner.ownership(job) != Ownership::Foreign
            || retention::is_started_by(job, &names::retention(app));
        names::is_made_by_us(job) && is_ours && !job::has_ended(job)
    });
    let cron_job = observed.get::<CronJob>(&names::retention(app));
    let pods = observed.all::<Pod>();
    let pod = pods.iter().find(|pod| {
        names::is_made_by_us(*pod)
            && pod.labels().contains_key(JOB_NAME_LABEL)
            && !pods::has_ended(pod)
    });
    let what = match (pod, jobs.first(), &cron_job) {
        (Some(pod), _, _) => {
            format!(
                "pod {}, which works on it, ends ({})",
                pod.name_any(),
                pods::if_its_node_is_gone(pod)
            )
        }
        (None, Some(job), _) => format!("Job {}, which works on it, is stopped", job.name_any()),
        (None, None, Some(cron_job)) => {
            format!(
                "CronJob {}, which works on it, is gone",
                cron_job.name_any()
            )
        }
        (None, None, None) => return None,
    };
    let cron_job = cron_job.iter().filter_map(Deletion::of);
    Some(Step::Wait {
        deletions: cron_job
            .chain(jobs.iter().filter_map(Deletion::of))
            .collect(),
        message: format!(
            "being deleted; Cluster {} is left behind as soon as {what}",
            names::database(app)
        ),
    })
}

/// What people are told about a Cluster that stays.
pub(crate) fn retained_note(app: &impl ResourceExt) -> String {
    let (name, cluster) = (app.name_any(), names::database(app));
    format!(
        "Cluster {cluster} stays with all messages: a new ChatApp {name} in this namespace adopts it; to delete it: \
         kubectl delete clusters.postgresql.cnpg.io {cluster}"
    )
}

/// The finalizers with ours, or without.
pub(crate) fn finalizers(app: &impl ResourceExt, ours: bool) -> Vec<String> {
    let others = app
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != DATABASE_FINALIZER);
    others
        .cloned()
        .chain(ours.then(|| DATABASE_FINALIZER.to_owned()))
        .collect()
}
