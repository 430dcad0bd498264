//! The import: a Job takes the chats of the prototype's file over, once for each file and database, beside servers that serve.
//! It may be ended and begun again at any time: it goes on where it was.

use chatapp_crds::{ChatApp, ConditionType, ImportResult, Rejects};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource,
    Volume, VolumeMount,
};

use super::{
    Child, Deletion, Observed,
    database::{self, Source},
    job::{self, Standing, Task, Work},
    marks::{ImportMark, Marks},
    names::{self, Component},
    outcome, pods,
    run::{self, Progress, Run},
    server,
    verdict::Verdict,
};

const FOLDER: &str = "/import";
const CONTAINER: &str = "import";
/// Where the rows that can't be taken are written to. Nobody reads it: they still are in the file.
const REJECTS_FOLDER: &str = "/rejects";

/// What to do about the import, and how it stands.
#[derive(Default)]
pub(crate) struct Import {
    /// `None`: nobody asks for one.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) child: Option<Child>,
    pub(crate) deletions: Vec<Deletion>,
    /// The mark to leave. It stays when nobody asks any more, so that the same isn't imported again when somebody does.
    pub(crate) mark: Option<ImportMark>,
    pub(crate) result: Option<ImportResult>,
}

/// Plans the import, behind the migration, and behind the end of a former content: the lines of the prototype's bot are taken over
/// only into a database that has no content. An app that is to stop begins none.
pub(crate) fn plan(
    app: &ChatApp,
    source: &Source<'_>,
    observed: &Observed,
    migration: &Verdict,
    content: &Verdict,
    stop: Option<&Verdict>,
) -> Import {
    let former = Marks::of(app, observed).import;
    let Some(file) = File::of(app) else {
        let ours = job::jobs_of(observed, Component::Import);
        return Import {
            deletions: ours.iter().filter_map(Deletion::of).collect(),
            mark: former,
            ..Import::default()
        };
    };
    let waiting = || {
        Verdict::behind(
            "WaitingForMigration",
            "the import",
            ConditionType::Migrated,
            migration,
        )
    };
    let Some(identity) = database::identity(app, source, observed) else {
        return Import {
            verdict: Some(waiting()),
            mark: former,
            ..Import::default()
        };
    };
    let task = Task {
        component: Component::Import,
        condition: ConditionType::Imported,
        key: names::short_hash([identity.as_str(), &file.identity]),
        template: job::template(app, source, file.work(app)),
    };
    let waiting_for_content = || {
        Verdict::behind(
            "WaitingForContent",
            "the import",
            ConditionType::ContentLoaded,
            content,
        )
    };
    let is_cleared = app.spec.content.is_some() || content.is_done();
    let held_back = || {
        stop.cloned()
            .or_else(|| (!migration.is_done()).then(waiting))
            .or_else(|| (!is_cleared).then(waiting_for_content))
    };
    let (standing, deletions) = task.find(app, observed);
    let known = former.clone().filter(|mark| mark.key == task.key);
    let (verdict, child, done) = match (standing, known) {
        (_, Some(mark)) => (imported(&file, mark.result), None, Some(mark)),
        // The end of the Job was seen before that of its pod.
        (Standing::Complete(run), None) if still_runs(&run) => {
            let verdict = Verdict::waiting("Importing", "the result is awaited");
            (verdict, None, None)
        }
        (Standing::Complete(run), None) => {
            let result = result(&run);
            let mark = ImportMark {
                key: task.key.clone(),
                result,
            };
            (imported(&file, result), None, Some(mark))
        }
        (Standing::Former(former), None) => {
            let message = format!("{former} of a former spec or ChatApp is being stopped");
            (
                Verdict::waiting("WaitingForFormerImport", message),
                None,
                None,
            )
        }
        (Standing::Present(run), None) => (progress(app, &file, &run), Some(task.job(app)), None),
        (Standing::Absent, None) => {
            if let Some(verdict) = held_back() {
                (verdict, None, None)
            } else {
                let job = task.job(app);
                let message = format!("Job {} is being created", job.name());
                (Verdict::waiting("ImportStarting", message), Some(job), None)
            }
        }
    };
    Import {
        verdict: Some(verdict),
        child,
        deletions,
        result: done.as_ref().and_then(|mark| mark.result),
        mark: done.or(former),
    }
}

