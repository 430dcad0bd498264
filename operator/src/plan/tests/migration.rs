//! Migrations run one at a time, and one that fails harms nobody.

use super::*;

#[test]
fn a_failed_migration_keeps_the_former_version_and_is_undone_by_the_former_spec() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Failed");
    let job = world.job();
    let ended = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "message": "column missing"}}});
    world.pod(Component::Migration, Some(&job), &ended);
    let plan = world.pass(&two);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated! ContentLoaded+ ServerAvailable! FrontendAvailable+ RouteReady+"
    );
    assert!(
        verdict(&plan, Migrated)
            .reason()
            .message
            .contains("exit code 1: column missing"),
        "{:?}",
        verdict(&plan, Migrated)
    );
    assert_eq!(world.server_image().as_deref(), Some("server:1"));

    let plan = world.pass(&one);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert!(!world.has_job(), "the failed Job goes");
}

#[test]
fn a_spec_that_changes_while_a_migration_runs_waits_for_its_end() {
    let (one, two, three) = (
        chatapp("server:1"),
        chatapp("server:2"),
        chatapp("server:3"),
    );
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    let running = world.job();
    world.pod(
        Component::Migration,
        Some(&running),
        &waiting_container("PodInitializing", ""),
    );

    let plan = world.pass(&three);
    assert_eq!(plan.deletions.len(), 1);
    assert_eq!(
        verdict(&plan, Migrated).reason().reason,
        "WaitingForFormerMigration"
    );
    // The Job is gone, its pod is not.
    let plan = world.pass(&three);
    assert_eq!(
        verdict(&plan, Migrated).reason().reason,
        "WaitingForFormerMigration"
    );
    assert!(!world.has_job());
    world.observed.remove_all(Kind::Pod);
    assert_eq!(
        verdict(&world.pass(&three), Migrated).reason().reason,
        "MigrationStarting"
    );
}

#[test]
fn no_job_starts_while_one_of_a_former_chat_app_of_the_name_runs() {
    let app = chatapp("server:1");
    let mut world = World::new();
    world.pass(&app);
    world.database_is_ready();
    let former = json!({"metadata": {"name": "demo-import-1", "uid": "former", "labels": {"sillychat.io/chatapp": "demo",
            "app.kubernetes.io/component": "import", "app.kubernetes.io/managed-by": "chatapp-operator"},
        "ownerReferences": [{"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": "demo", "uid": "former-app", "controller": true}]}});
    world.observed.put(Kind::Job, former);
    let plan = world.pass(&app);
    let reason = verdict(&plan, Migrated).reason().clone();
    assert_eq!(reason.reason, "WaitingForFormerMigration");
    assert!(reason.message.contains("Job demo-import-1"), "{reason:?}");
    assert!(plan.deletions.is_empty(), "{:?}", plan.deletions);

    world.object(Kind::Job, "demo-import-1")["status"] =
        json!({"conditions": [{"type": "Failed", "status": "True"}]});
    assert_eq!(
        verdict(&world.pass(&app), Migrated).reason().reason,
        "MigrationStarting"
    );
}

#[test]
fn jobs_of_others_are_left_alone_even_with_our_label() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let foreign = json!({"metadata": {"name": "demo-db-1-initdb", "uid": "other", "labels": {"sillychat.io/chatapp": "demo"},
        "ownerReferences": [{"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "demo-db", "uid": "cluster-uid", "controller": true}]}});
    world.observed.put(Kind::Job, foreign);
    let plan = world.pass(&chatapp("server:2"));
    assert!(
        plan.deletions
            .iter()
            .all(|deletion| deletion.uid != "other"),
        "{:?}",
        plan.deletions
    );
}

#[test]
fn a_wrong_image_is_named_and_its_correction_recovers() {
    let (one, wrong) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&wrong);
    world.pass(&wrong);
    let job = world.job();
    world.pod(
        Component::Migration,
        Some(&job),
        &waiting_container("ImagePullBackOff", "Back-off pulling image"),
    );
    let plan = world.pass(&wrong);
    let Verdict::Failed(reason) = verdict(&plan, Migrated) else {
        panic!("{:?}", verdict(&plan, Migrated))
    };
    assert_eq!(reason.reason, "ImagePullBackOff");
    assert!(
        reason.message.contains("server:2") && reason.message.contains("pod-0"),
        "{}",
        reason.message
    );
    let pod = world.object(Kind::Pod, "pod-0");
    pod["spec"] = json!({"containers": [], "imagePullSecrets": [{"name": "pull"}]});
    let plan = world.pass(&wrong);
    assert!(
        verdict(&plan, Migrated)
            .reason()
            .message
            .contains("it is pulled with Secret pull: is it there"),
        "{:?}",
        verdict(&plan, Migrated)
    );
    assert_eq!(
        states(&world.pass(&one)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
}

#[test]
fn a_retry_annotation_runs_a_failed_migration_again_without_rolling_pods() {
    let one = chatapp("server:1");
    let mut world = World::installed(&one);
    let template = |world: &World| {
        world
            .server()
            .and_then(|server| server.spec)
            .map(|spec| spec.template)
    };
    let before = template(&world);
    let mut retried = one.clone();
    retried.metadata.annotations.get_or_insert_default().insert(
        chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(),
        "1".to_owned(),
    );
    assert_eq!(
        states(&world.pass(&retried)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert_eq!(template(&world), before);

    let mut two = chatapp("server:2");
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Failed");
    let failed = world.job();
    two.metadata.annotations.get_or_insert_default().insert(
        chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(),
        "1".to_owned(),
    );
    world.pass(&two);
    world.pass(&two);
    assert_ne!(world.job(), failed);
}

#[test]
fn a_pod_of_a_migration_that_was_deleted_by_hand_holds_the_next_one_back() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&two);
    let job = world.job();
    world.observed.remove(Kind::Job, &job);
    world.pod(
        Component::Migration,
        Some(&job),
        &json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": true, "restartCount": 0}),
    );
    let plan = world.pass(&two);
    assert_eq!(
        verdict(&plan, Migrated).reason().reason,
        "WaitingForFormerMigration"
    );
}
