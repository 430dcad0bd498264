//! Jobs of the server's image: what their pods have in common, and what there is of one that does something once. How one that runs
//! comes on is in `run`.
//!
//! A Job's pod template can't change: it is named after all that it depends on, and a changed one is another Job. Of two Jobs of
//! one part never both run: the former one has to be gone, with its pods, before the next is made. So a Job that has completed
//! also says that none of its part has run since. What a former ChatApp of the name still runs has to be gone too: its database
//! may be this one's.

use chatapp_crds::{ChatApp, ConditionType, RETRY_MIGRATION_ANNOTATION};
use k8s_openapi::api::{
    batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
        PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
    },
    core::v1::{Container, Pod, PodSpec, PodTemplateSpec, Volume, VolumeMount},
};
use kube::{ResourceExt, api::ObjectMeta};

use super::{
    Child, Deletion, Observed,
    database::Source,
    names::{self, Component},
    ownership::{Owner, Ownership},
    pods,
    run::Run,
    server, suspend, workload,
};

/// Annotation of a Job: what it does once, whatever image and settings it does it with.
const TASK_ANNOTATION: &str = "sillychat.io/task";
/// Where a container leaves how it ended.
const OUTCOME_FILE: &str = "/dev/termination-log";
/// Exit codes of the server's commands for what another try won't change: the arguments aren't understood, a file is refused, a
/// schema is too new for this release.
const FINAL: [i32; 3] = [2, 3, 5];
/// How often a pod that has failed is followed by another.
pub(crate) const RETRIES: i32 = 6;

/// What a pod of the server's image is to do.
pub(crate) struct Work<'a> {
    pub(crate) component: Component,
    pub(crate) image: &'a str,
    pub(crate) container: &'static str,
    pub(crate) args: Vec<String>,
    /// What it needs besides the database.
    pub(crate) files: Vec<(Volume, VolumeMount)>,
}

/// A restricted pod that has access to the database.
pub(crate) fn template(app: &ChatApp, source: &Source<'_>, work: Work<'_>) -> PodTemplateSpec {
    let (env, volume, mount) = server::database_access(app, source);
    let outcome = server::variable("OUTCOME_FILE", OUTCOME_FILE.to_owned());
    let (mut volumes, mut mounts): (Vec<_>, Vec<_>) = work.files.into_iter().unzip();
    volumes.insert(0, volume);
    mounts.insert(0, mount);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(names::labels(app, work.component)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            restart_policy: Some("Never".to_owned()),
            containers: vec![Container {
                name: work.container.to_owned(),
                image: Some(work.image.to_owned()),
                image_pull_policy: Some(workload::pull_policy(work.image)),
                args: Some(work.args),
                env: Some(server::environment(app, vec![env, outcome])),
                resources: Some(server::resources(app)),
                security_context: Some(workload::container_security()),
                volume_mounts: Some(mounts),
                // Of a run that leaves nothing itself, the last lines of the log get into the condition.
                termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
                ..Container::default()
            }],
            volumes: Some(volumes),
            ..workload::pod_defaults(app, workload::SERVER_UID)
        }),
    }
}

/// How often, and after what, such a pod is tried again.
pub(crate) fn spec(template: PodTemplateSpec) -> JobSpec {
    let rule = |action: &str| PodFailurePolicyRule {
        action: action.to_owned(),
        ..PodFailurePolicyRule::default()
    };
    JobSpec {
        // With Kubernetes' pauses (10 s, 20 s, 40 s, ...) ten minutes: a failover of the database is no failure.
        backoff_limit: Some(RETRIES),
        pod_failure_policy: Some(PodFailurePolicy {
            rules: vec![
                PodFailurePolicyRule {
                    on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                        operator: "In".to_owned(),
                        values: FINAL.to_vec(),
                        container_name: None,
                    }),
                    ..rule("FailJob")
                },
                // A node that is drained is no failure either.
                PodFailurePolicyRule {
                    on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                        type_: "DisruptionTarget".to_owned(),
                        status: "True".to_owned(),
                    }]),
                    ..rule("Ignore")
                },
            ],
        }),
        template,
        ..JobSpec::default()
    }
}

/// What is to be done once.
pub(crate) struct Task {
    pub(crate) component: Component,
    pub(crate) condition: ConditionType,
    /// What is done once: where a Job of this key has completed, none is needed.
    pub(crate) key: String,
    pub(crate) template: PodTemplateSpec,
}

impl Task {
    fn job_name(&self, app: &ChatApp) -> String {
        let rendered = serde_json::to_string(&self.template).unwrap_or_default();
        let annotation = app.annotations().get(RETRY_MIGRATION_ANNOTATION);
        let retry = annotation.map_or("", String::as_str);
        let hash = names::short_hash([self.key.as_str(), &rendered, retry]);
        names::job(app, self.component, &hash)
    }

