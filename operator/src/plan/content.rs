//! The content: a ConfigMap of the user's that a Job checks and puts into the database, from where the servers have it within
//! seconds, without a rollout. The Job reads a copy that can't change, so what it checked is what the mark says.
//!
//! What is refused changes nothing. Whether the wanted content is loaded is known from its Job, or from the mark when the Job is
//! gone; the mark is taken away before a Job for something else is made, so that a former content is really loaded again. That a
//! former content was cleared is marked, too: what an import takes over after that is not cleared any more.

use std::collections::BTreeMap;

use chatapp_crds::{CONTENT_KEY, ChatApp, ConditionType};
use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, Volume};

use super::{
    Child, Deletion, Observed,
    database::{self, Source},
    job::{self, Standing, Task, Work},
    marks::{ContentMark, Marks},
    names::{self, Component},
    outcome,
    run::{self, Progress, Run},
    server,
    verdict::Verdict,
};

const FOLDER: &str = "/etc/chat-server/content";
const CONTAINER: &str = "content";

/// What to do about the content, and how it stands.
pub(crate) struct Content {
    pub(crate) verdict: Verdict,
    /// The copy, and the Job.
    pub(crate) children: Vec<Child>,
    pub(crate) deletions: Vec<Deletion>,
    /// The mark to leave.
    pub(crate) mark: Option<ContentMark>,
}

impl Content {
    fn stands(verdict: Verdict, mark: Option<ContentMark>) -> Self {
        Self {
            verdict,
            children: Vec::new(),
            deletions: Vec::new(),
            mark,
        }
    }
}

/// Plans the content, behind the migration, unless the app is to stop.
pub(crate) fn plan(
    app: &ChatApp,
    source: &Source<'_>,
    observed: &Observed,
    migration: &Verdict,
    stop: Option<&Verdict>,
) -> Content {
    let former = Marks::of(app, observed).content;
    let wanted = match wanted(app, observed) {
        Ok(wanted) => wanted,
        Err(missing) => return Content::stands(missing, former),
    };
    // What a former ChatApp has put into a database that was adopted isn't what this one wants.
    let is_untouched = former.is_none()
        && job::jobs_of(observed, Component::Content).is_empty()
        && !database::is_adopted(app, observed);
    if wanted.is_none() && is_untouched {
        return Content::stands(built_in(), None);
    }
    let Some(identity) = database::identity(app, source, observed) else {
        return Content::stands(waiting(migration), former);
    };
    let what = wanted.map_or("built-in", |wanted| wanted.text);
    let key = names::short_hash([identity.as_str(), what]);
    let copy = wanted.map(|wanted| copy(app, wanted.text));
    let task = Task {
        component: Component::Content,
        condition: ConditionType::ContentLoaded,
        template: job::template(app, source, work(app, copy.as_ref())),
        key: key.clone(),
    };
    let (standing, deletions) = task.find(app, observed);
    let loaded = Some(ContentMark::Loaded(key));
    let is_marked = former == loaded;
    let is_known = former == Some(ContentMark::Pending);
    let held_back = || {
        stop.cloned()
            .or_else(|| (!migration.is_done()).then(|| waiting(migration)))
    };
    let in_the_way = |verdict| (verdict, Vec::new(), Some(ContentMark::Pending));
    let with_job = |verdict| {
        let children = copy.iter().cloned().chain([task.job(app)]).collect();
        (verdict, children, Some(ContentMark::Pending))
    };
    let (verdict, children, mark) = match standing {
        Standing::Complete(run) => (done(wanted, Some(&run)), Vec::new(), loaded),
        _ if is_marked => (done(wanted, None), Vec::new(), loaded),
        Standing::Former(former) => in_the_way(Verdict::waiting(
            "WaitingForFormerContent",
            format!("{former} of a former content or ChatApp is being stopped"),
        )),
        Standing::Present(run) => with_job(progress(app, wanted, &run)),
        Standing::Absent => {
            if let Some(verdict) = held_back() {
                in_the_way(verdict)
            } else {
                let job = task.job(app);
                let message = format!("Job {} is being created", job.name());
                let verdict = Verdict::waiting("ContentStarting", message);
                if is_known {
                    with_job(verdict)
                } else {
                    in_the_way(verdict)
                }
            }
        }
    };
    Content {
        verdict,
        children,
        deletions,
        mark,
    }
}