fn still_runs(run: &Run) -> bool {
    let pod = run.newest_pod();
    pod.is_some_and(|pod| !pods::has_ended(pod))
}

/// What a complete Job left, if its pod is still there.
fn result(run: &Run) -> Option<ImportResult> {
    outcome::of_container(run.newest_pod()?, CONTAINER)?.import
}

fn imported(file: &File, result: Option<ImportResult>) -> Verdict {
    let told = result.map_or_else(String::new, |result| {
        format!(
            ": {} messages, {} chats, {} rows left out",
            result.rows, result.chats, result.rejected
        )
    });
    Verdict::done("Imported", format!("{} is imported{told}", file.name))
}

fn progress(app: &ChatApp, file: &File, run: &Run) -> Verdict {
    match run.progress() {
        Progress::Running(message) => Verdict::waiting("Importing", message),
        Progress::TriedAgain { why, is_persistent } => run::tried_again(
            "ImportRetrying",
            is_persistent,
            format!(
                "{}: {why}. {}, or remove spec.import",
                file.name,
                run::at_once(app)
            ),
        ),
        Progress::Stuck(verdict) => verdict,
        Progress::Failed { refused: true, why } => Verdict::failed(
            "ImportRefused",
            format!(
                "{} is refused: {why}. Mend the file, then: {}; or leave rows out with spec.import.sqlite.rejects: Skip, or remove \
                 spec.import",
                file.name,
                run::retry(app)
            ),
        ),
        Progress::Failed { why, .. } => Verdict::failed(
            "ImportFailed",
            format!(
                "{}: {why}. To go on: {}; or remove spec.import",
                file.name,
                run::retry(app)
            ),
        ),
    }
}

/// The file to import.
struct File {
    /// For people.
    name: String,
    /// Tells one file from another.
    identity: String,
    path: String,
    volume: Volume,
    rejects: Rejects,
}

impl File {
    /// The API server lets exactly one source through.
    fn of(app: &ChatApp) -> Option<Self> {
        let sqlite = &app.spec.import.as_ref()?.sqlite;
        let (name, identity, path, volume) =
            match (&sqlite.persistent_volume_claim, &sqlite.config_map_ref) {
                (Some(file), None) => (
                    format!("{} in PersistentVolumeClaim {}", file.path, file.claim_name),
                    format!("claim/{}/{}", file.claim_name, file.path),
                    file.path.clone(),
                    Volume {
                        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                            claim_name: file.claim_name.clone(),
                            ..PersistentVolumeClaimVolumeSource::default()
                        }),
                        ..Volume::default()
                    },
                ),
                (None, Some(reference)) => (
                    format!("{} in ConfigMap {}", reference.key, reference.name),
                    format!("configmap/{}/{}", reference.name, reference.key),
                    "file".to_owned(),
                    Volume {
                        config_map: Some(ConfigMapVolumeSource {
                            name: reference.name.clone(),
                            items: Some(vec![KeyToPath {
                                key: reference.key.clone(),
                                path: "file".to_owned(),
                                mode: None,
                            }]),
                            ..ConfigMapVolumeSource::default()
                        }),
                        ..Volume::default()
                    },
                ),
                _ => return None,
            };
        Some(Self {
            name,
            identity,
            path: format!("{FOLDER}/{path}"),
            volume: Volume {
                name: "import".to_owned(),
                ..volume
            },
            rejects: sqlite.rejects,
        })
    }

    fn work<'a>(&self, app: &'a ChatApp) -> Work<'a> {
        let mut args: Vec<String> = ["import", "sqlite", &self.path, "--verify"]
            .map(str::to_owned)
            .into();
        let mut files = vec![(self.volume.clone(), server::mount("import", FOLDER))];
        if self.rejects == Rejects::Skip {
            args.extend([
                "--rejects".to_owned(),
                format!("{REJECTS_FOLDER}/rejects.jsonl"),
            ]);
            let volume = Volume {
                name: "rejects".to_owned(),
                empty_dir: Some(EmptyDirVolumeSource::default()),
                ..Volume::default()
            };
            let mount = VolumeMount {
                name: "rejects".to_owned(),
                mount_path: REJECTS_FOLDER.to_owned(),
                ..VolumeMount::default()
            };
            files.push((volume, mount));
        }
        Work {
            component: Component::Import,
            image: &app.spec.server.image,
            container: CONTAINER,
            args,
            files,
        }
    }
}
