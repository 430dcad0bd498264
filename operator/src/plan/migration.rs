//! The gate before a new server version: a Job runs `chat-server migrate` of the image that is to be served, once for each
//! image and database, and never two Jobs at the same time.
//!
//! A schema counts as migrated when the Job of this image and database has completed, or when the server Deployment carries
//! the mark of that migration: the mark is put on only behind the gate, so that a Job that somebody cleans up is not run again
//! and a spec that goes back to what runs already needs no migration at all.

use chatapp_crds::{ChatApp, ConditionType, RETRY_MIGRATION_ANNOTATION};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{Container, Pod, PodSpec, PodTemplateSpec},
};
use kube::{ResourceExt, api::ObjectMeta};

use super::{
    Child, Deletion, Observed,
    database::{self, Source},
    names::{self, Component},
    ownership::{Owner, Standing},
    pods, server,
    verdict::Verdict,
    workload,
};

/// Label that the Job controller puts on a Job's pods.
pub(crate) const JOB_NAME_LABEL: &str = "batch.kubernetes.io/job-name";

/// What to do about the migration, and how it stands.
pub(crate) struct Migration {
    /// Mark of the image and the database; the server's pods carry it.
    pub(crate) key: String,
    pub(crate) verdict: Verdict,
    pub(crate) child: Option<Child>,
    pub(crate) deletions: Vec<Deletion>,
}

/// Plans the migration for `spec.server.image`.
pub(crate) fn plan(
    app: &ChatApp,
    source: &Source<'_>,
    observed: &Observed,
    database: &Verdict,
) -> Migration {
    let Some(identity) = database::identity(app, source, observed) else {
        return Migration {
            key: String::new(),
            verdict: Verdict::waiting("WaitingForDatabase", database.reason().message.clone()),
            child: None,
            deletions: Vec::new(),
        };
    };
    let image = &app.spec.server.image;
    let key = names::short_hash([image.as_str(), &identity]);
    let (job_name, job) = job(app, source, &identity);
    // Only ours: a Job of CloudNativePG's has our label too.
    let mut ours = observed.ours::<Job>();
    ours.retain(|job| names::is_part(job, Component::Migration));
    let deletions = ours
        .iter()
        .filter(|other| other.name_any() != job_name)
        .filter_map(Deletion::of)
        .collect();
    let migration = |verdict, child| Migration {
        key: key.clone(),
        verdict,
        child,
        deletions,
    };

    let server = observed.get(&names::server(app));
    let marked = server.as_ref().and_then(workload::applied_template);
    if marked
        .as_ref()
        .is_some_and(|template| server::migration_mark(template) == Some(&key))
    {
        return migration(
            Verdict::done(
                "SchemaCurrent",
                format!("the server runs on the schema of {image}"),
            ),
            None,
        );
    }
    if let Some(former) = former_migration(app, &ours, observed, &job_name) {
        let message = format!(
            "{former} of a former spec or ChatApp is being stopped: two migrations never run at once"
        );
        return migration(Verdict::waiting("WaitingForFormerMigration", message), None);
    }
    match ours.iter().find(|job| job.name_any() == job_name) {
        None if !database.is_done() => migration(
            Verdict::waiting("WaitingForDatabase", database.reason().message.clone()),
            None,
        ),
        None => migration(
            Verdict::waiting(
                "MigrationStarting",
                format!("Job {job_name} is being created"),
            ),
            Some(job),
        ),
        Some(live) => migration(job_verdict(live, observed), Some(job)),
    }
}

/// A Job or pod that may still be migrating for a former spec, or for a former ChatApp of the name.
fn former_migration(
    app: &ChatApp,
    ours: &[Job],
    observed: &Observed,
    job_name: &str,
) -> Option<String> {
    let owner = Owner::of(app);
    let mut jobs = observed.all::<Job>();
    jobs.retain(|job| match owner.standing(job) {
        Standing::Ours | Standing::LeftBehind => {
            names::is_part(job, Component::Migration) && job.name_any() != job_name
        }
        Standing::Leaving => true,
        Standing::Foreign => false,
    });
    let job = jobs.iter().find(|job| !has_ended(job));
    // By uid: a Job that was deleted by hand leaves a pod behind for a while, and the next one has the same name.
    let present = ours.iter().find(|job| job.name_any() == job_name);
    let is_former = |pod: &&Pod| {
        let owners = pod.owner_references();
        !present.is_some_and(|job| {
            owners
                .iter()
                .any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
        })
    };
    let pods = observed.pods_of(Component::Migration);
    let pod = pods
        .iter()
        .filter(|pod| !pod_has_ended(pod))
        .find(is_former);
    job.map(|job| format!("Job {}", job.name_any()))
        .or_else(|| pod.map(|pod| format!("pod {}", pod.name_any())))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Complete,
    Failed,
}

