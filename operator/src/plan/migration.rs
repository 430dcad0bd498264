//! The gate before a new server version: a Job runs `chat-server migrate` of the image that is to be served, once for each
//! image and database, and never two Jobs at the same time. An init container says before that what is going to be done, and
//! refuses what this release can't work on.
//!
//! A schema counts as migrated when the Job of this image and database has completed, or when the server Deployment carries
//! the mark of that migration: the mark is put on only behind the gate, so that a Job that somebody cleans up is not run again
//! and a spec that goes back to what runs already needs no migration at all.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::{
    Child, Deletion, Observed,
    database::{self, Source},
    job::{self, Standing, Task, Work},
    names::{self, Component},
    outcome,
    run::{self, Progress, Run},
    server,
    verdict::Verdict,
    workload,
};

/// The container that migrates.
const MIGRATE: &str = "migrate";
/// The container before it, that only says what is going to be done.
const DRY_RUN: &str = "plan";

/// What to do about the migration, and how it stands.
pub(crate) struct Migration {
    /// Mark of the image and the database; the server's pods carry it.
    pub(crate) key: String,
    pub(crate) verdict: Verdict,
    pub(crate) child: Option<Child>,
    pub(crate) deletions: Vec<Deletion>,
    pub(crate) facts: Facts,
}

/// What the present Job has said. Nothing, once its pod is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The migrations that it runs, known before it runs them.
    pub(crate) migrations: Option<Vec<String>>,
    /// The last migration that the database has.
    pub(crate) schema_version: Option<i64>,
}

/// Plans the migration for `spec.server.image`.
pub(crate) fn plan(
    app: &ChatApp,
    source: &Source<'_>,
    observed: &Observed,
    database: &Verdict,
) -> Migration {
    let waiting_for_database = || {
        Verdict::behind(
            "WaitingForDatabase",
            "the migration",
            ConditionType::DatabaseReady,
            database,
        )
    };
    let Some(identity) = database::identity(app, source, observed) else {
        return Migration {
            key: String::new(),
            verdict: waiting_for_database(),
            child: None,
            deletions: Vec::new(),
            facts: Facts::default(),
        };
    };
    let image = &app.spec.server.image;
    let task = Task {
        component: Component::Migration,
        condition: ConditionType::Migrated,
        key: names::short_hash([image.as_str(), &identity]),
        template: template(app, source),
    };
    let (standing, deletions) = task.find(app, observed);
    let facts = match &standing {
        Standing::Complete(run) | Standing::Present(run) => facts(run),
        Standing::Former(_) | Standing::Absent => Facts::default(),
    };
    let server = observed.get(&names::server(app));
    let marked = server.as_ref().and_then(workload::applied_template);
    let is_marked = marked
        .as_ref()
        .is_some_and(|template| server::migration_mark(template) == Some(&task.key));
    let (verdict, child) = match standing {
        _ if is_marked => (
            Verdict::done(
                "SchemaCurrent",
                format!("the server runs on the schema of {image}"),
            ),
            None,
        ),
        Standing::Complete(run) => (
            Verdict::done(
                "MigrationComplete",
                format!("Job {} has completed", run.name()),
            ),
            None,
        ),
        Standing::Former(former) => (
            Verdict::waiting(
                "WaitingForFormerMigration",
                format!(
                    "{former} of a former spec or ChatApp is being stopped: two migrations never run at once"
                ),
            ),
            None,
        ),
        Standing::Present(run) => (verdict(app, &run, server.is_some()), Some(task.job(app))),
        Standing::Absent if !database.is_done() => (waiting_for_database(), None),
        Standing::Absent => {
            let job = task.job(app);
            let message = format!("Job {} is being created", job.name());
            (Verdict::waiting("MigrationStarting", message), Some(job))
        }
    };
    Migration {
        key: task.key,
        verdict,
        child,
        deletions,
        facts,
    }
}

/// `has_servers`: a version was let through before, and somebody may have deleted what runs it.
fn verdict(app: &ChatApp, run: &Run, has_servers: bool) -> Verdict {
    let serving = app.status.as_ref().and_then(|status| status.image.as_ref());
    let serves_on = match serving {
        Some(_) if has_servers => "; the former version serves on".to_owned(),
        Some(_) => format!(
            "; Deployment {} is gone, and with it the former version",
            names::server(app)
        ),
        None => String::new(),
    };
    // One that has served last may be back already, and later servers have never come up.
    let former = serving.filter(|image| **image != app.spec.server.image);
    let undo = former.map_or_else(String::new, |image| {
        format!(", or go back: spec.server.image: {image}")
    });
    match run.progress() {
        Progress::Running(message) => Verdict::waiting("Migrating", message),
        Progress::TriedAgain { why, is_persistent } => run::tried_again(
            "MigrationRetrying",
            is_persistent,
            format!("{why}{serves_on}. {}{undo}", run::at_once(app)),
        ),
        Progress::Stuck(verdict) => verdict,
        Progress::Failed { refused: true, why } => {
            let way_out = former.map_or_else(
                || "write an image of that release or a later one to spec.server.image".to_owned(),
                |image| format!("go back: spec.server.image: {image}"),
            );
            Verdict::failed(
                "MigrationRefused",
                format!("{why}; nothing was changed{serves_on}: {way_out}"),
            )
        }
        Progress::Failed { why, .. } => Verdict::failed(
            "MigrationFailed",
            format!(
                "{why}{serves_on}. It is not tried again by itself: correct the cause and {}{undo}",
                run::retry(app)
            ),
        ),
    }
}

fn facts(run: &Run) -> Facts {
    let Some(pod) = run.newest_pod() else {
        return Facts::default();
    };
    let (planned, done) = (
        outcome::of_container(pod, DRY_RUN),
        outcome::of_container(pod, MIGRATE),
    );
    Facts {
        schema_version: done.as_ref().and_then(|done| done.schema_version),
        migrations: planned.or(done).and_then(|planned| planned.migrations),
    }
}

fn template(app: &ChatApp, source: &Source<'_>) -> PodTemplateSpec {
    let work = Work {
        component: Component::Migration,
        image: &app.spec.server.image,
        container: MIGRATE,
        args: vec!["migrate".to_owned()],
        files: Vec::new(),
    };
    let mut template = job::template(app, source, work);
    if let Some(pod) = &mut template.spec
        && let Some(mut dry_run) = pod.containers.first().cloned()
    {
        DRY_RUN.clone_into(&mut dry_run.name);
        // No argument: an image that doesn't know this yet migrates here already, and has nothing to do after that.
        dry_run
            .env
            .get_or_insert_default()
            .push(server::variable("MIGRATE_DRY_RUN", "true".to_owned()));
        pod.init_containers = Some(vec![dry_run]);
    }
    template
}
