//! How a Job stands that hasn't completed, and what to do about it.

use chatapp_crds::{ChatApp, RETRY_MIGRATION_ANNOTATION};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;

use super::{
    job::{RETRIES, condition, is_pod_of},
    outcome, pods,
    verdict::Verdict,
};

/// Exit codes of the server's commands that say so of what the user gave: a file is refused, a schema is too new for this release.
const REFUSED: [i32; 2] = [3, 5];
/// Kubernetes' longest pause between two tries, in seconds.
const LONGEST_PAUSE: i64 = 600;
/// After so many failures, half a minute at least, it is no failover any more.
const PERSISTENT: i32 = 3;

/// A Job and its pods.
pub(crate) struct Run {
    job: Job,
    pods: Vec<Pod>,
}

/// How a Job that hasn't completed stands.
pub(crate) enum Progress {
    Running(String),
    /// A try has failed and another is to come, or runs. `is_persistent`: so many have failed that no failover explains it.
    TriedAgain {
        is_persistent: bool,
        why: String,
    },
    /// Its pods can't run.
    Stuck(Verdict),
    /// It won't be tried again; the server's command said why. `refused`: by what it was given, not by trouble on the way.
    Failed {
        refused: bool,
        why: String,
    },
}

impl Run {
    pub(crate) fn of(job: Job, mut pods: Vec<Pod>) -> Self {
        pods.retain(|pod| is_pod_of(pod, &job));
        Self { job, pods }
    }

    pub(crate) fn name(&self) -> String {
        self.job.name_any()
    }

    pub(crate) fn is_complete(&self) -> bool {
        condition(&self.job, &["Complete"]).is_some()
    }

    pub(crate) fn newest_pod(&self) -> Option<&Pod> {
        newest(self.pods.iter())
    }

    /// The pod whose end is awaited: before that the Job makes no other one, for it says which failures count.
    /// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-replacement-policy>
    pub(crate) fn leaving_pod(&self) -> Option<&Pod> {
        let is_leaving =
            |pod: &&Pod| pod.metadata.deletion_timestamp.is_some() && !pods::has_ended(pod);
        self.newest_pod().filter(is_leaving)
    }

    /// How it stands as long as it hasn't completed.
    pub(crate) fn progress(&self) -> Progress {
        let name = self.name();
        let failed = newest(self.failed_pods());
        // `FailureTarget` says that it is to fail, while its pods may still run.
        if let Some(reason) = condition(&self.job, &["Failed", "FailureTarget"]) {
            let pod = failed.or_else(|| self.newest_pod());
            let end = pod.and_then(outcome::end);
            let words = pod.map_or_else(
                || format!("its pods are gone ({reason})"),
                outcome::last_words,
            );
            return Progress::Failed {
                refused: end.is_some_and(|end| REFUSED.contains(&end.exit_code)),
                why: format!("Job {name} has failed: {words}"),
            };
        }
        if let Some(trouble) = pods::trouble(&self.pods) {
            return Progress::Stuck(trouble);
        }
        if let Some(note) = told(&self.job) {
            let message = format!("Job {name} may not create its pod: {}", pods::shorten(note));
            return Progress::Stuck(Verdict::failed(pods::FAILED_CREATE, message));
        }
        let leaving = self.leaving_pod().map(|pod| {
            let (name, hint) = (pod.name_any(), pods::if_its_node_is_gone(pod));
            format!("the end of pod {name} ({hint}) is awaited")
        });
        let hint = leaving.or_else(|| pods::mount_hint(&self.pods));
        let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
        match failed {
            None => Progress::Running(format!("Job {name} is running{hint}")),
            Some(pod) => Progress::TriedAgain {
                is_persistent: self.failures() >= PERSISTENT,
                why: format!("Job {name}: {}{hint}", self.failed_try(pod)),
            },
        }
    }

    /// Those that the Job counts.
    fn failed_pods(&self) -> impl Iterator<Item = &Pod> {
        let has_failed = |pod: &&Pod| pods::phase(pod) == "Failed" && !pods::is_disrupted(pod);
        self.pods.iter().filter(has_failed)
    }

    /// Kubernetes' counter may lag behind the pods.
    fn failures(&self) -> i32 {
        let status = self.job.status.as_ref();
        let counted = status.and_then(|status| status.failed).unwrap_or_default();
        let seen = self.failed_pods().count();
        counted.max(i32::try_from(seen).unwrap_or(i32::MAX))
    }

    /// What came of the last try, and when the next one is.
    fn failed_try(&self, pod: &Pod) -> String {
        let (failures, tries) = (self.failures(), RETRIES + 1);
        let next = if self.pods.iter().any(|pod| !pods::has_ended(pod)) {
            format!("try {} runs", failures + 1)
        } else {
            let next = next_try(pod, failures);
            next.map_or_else(
                || "the next one is to come".to_owned(),
                |next| format!("the next one begins at {}", next.strftime("%T UTC")),
            )
        };
        let (name, words) = (pod.name_any(), outcome::last_words(pod));
        format!("try {failures} of {tries} has failed (pod {name}: {words}), {next}")
    }
}

/// Kubernetes waits for 10 s after the first failure, and twice as long after each further one.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy>
fn next_try(failed: &Pod, failures: i32) -> Option<Timestamp> {
    let ends = pods::container_statuses(failed).filter_map(outcome::terminated);
    let ended = ends
        .filter_map(|end| Some(end.finished_at.as_ref()?.0))
        .max()?;
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or_default();
    let pause = 10_i64.saturating_mul(2_i64.saturating_pow(doublings));
    ended
        .checked_add(SignedDuration::from_secs(pause.min(LONGEST_PAUSE)))
        .ok()
}

/// What the condition says while a Job is tried again. A human is asked for when it doesn't heal by itself.
pub(crate) fn tried_again(reason: &'static str, is_persistent: bool, message: String) -> Verdict {
    if is_persistent {
        Verdict::failed(reason, message)
    } else {
        Verdict::waiting(reason, message)
    }
}

/// How a Job that has failed is run again.
pub(crate) fn retry(app: &ChatApp) -> String {
    let name = app.name_any();
    format!(
        "kubectl chatapp migrate retry {name} (or set annotation {RETRY_MIGRATION_ANNOTATION} to a new value)"
    )
}

/// The same, while it is tried again by itself.
pub(crate) fn at_once(app: &ChatApp) -> String {
    format!("To try at once: {}", retry(app))
}

/// What an event says of the Job.
fn told(job: &Job) -> Option<&str> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let told = conditions
        .iter()
        .find(|condition| condition.type_ == pods::EVENT_CONDITION)?;
    told.message.as_deref()
}

fn newest<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<&'a Pod> {
    pods.max_by_key(|pod| pod.creation_timestamp().map(|time| time.0))
}