/// How a Job ended. Only its conditions say so: counters and `completionTime` don't, for a Job that failed or was retried.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions>
fn outcome(job: &Job) -> Option<Outcome> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .filter(|condition| condition.status == "True")
        .find_map(|condition| match condition.type_.as_str() {
            "Complete" => Some(Outcome::Complete),
            "Failed" | "FailureTarget" => Some(Outcome::Failed),
            _ => None,
        })
}

/// `FailureTarget` says how it will end, while its pods may still run.
pub(crate) fn has_ended(job: &Job) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| {
        condition.status == "True" && matches!(condition.type_.as_str(), "Complete" | "Failed")
    })
}

fn job_verdict(job: &Job, observed: &Observed) -> Verdict {
    let name = job.name_any();
    let mut pods = observed.pods_of(Component::Migration);
    pods.retain(|pod| pod.labels().get(JOB_NAME_LABEL) == Some(&name));
    match outcome(job) {
        Some(Outcome::Complete) => {
            Verdict::done("MigrationComplete", format!("Job {name} has completed"))
        }
        Some(Outcome::Failed) => Verdict::failed(
            "MigrationFailed",
            format!(
                "Job {name} has failed: {}; the former version serves on. Correct the spec, or set annotation {RETRY_MIGRATION_ANNOTATION} to a new value",
                newest(pods.iter()).map_or_else(
                    || "its pods are gone".to_owned(),
                    |pod| pods::shorten(&last_words(pod))
                )
            ),
        ),
        None => pods::trouble(&pods).unwrap_or_else(|| {
            let failed = newest(pods.iter().filter(|pod| phase(pod) == "Failed"));
            let message = match (failed, pods::mount_hint(&pods)) {
                (_, Some(hint)) => format!("Job {name} is running; {hint}"),
                (Some(pod), None) => format!(
                    "Job {name} is tried again; pod {} has failed: {}",
                    pod.name_any(),
                    pods::shorten(&last_words(pod))
                ),
                (None, None) => format!("Job {name} is running"),
            };
            Verdict::waiting("Migrating", message)
        }),
    }
}

fn newest<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<&'a Pod> {
    pods.max_by_key(|pod| pod.creation_timestamp().map(|time| time.0))
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

pub(crate) fn pod_has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

fn last_words(pod: &Pod) -> String {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses
        .and_then(|statuses| statuses.first())
        .map_or_else(|| "no message".to_owned(), pods::last_words)
}

/// The Job, named after all that it depends on: a Job's pod template can't change, and a changed one has to run again.
fn job(app: &ChatApp, source: &Source<'_>, identity: &str) -> (String, Child) {
    let image = &app.spec.server.image;
    let (env, volume, mount) = server::database_access(app, source);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(names::labels(app, Component::Migration)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            restart_policy: Some("Never".to_owned()),
            containers: vec![Container {
                name: "migrate".to_owned(),
                image: Some(image.clone()),
                image_pull_policy: Some(workload::pull_policy(image)),
                args: Some(vec!["migrate".to_owned()]),
                env: Some(server::environment(app, vec![env])),
                resources: Some(server::resources(app)),
                security_context: Some(workload::container_security()),
                volume_mounts: Some(vec![mount]),
                // The last lines of a failed run end up in the pod's status, from where they get into the condition.
                termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
                ..Container::default()
            }],
            volumes: Some(vec![volume]),
            ..workload::pod_defaults(app, workload::SERVER_UID)
        }),
    };
    let rendered = serde_json::to_string(&template).unwrap_or_default();
    let retry = app
        .annotations()
        .get(RETRY_MIGRATION_ANNOTATION)
        .map_or("", String::as_str);
    let name = names::migration(app, &names::short_hash([identity, &rendered, retry]));
    let job = Job {
        metadata: names::metadata(app, Component::Migration, name.clone()),
        spec: Some(JobSpec {
            // With Kubernetes' pauses (10 s, 20 s, 40 s, ...) ten minutes: a failover of the database is no failure.
            backoff_limit: Some(6),
            template,
            ..JobSpec::default()
        }),
        ..Job::default()
    };
    (name, Child::of(ConditionType::Migrated, &job))
}
