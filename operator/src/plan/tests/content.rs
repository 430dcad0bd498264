//! The content is loaded by a Job, and nothing that is wrong with it stops what runs.

use chatapp_crds::ConditionType::ContentLoaded;
use k8s_openapi::api::core::v1::Pod;

use super::*;

impl World {
    pub(super) fn words(&mut self, text: &str) {
        let words = json!({"metadata": {"name": "words"}, "data": {"content.yaml": text}});
        self.observed.content = serde_json::from_value(words).ok();
    }

    /// The file that the content Job reads.
    pub(super) fn loaded_text(&self) -> Option<String> {
        let job = self.jobs_of(Component::Content).pop()?;
        let pod = job.spec?.template.spec?;
        let mut volumes = pod.volumes?.into_iter();
        let name = volumes.find_map(|volume| volume.config_map)?.name;
        let copy = self.wanted.iter().find(|child| child.name() == name)?;
        let text = copy.object.pointer("/data/content.yaml")?.as_str()?;
        Some(text.to_owned())
    }

    pub(super) fn pods_end(&mut self, phase: &str) {
        for pod in self.observed.all::<Pod>() {
            self.object(Kind::Pod, &pod.name_any())["status"]["phase"] = json!(phase);
        }
    }

    /// The Job that was made last has failed: its container ended so.
    pub(super) fn last_job_fails(&mut self, component: Component, code: i32, message: &str) {
        let job = self.job();
        let ended = json!({"name": "x", "image": "server:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "message": message}}});
        self.pod(component, Some(&job), &ended);
        self.pods_end("Failed");
        self.job_ends("Failed");
    }
}

fn content(plan: &Plan) -> (&'static str, &str) {
    let reason = verdict(plan, ContentLoaded).reason();
    (reason.reason, &reason.message)
}

#[test]
fn the_content_of_a_former_chat_app_goes_from_a_database_that_was_adopted() {
    let mut app = chatapp("server:1");
    app.spec.content = None;
    app.metadata.creation_timestamp = serde_json::from_value(json!("2026-01-02T00:00:00Z")).ok();
    let content_jobs = |created: &str| {
        let mut world = World::new();
        world.pass(&app);
        world.database_is_ready();
        world.cluster()["metadata"]["creationTimestamp"] = json!(created);
        world.jobs_end(&app);
        let plan = world.pass(&app);
        assert!(
            verdict(&plan, ContentLoaded).is_done(),
            "{:?}",
            plan.verdicts
        );
        world.jobs_of(Component::Content).len()
    };
    assert_eq!(content_jobs("2026-01-01T00:00:00Z"), 1);
    assert_eq!(content_jobs("2026-01-02T00:00:01Z"), 0);
}

/// The prototype's lines are taken over by an import into a database without content: what is cleared first is a former ChatApp's, and
/// what is cleared after that is this one's own.
#[test]
fn an_import_waits_until_a_former_content_is_cleared_and_that_is_done_once() {
    let importing = |mut app: ChatApp| {
        let import = json!({"sqlite": {"configMapRef": {"name": "prototype", "key": "chat.db"}}});
        app.spec.content = None;
        app.spec.import = serde_json::from_value(import).expect("an import");
        app
    };
    let mut adopting = importing(chatapp("server:1"));
    adopting.metadata.creation_timestamp =
        serde_json::from_value(json!("2026-01-02T00:00:00Z")).ok();
    let mut adopted = World::new();
    adopted.pass(&adopting);
    adopted.database_is_ready();
    adopted.cluster()["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    adopted.pass(&adopting);
    adopted.job_ends("Complete");
    let edited = (
        World::installed(&chatapp("server:1")),
        importing(chatapp("server:1")),
    );

    for (mut world, app) in [(adopted, adopting), edited] {
        for _ in 0..3 {
            world.pass(&app);
        }
        let jobs = |world: &World| {
            let jobs = |component| world.jobs_of(component).len();
            (jobs(Component::Content), jobs(Component::Import))
        };
        assert_eq!(jobs(&world), (1, 0));
        let plan = world.pass(&app);
        assert_eq!(
            verdict(&plan, ConditionType::Imported).reason().message,
            "the import waits for ContentLoaded (LoadingContent)"
        );
        world.job_ends("Complete");
        world.pass(&app);
        assert_eq!(jobs(&world), (1, 1));
        world.jobs_end(&app);

        // Somebody cleans up.
        world.observed.remove_all(Kind::Job);
        for _ in 0..3 {
            world.pass(&app);
        }
        assert_eq!(jobs(&world), (0, 0));
        assert_eq!(content(&world.pass(&app)).0, "BuiltIn");
    }
}

#[test]
fn a_change_is_loaded_and_rolls_nothing() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    assert_eq!(world.loaded_text().as_deref(), Some("greetings: [hi]"));
    let before = world.server();
    world.words("greetings: [ho]");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded~ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    world.jobs_end(&app);
    assert_eq!(world.loaded_text().as_deref(), Some("greetings: [ho]"));
    assert_eq!(content(&world.pass(&app)).0, "ContentLoaded");
    assert_eq!(world.server(), before);
}

#[test]
fn a_former_content_is_really_loaded_again() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    for text in ["b: 1", "greetings: [hi]", "b: 1", "greetings: [hi]"] {
        world.words(text);
        world.jobs_end(&app);
        assert_eq!(world.loaded_text().as_deref(), Some(text));
        assert_eq!(content(&world.pass(&app)).0, "ContentLoaded");
    }
}

#[test]
fn content_that_changes_while_it_is_loaded_is_loaded_from_the_start() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.words("b: 1");
    // The Job runs, and may have changed the content already.
    while world.loaded_text().as_deref() != Some("b: 1") {
        world.pass(&app);
    }
    world.words("greetings: [hi]");
    assert_eq!(content(&world.pass(&app)).0, "WaitingForFormerContent");
    world.pass(&app);
    assert_eq!(content(&world.pass(&app)).0, "LoadingContent");
    assert_eq!(world.loaded_text().as_deref(), Some("greetings: [hi]"));
}

