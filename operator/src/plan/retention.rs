//! The retention: a CronJob that runs `chat-server purge` once a day, and whether it does what it should. `Ready` doesn't depend on
//! that: people are served all the same.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::{
    Resource,
    api::batch::v1::{CronJob, CronJobSpec, Job, JobTemplateSpec},
};
use kube::{ResourceExt, api::ObjectMeta};

use super::{
    Child, Observed,
    database::Source,
    job::{self, Work},
    names::{self, Component},
    run::{Progress, Run},
    verdict::Verdict,
};

/// The CronJob, with the image that was let through the gate: it works on the present schema.
pub(crate) fn cron_job(app: &ChatApp, source: &Source<'_>, image: Option<&str>) -> Option<Child> {
    let days = app.spec.retention.as_ref()?.days;
    let work = Work {
        component: Component::Retention,
        image: image?,
        container: "purge",
        args: ["purge", "--older-than", &format!("{days}d")]
            .map(str::to_owned)
            .into(),
        files: Vec::new(),
    };
    let cron_job = CronJob {
        metadata: names::metadata(app, Component::Retention, names::retention(app)),
        spec: Some(CronJobSpec {
            schedule: schedule(app),
            time_zone: Some("Etc/UTC".to_owned()),
            suspend: Some(app.spec.suspend),
            // One that can't start, or whose node is gone, keeps no later one away. A purge may be ended at any time.
            concurrency_policy: Some("Replace".to_owned()),
            // One that couldn't start in time starts when it can, for two hours.
            starting_deadline_seconds: Some(7200),
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(1),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(names::labels(app, Component::Retention)),
                    ..ObjectMeta::default()
                }),
                spec: Some(job::spec(job::template(app, source, work))),
            },
        }),
        ..CronJob::default()
    };
    Some(Child::of(ConditionType::RetentionEnforced, &cron_job))
}

/// Whether what is too old goes; `None` if everything is kept.
pub(crate) fn verdict(app: &ChatApp, observed: &Observed, server: &Verdict) -> Option<Verdict> {
    let days = app.spec.retention.as_ref()?.days;
    let name = names::retention(app);
    if observed.get::<CronJob>(&name).is_none() {
        return Some(Verdict::behind(
            "WaitingForServer",
            &format!("CronJob {name}"),
            ConditionType::ServerAvailable,
            server,
        ));
    }
    let mut jobs = jobs(app, observed);
    // The newest last.
    jobs.sort_by_key(|job| job.creation_timestamp().map(|time| time.0));
    let pods = observed.pods_of(Component::Retention);
    let runs = jobs.into_iter().rev();
    let until = format!(
        "messages older than {days} days stay until a run of CronJob {name} succeeds, the next at {} UTC",
        time(app)
    );
    let trouble = runs.map(|job| Run::of(job, pods.clone())).find_map(|run| {
        if run.is_complete() {
            return Some(None);
        }
        match run.progress() {
            Progress::Running(why) | Progress::TriedAgain { why, .. }
                if run.leaving_pod().is_some() =>
            {
                Some(Some(Verdict::waiting("PurgeHeldUp", why).with(&until)))
            }
            // The one before says how things stand.
            Progress::Running(_) | Progress::TriedAgain { .. } => None,
            Progress::Stuck(verdict) => Some(Some(verdict.with(&until))),
            Progress::Failed { why, .. } => Some(Some(Verdict::failed(
                "PurgeFailed",
                format!(
                    "{why}; {until} (at once: kubectl create job --from=cronjob/{name} {name}-now)"
                ),
            ))),
        }
    });
    let scheduled = || {
        Verdict::done(
            "RetentionScheduled",
            format!(
                "CronJob {name} deletes messages older than {days} days, every day at {} UTC",
                time(app)
            ),
        )
    };
    Some(trouble.flatten().unwrap_or_else(scheduled))
}

/// The Jobs that the CronJob has started.
pub(crate) fn jobs(app: &ChatApp, observed: &Observed) -> Vec<Job> {
    let name = names::retention(app);
    let mut jobs = observed.all::<Job>();
    jobs.retain(|job| is_started_by(job, &name));
    jobs
}

/// The CronJob owns what it starts. What is started by hand from it has it for its owner too.
pub(crate) fn is_started_by(job: &Job, cron_job: &str) -> bool {
    let mut owners = job.owner_references().iter();
    owners.any(|owner| owner.kind == CronJob::KIND && owner.name == cron_job)
}

/// Once a day, for each ChatApp at another time between one and five: they may share a database server.
fn minute_and_hour(app: &ChatApp) -> (u64, u64) {
    let name = app.name_any();
    let hash = names::short_hash([app.namespace().unwrap_or_default().as_str(), &name]);
    let number = u64::from_str_radix(&hash, 16).unwrap_or_default();
    (number % 60, 1 + number / 60 % 4)
}

fn schedule(app: &ChatApp) -> String {
    let (minute, hour) = minute_and_hour(app);
    format!("{minute} {hour} * * *")
}

/// The same for people.
fn time(app: &ChatApp) -> String {
    let (minute, hour) = minute_and_hour(app);
    format!("{hour:02}:{minute:02}")
}