    /// The Job to do it with.
    pub(crate) fn job(&self, app: &ChatApp) -> Child {
        let mut metadata = names::metadata(app, self.component, self.job_name(app));
        metadata.annotations = Some([(TASK_ANNOTATION.to_owned(), self.key.clone())].into());
        let job = Job {
            metadata,
            spec: Some(spec(self.template.clone())),
            ..Job::default()
        };
        Child::of(self.condition, &job)
    }

    /// What there is of it, and which other Jobs of its part have to go.
    pub(crate) fn find(&self, app: &ChatApp, observed: &Observed) -> (Standing, Vec<Deletion>) {
        let name = self.job_name(app);
        let mut others = jobs_of(observed, self.component);
        let is_complete = |job: &Job| {
            is_task(job, &self.key) && !is_leaving(job) && condition(job, &["Complete"]).is_some()
        };
        let complete = others.iter().position(is_complete);
        let pods = observed.pods_of(self.component);
        let is_wanted = |job: &Job| job.name_any() == name && !suspend::is_idle(app, job, &pods);
        let kept = complete.or_else(|| others.iter().position(is_wanted));
        let kept = kept.map(|place| others.swap_remove(place));
        let deletions = others.iter().filter_map(Deletion::of).collect();
        let former = match complete {
            Some(_) => None,
            None => former(&others, kept.as_ref(), &pods).or_else(|| of_former_app(app, observed)),
        };
        let standing = match (former, kept) {
            (Some(former), _) => Standing::Former(former),
            (None, None) => Standing::Absent,
            (None, Some(job)) => {
                let run = Run::of(job, pods);
                if complete.is_some() {
                    Standing::Complete(run)
                } else {
                    Standing::Present(run)
                }
            }
        };
        (standing, deletions)
    }
}

/// What there is of a task.
pub(crate) enum Standing {
    /// It is done.
    Complete(Run),
    /// A Job or pod of a former spec or ChatApp, named here, may still run.
    Former(String),
    /// The Job is there and hasn't completed.
    Present(Run),
    Absent,
}

/// Our Jobs of a part. One of CloudNativePG's has our label, too.
pub(crate) fn jobs_of(observed: &Observed, component: Component) -> Vec<Job> {
    let mut jobs = observed.ours::<Job>();
    jobs.retain(|job| names::is_of(job, component));
    jobs
}

/// By uid: a Job that was deleted by hand leaves a pod behind for a while, and the next one has the same name.
pub(crate) fn is_pod_of(pod: &Pod, job: &Job) -> bool {
    let owners = pod.owner_references();
    owners
        .iter()
        .any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
}

/// A Job or pod of a part that may still run and isn't `kept` or one of its pods.
fn former(others: &[Job], kept: Option<&Job>, pods: &[Pod]) -> Option<String> {
    // One that has ended says what was done last, so it has to be on its way out before something else is done.
    let job = others
        .iter()
        .find(|job| !has_ended(job) || !is_leaving(job))
        .or_else(|| kept.filter(|job| is_leaving(job)));
    let pod = pods
        .iter()
        .filter(|pod| !pods::has_ended(pod))
        .find(|pod| kept.is_none_or(|job| !is_pod_of(pod, job)));
    // The Job lasts as long as its pods.
    let told = |pod: &Pod| {
        let name = pod.name_any();
        if pod.metadata.deletion_timestamp.is_some() {
            format!("pod {name} ({})", pods::if_its_node_is_gone(pod))
        } else {
            format!("pod {name}")
        }
    };
    pod.map(told)
        .or_else(|| job.map(|job| format!("Job {}", job.name_any())))
}

/// A Job of a former ChatApp, whatever it does, that may still run.
fn of_former_app(app: &ChatApp, observed: &Observed) -> Option<String> {
    let owner = Owner::of(app);
    let jobs = observed.all::<Job>();
    let job = jobs
        .iter()
        .find(|job| owner.ownership(*job) == Ownership::Leaving && !has_ended(job));
    job.map(|job| format!("Job {}", job.name_any()))
}

fn is_task(job: &Job, key: &str) -> bool {
    job.annotations().get(TASK_ANNOTATION).map(String::as_str) == Some(key)
}

fn is_leaving(job: &Job) -> bool {
    job.metadata.deletion_timestamp.is_some()
}

/// The reason of a condition that is true. Only conditions say how a Job ended: counters and `completionTime` don't, for a Job
/// that failed or was retried.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions>
pub(crate) fn condition<'a>(job: &'a Job, types: &[&str]) -> Option<&'a str> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.status == "True" && types.contains(&condition.type_.as_str()))
        .map(|condition| condition.reason.as_deref().unwrap_or_default())
}

pub(crate) fn has_ended(job: &Job) -> bool {
    condition(job, &["Complete", "Failed"]).is_some()
}
