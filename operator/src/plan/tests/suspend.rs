//! An app that is stopped stops in order.

use chatapp_crds::ConditionType::{ContentLoaded, Imported};

use super::*;

#[test]
fn a_suspended_app_stops_its_pods_then_its_database_and_comes_back() {
    let one = chatapp("server:1");
    let mut world = World::installed(&one);
    server_pod(&mut world);
    let app = with(&json!({"suspend": true}));
    let plan = world.pass(&app);
    assert_eq!(replicas(&plan), Some(json!(0)));
    assert_eq!(
        verdict(&plan, ServerAvailable).reason().reason,
        "Suspending"
    );
    let hibernates = |plan: &Plan| {
        let cluster = child_of_kind(plan, "Cluster").object["metadata"]["annotations"].clone();
        // Without this one it would be a former ChatApp's.
        assert_eq!(cluster["sillychat.io/owner-uid"], "app-uid");
        cluster["cnpg.io/hibernation"] == "on"
    };
    assert!(!hibernates(&plan), "servers finish what they do");

    world.observed.remove(Kind::Pod, "demo-server-1");
    assert!(
        !hibernates(&world.pass(&app)),
        "the Deployment still has some"
    );
    world.rolls_out("demo-server");
    let plan = world.pass(&app);
    assert!(hibernates(&plan));
    assert_eq!(verdict(&plan, DatabaseReady).reason().reason, "Suspending");
    world.cluster()["status"]["conditions"] =
        json!([{"type": "cnpg.io/hibernation", "status": "True"}]);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated+ ContentLoaded+ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(verdict(&plan, DatabaseReady).reason().reason, SUSPENDED);

    // A new image waits for the end of it.
    let mut two = app.clone();
    two.spec.server.image = "server:2".to_owned();
    world.pass(&two);
    assert!(!kinds(&world.pass(&two)).contains(&"Job/demo".to_owned()));

    let plan = world.pass(&one);
    assert!(!hibernates(&plan));
    assert_eq!(replicas(&plan), Some(json!(2)));
    assert_eq!(
        verdict(&plan, DatabaseReady).reason().reason,
        "ClusterHibernated"
    );
}

/// It is upgraded and then stopped: what the Job of its migration does meanwhile.
fn stopped_in_a_migration(container: Option<&Value>) -> (World, Plan) {
    let mut world = World::installed(&chatapp("server:1"));
    let two = chatapp("server:2");
    world.pass(&two);
    world.pass(&two);
    let job = world.job();
    if let Some(container) = container {
        world.pod(Component::Migration, Some(&job), container);
    }
    let plan = world.pass(&stopped());
    (world, plan)
}

fn stopped() -> ChatApp {
    let mut app = chatapp("server:2");
    app.spec.suspend = true;
    app
}

fn hibernates(plan: &Plan) -> bool {
    let cluster = child_of_kind(plan, "Cluster");
    cluster.object["metadata"]["annotations"]["cnpg.io/hibernation"] == "on"
}

fn told(plan: &Plan) -> String {
    verdict(plan, Migrated).reason().message.clone()
}

#[test]
fn a_job_that_can_not_start_or_waits_for_its_next_try_goes_and_is_made_again() {
    let unpullable = waiting_container("ImagePullBackOff", "Back-off pulling image");
    let unmountable = waiting_container("PodInitializing", "");
    for container in [Some(&unpullable), Some(&unmountable), None] {
        let (mut world, plan) = stopped_in_a_migration(container);
        let uid = format!("uid-of-{}", world.job());
        assert_eq!(
            deleted(&plan)
                .into_iter()
                .filter(|(kind, _)| *kind == "Job")
                .collect::<Vec<_>>(),
            [("Job", uid.as_str())]
        );
        assert!(!world.has_job(), "nor is it made again");
        assert!(!hibernates(&plan), "before its pod has gone, too");

        world.observed.remove_all(Kind::Pod);
        world.rolls_out("demo-server");
        assert!(hibernates(&world.pass(&stopped())));
        assert!(!world.has_job());
        world.controllers_act();
        let plan = world.pass(&stopped());
        assert_eq!(verdict(&plan, DatabaseReady).reason().reason, SUSPENDED);

        world.cluster()["metadata"]["annotations"] = json!({});
        world.database_is_ready();
        world.upgrade_succeeds(&chatapp("server:2"));
    }
}

#[test]
fn a_job_that_runs_is_waited_for_and_named() {
    let running = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}});
    let (mut world, plan) = stopped_in_a_migration(Some(&running));
    assert_eq!(
        deleted(&plan)
            .into_iter()
            .filter(|(kind, _)| *kind == "Job")
            .collect::<Vec<_>>(),
        []
    );
    assert!(told(&plan).contains("pod-0"), "{}", told(&plan));
    world.rolls_out("demo-server");
    assert!(!hibernates(&world.pass(&stopped())));

    // This try fails: another one would find no database.
    let pod = world.object(Kind::Pod, "pod-0");
    pod["status"] = json!({"phase": "Failed"});
    let job = world.job();
    let plan = world.pass(&stopped());
    assert!(!world.has_job(), "{:?}", plan.deletions);
    assert!(
        !hibernates(&plan) && told(&plan).contains(&job),
        "{}",
        told(&plan)
    );
    assert!(hibernates(&world.pass(&stopped())));
}

#[test]
fn a_purge_that_can_not_start_goes_too() {
    let app = with(&json!({"retention": {"days": 30}}));
    let mut world = World::installed(&app);
    let labels =
        json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "retention"});
    let owners = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-purge", "uid": "c", "controller": true}]);
    let job = json!({"metadata": {"name": "demo-purge-1", "uid": "purge", "labels": labels, "ownerReferences": owners}});
    world.observed.put(Kind::Job, job);
    world.pod(
        Component::Retention,
        Some("demo-purge-1"),
        &waiting_container("ImagePullBackOff", ""),
    );
    assert_eq!(deleted(&world.pass(&app)), []);
    let stopped = with(&json!({"retention": {"days": 30}, "suspend": true}));
    assert!(deleted(&world.pass(&stopped)).contains(&("Job", "purge")));
}

/// It would find no database, and have failed for good when the app goes on.
#[test]
fn no_job_begins_while_an_app_is_stopped() {
    let smaller = json!({"suspend": true, "database": {"cluster": {"instances": 2, "image": "postgres:15", "storage": {"size": "1Mi"}}}});
    for stopped in [with(&json!({"suspend": true})), with(&smaller)] {
        let mut world = World::installed(&chatapp("server:1"));
        let mut app = stopped;
        let import = json!({"sqlite": {"configMapRef": {"name": "prototype", "key": "chat.db"}}});
        app.spec.import = serde_json::from_value(import).expect("an import");
        world.words("greetings: [ho]");
        for _ in 0..4 {
            world.pass(&app);
            world.controllers_act();
        }
        let plan = world.pass(&app);
        assert!(hibernates(&plan));
        for type_ in [ContentLoaded, Imported] {
            assert_eq!(verdict(&plan, type_).reason().reason, SUSPENDED);
        }
        assert_eq!(world.jobs_of(Component::Content), []);
        assert_eq!(world.jobs_of(Component::Import), []);

        let mut awake = chatapp("server:1");
        awake.spec.import = app.spec.import.clone();
        world.pass(&awake);
        world.cluster()["metadata"]["annotations"] = json!({});
        world.database_is_ready();
        world.upgrade_succeeds(&awake);
        assert_eq!(world.loaded_text().as_deref(), Some("greetings: [ho]"));
        assert_eq!(world.jobs_of(Component::Import).len(), 1);
    }
}