#[test]
fn a_mark_outlives_the_job() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.observed.remove_all(Kind::Job);
    let plan = world.pass(&app);
    assert_eq!(content(&plan).0, "ContentLoaded");
    assert!(!kinds(&plan).iter().any(|kind| kind.starts_with("Job")));
}

#[test]
fn another_database_gets_the_content_too() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.cluster()["metadata"]["uid"] = json!("another");
    assert_eq!(content(&world.pass(&app)).0, "WaitingForFormerContent");
}

#[test]
fn refused_content_is_told_and_holds_only_a_new_version_back() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.words("bad: [");
    world.pass(&app);
    world.pass(&app);
    let outcome = json!({"message": "line 3: fallbacks must not be empty"}).to_string();
    world.last_job_fails(Component::Content, 3, &outcome);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded! ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    let (reason, message) = content(&plan);
    assert_eq!(reason, "ContentRefused");
    for told in [
        "ConfigMap words, key content.yaml",
        "line 3: fallbacks must not be empty",
        "correct it",
    ] {
        assert!(message.contains(told), "{told}: {message}");
    }
    // It is told once. A new version and its page wait for it.
    let mut both = chatapp("server:2");
    both.spec.frontend.image = "page@sha256:2".to_owned();
    world.pass(&both);
    world.pass(&both);
    world.job_ends("Complete");
    let refused = json!({"message": "line 3: fallbacks must not be empty"}).to_string();
    world.pass(&both);
    world.pass(&both);
    world.last_job_fails(Component::Content, 3, &refused);
    let plan = world.pass(&both);
    let told = |type_| verdict(&plan, type_).reason().message.as_str();
    assert_eq!(
        (told(ServerAvailable), told(FrontendAvailable)),
        (
            "the new version waits for ContentLoaded (ContentRefused)",
            "the page waits for ServerAvailable (WaitingForContent)"
        )
    );
    world = World::installed(&app);
    world.words("bad: [");
    world.pass(&app);
    world.pass(&app);
    world.last_job_fails(Component::Content, 3, &refused);

    // A new image is migrated to, and waits. It may understand the content.
    let two = chatapp("server:2");
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Complete");
    let plan = world.pass(&two);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded~ ServerAvailable~ FrontendAvailable+ RouteReady+"
    );
    assert_eq!(world.server_image().as_deref(), Some("server:1"));

    world.words("greetings: [hi]");
    world.upgrade_succeeds(&two);
    assert_eq!(world.server_image().as_deref(), Some("server:2"));
}

#[test]
fn trouble_on_the_way_is_no_refusal() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.words("b: 1");
    world.pass(&app);
    world.pass(&app);
    let outcome = json!({"message": "cannot reach postgres://demo-db-rw/app"}).to_string();
    world.last_job_fails(Component::Content, 1, &outcome);
    let plan = world.pass(&app);
    assert_eq!(content(&plan).0, "ContentFailed");
    assert!(
        content(&plan).1.contains("cannot reach"),
        "{}",
        content(&plan).1
    );
}

#[test]
fn content_that_is_missing_stops_nothing() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.observed.content = None;
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded! ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert_eq!(content(&plan).0, "ContentMissing");
    assert!(content(&plan).1.contains("ConfigMap words does not exist"));
    let other = json!({"metadata": {"name": "words"}, "data": {"other": ""}});
    world.observed.content = serde_json::from_value(other).ok();
    assert!(
        content(&world.pass(&app))
            .1
            .contains("has no key content.yaml")
    );
    world.words("greetings: [hi]");
    assert_eq!(content(&world.pass(&app)).0, "ContentLoaded");
}

#[test]
fn without_content_no_job_runs_and_removed_content_is_cleared() {
    let mut app = chatapp("server:1");
    let mut without = app.clone();
    without.spec.content = None;
    let world = World::installed(&without);
    assert_eq!(world.jobs_of(Component::Content).len(), 0);

    let mut world = World::installed(&app);
    world.jobs_end(&without);
    let job = world.jobs_of(Component::Content).pop().expect("a Job");
    let args = json!(job)["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    assert_eq!(args, json!(["content", "clear"]));
    let plan = world.pass(&without);
    assert_eq!(content(&plan).0, "BuiltIn");

    app.metadata.generation = Some(2);
    world.jobs_end(&app);
    assert_eq!(world.loaded_text().as_deref(), Some("greetings: [hi]"));
}
