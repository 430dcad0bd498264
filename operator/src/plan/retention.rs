//! The retention: a CronJob that runs `chat-server purge` once a day.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobTemplateSpec};
use kube::{ResourceExt, api::ObjectMeta};

use super::{
    Child,
    database::Source,
    job::{self, Work},
    names::{self, Component},
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
            concurrency_policy: Some("Forbid".to_owned()),
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
    Some(Child::of(ConditionType::ServerAvailable, &cron_job))
}

/// Once a day, for each ChatApp at another time between one and five: they may share a database server.
fn schedule(app: &ChatApp) -> String {
    let name = app.name_any();
    let hash = names::short_hash([app.namespace().unwrap_or_default().as_str(), &name]);
    let number = u64::from_str_radix(&hash, 16).unwrap_or_default();
    format!("{} {} * * *", number % 60, 1 + number / 60 % 4)
}
