//! Chats are imported once, beside servers that serve.

use chatapp_crds::{ConditionType::Imported, ImportResult};

use super::*;

fn with_import(sqlite: &Value) -> ChatApp {
    let mut app = chatapp("server:1");
    app.spec.import = serde_json::from_value(json!({ "sqlite": sqlite })).expect("an import");
    app
}

fn claim() -> Value {
    json!({"persistentVolumeClaim": {"claimName": "prototype", "path": "data/chat.db"}})
}

impl World {
    /// A ChatApp whose import has begun.
    fn importing(app: &ChatApp) -> Self {
        let mut world = World::installed(&chatapp("server:1"));
        world.pass(app);
        assert_eq!(world.jobs_of(Component::Import).len(), 1);
        world
    }

    fn import_ends(&mut self) {
        let job = self.job();
        let message = json!({"message": "", "import": {"rows": 7, "chats": 2, "rejected": 1}});
        let ended = json!({"name": "import", "image": "server:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": message.to_string()}}});
        self.pod(Component::Import, Some(&job), &ended);
        self.job_ends("Complete");
    }
}

fn reason(plan: &Plan) -> &'static str {
    verdict(plan, Imported).reason().reason
}

#[test]
fn the_job_of_an_import() {
    for (name, sqlite) in [
        ("claim", claim()),
        (
            "config_map",
            json!({"configMapRef": {"name": "old", "key": "chat.db"}, "rejects": "Skip"}),
        ),
    ] {
        let world = World::importing(&with_import(&sqlite));
        let job = world.wanted.last().map(|child| &child.object);
        insta::with_settings!({ sort_maps => true, snapshot_suffix => name }, {
            insta::assert_yaml_snapshot!(job);
        });
    }
}

#[test]
fn the_servers_serve_while_it_runs_and_its_result_is_kept() {
    let app = with_import(&claim());
    let mut world = World::importing(&app);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ Imported~ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert_eq!(plan.import, None);

    world.import_ends();
    assert_eq!(reason(&world.pass(&app)), "Importing", "its pod still runs");
    world.pods_end("Succeeded");
    world.pass(&app);
    // Somebody cleans up.
    world.observed.remove_all(Kind::Job);
    world.observed.remove_all(Kind::Pod);
    let plan = world.pass(&app);
    assert_eq!(reason(&plan), "Imported");
    let result = ImportResult {
        rows: 7,
        chats: 2,
        rejected: 1,
    };
    assert_eq!(plan.import, Some(result));
    assert!(
        verdict(&plan, Imported)
            .reason()
            .message
            .contains("7 messages, 2 chats, 1 rows left out")
    );
}

#[test]
fn a_complete_import_is_not_run_again_for_another_image_nor_when_it_is_asked_for_again() {
    let app = with_import(&claim());
    let mut world = World::importing(&app);
    world.job_ends("Complete");
    world.pass(&app);
    world.pass(&chatapp("server:1"));
    assert_eq!(world.jobs_of(Component::Import).len(), 0);
    let mut again = app;
    again.spec.server.image = "server:2".to_owned();
    assert_eq!(reason(&world.pass(&again)), "Imported");
    assert_eq!(world.jobs_of(Component::Import).len(), 0);
    let other = json!({"persistentVolumeClaim": {"claimName": "prototype", "path": "other.db"}});
    assert_eq!(reason(&world.pass(&with_import(&other))), "ImportStarting");
}

#[test]
fn a_refused_file_is_told_and_other_rejects_try_again() {
    let app = with_import(&claim());
    let mut world = World::importing(&app);
    let outcome = json!({"message": "3 row(s) can't be taken (row 5: text is NULL)"}).to_string();
    world.last_job_fails(Component::Import, 3, &outcome);
    let plan = world.pass(&app);
    let Verdict::Failed(failed) = verdict(&plan, Imported) else {
        panic!("{plan:?}")
    };
    assert_eq!(failed.reason, "ImportRefused");
    for told in [
        "data/chat.db in PersistentVolumeClaim prototype",
        "row 5: text is NULL",
        "rejects: Skip",
    ] {
        assert!(failed.message.contains(told), "{told}: {}", failed.message);
    }
    let mut skip = claim();
    skip["rejects"] = json!("Skip");
    let app = with_import(&skip);
    world.pass(&app);
    assert_eq!(reason(&world.pass(&app)), "ImportStarting");
}

#[test]
fn an_import_that_nobody_wants_any_more_is_stopped() {
    let mut world = World::importing(&with_import(&claim()));
    let plan = world.pass(&chatapp("server:1"));
    assert_eq!(plan.deletions.len(), 1);
    assert!(plan.verdicts.iter().all(|(type_, _)| *type_ != Imported));
}

#[test]
fn an_import_waits_for_the_migration() {
    let app = with_import(&claim());
    let mut world = World::new();
    assert_eq!(reason(&world.pass(&app)), "WaitingForMigration");
    world.database_is_ready();
    world.pass(&app);
    assert_eq!(reason(&world.pass(&app)), "WaitingForMigration");
    world.job_ends("Complete");
    assert_eq!(reason(&world.pass(&app)), "ImportStarting");
}