/// The content that the spec names.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    config_map: &'a str,
    text: &'a str,
}

/// `None`: what is built in.
fn wanted<'a>(app: &'a ChatApp, observed: &'a Observed) -> Result<Option<Wanted<'a>>, Verdict> {
    let Some(content) = &app.spec.content else {
        return Ok(None);
    };
    let config_map = content.config_map_ref.name.as_str();
    let missing = |what: &str, remedy: &str| {
        Verdict::failed(
            "ContentMissing",
            format!("ConfigMap {config_map} {what}: {remedy}; the former content stays in force"),
        )
    };
    let Some(live) = &observed.content else {
        return Err(missing(
            "does not exist",
            &format!("create it with key {CONTENT_KEY}, or remove spec.content"),
        ));
    };
    let data = live.data.as_ref();
    let Some(text) = data.and_then(|data| data.get(CONTENT_KEY)) else {
        return Err(missing(
            &format!("has no key {CONTENT_KEY}"),
            "put the content there",
        ));
    };
    Ok(Some(Wanted { config_map, text }))
}

fn waiting(migration: &Verdict) -> Verdict {
    Verdict::behind(
        "WaitingForMigration",
        "the content",
        ConditionType::Migrated,
        migration,
    )
}

fn built_in() -> Verdict {
    let message = "spec.content is absent: the built-in content, or what was imported, is in force";
    Verdict::done("BuiltIn", message)
}

fn done(wanted: Option<Wanted<'_>>, run: Option<&Run>) -> Verdict {
    let Some(Wanted { config_map, text }) = wanted else {
        return built_in();
    };
    let pod = run.and_then(Run::newest_pod);
    let told = pod.and_then(|pod| outcome::of_container(pod, CONTAINER));
    let told = told.map_or_else(|| "in force".to_owned(), |told| told.message);
    let hash = names::short_hash([text]);
    Verdict::done(
        "ContentLoaded",
        format!("ConfigMap {config_map} (hash {hash}): {told}"),
    )
}

fn progress(app: &ChatApp, wanted: Option<Wanted<'_>>, run: &Run) -> Verdict {
    match (run.progress(), wanted) {
        (Progress::Running(message), _) => Verdict::waiting("LoadingContent", message),
        (Progress::TriedAgain { why, is_persistent }, _) => run::tried_again(
            "ContentRetrying",
            is_persistent,
            format!(
                "{why}; the former content stays in force. {}",
                run::at_once(app)
            ),
        ),
        (Progress::Stuck(verdict), _) => verdict,
        (Progress::Failed { refused: true, why }, Some(Wanted { config_map, .. })) => {
            Verdict::failed(
                "ContentRefused",
                format!(
                    "ConfigMap {config_map}, key {CONTENT_KEY} is refused: {why}; the former content stays in force: correct it"
                ),
            )
        }
        (Progress::Failed { why, .. }, _) => Verdict::failed(
            "ContentFailed",
            format!(
                "{why}; the former content stays in force. To try again: {}",
                run::retry(app)
            ),
        ),
    }
}

/// The copy that a Job reads. It can't be larger than the original, which holds at least as much.
fn copy(app: &ChatApp, text: &str) -> Child {
    let name = names::job(app, Component::Content, &names::short_hash([text]));
    let config_map = ConfigMap {
        metadata: names::metadata(app, Component::Content, name),
        immutable: Some(true),
        data: Some(BTreeMap::from([(CONTENT_KEY.to_owned(), text.to_owned())])),
        ..ConfigMap::default()
    };
    Child::of(ConditionType::ContentLoaded, &config_map)
}

fn work<'a>(app: &'a ChatApp, copy: Option<&Child>) -> Work<'a> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (args, files) = match copy {
        None => (words(&["content", "clear"]), Vec::new()),
        Some(copy) => {
            let volume = Volume {
                name: "content".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: copy.name().to_owned(),
                    ..ConfigMapVolumeSource::default()
                }),
                ..Volume::default()
            };
            let file = format!("{FOLDER}/{CONTENT_KEY}");
            (
                words(&["content", "apply", &file]),
                vec![(volume, server::mount("content", FOLDER))],
            )
        }
    };
    Work {
        component: Component::Content,
        image: &app.spec.server.image,
        container: CONTAINER,
        args,
        files,
    }
}
