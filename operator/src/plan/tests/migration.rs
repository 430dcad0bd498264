//! Migrations run one at a time, and one that fails harms nobody.

use super::*;

/// One is there, and the Job of its change to the other has begun.
fn migrating(from: &ChatApp, to: &ChatApp) -> World {
    let mut world = World::installed(from);
    world.pass(to);
    world.pass(to);
    world
}

#[test]
fn a_failed_migration_keeps_the_former_version_and_is_undone_by_the_former_spec() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = migrating(&one, &two);
    world.job_ends("Failed");
    let job = world.job();
    let ended = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "message": "column missing"}}});
    world.pod(Component::Migration, Some(&job), &ended);
    let plan = world.pass(&two);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated! ContentLoaded+ ServerAvailable~ FrontendAvailable+ RouteReady+"
    );
    assert!(
        verdict(&plan, Migrated)
            .reason()
            .message
            .contains("exit code 1: column missing"),
        "{:?}",
        verdict(&plan, Migrated)
    );
    assert_eq!(
        verdict(&plan, ServerAvailable).reason().message,
        "the new version waits for Migrated (MigrationFailed)"
    );
    assert_eq!(world.server_image().as_deref(), Some("server:1"));

    let plan = world.pass(&one);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert!(!world.has_job(), "the failed Job goes");
}

/// How many tries have failed is told with when the next one is and what can be done at once; a human is called for the third.
#[test]
fn a_migration_that_is_tried_again_says_which_try_and_when_the_next_one_is() {
    let mut two = chatapp("server:2");
    two.status = Some(chatapp_crds::ChatAppStatus {
        image: Some("server:1".to_owned()),
        ..chatapp_crds::ChatAppStatus::default()
    });
    let mut world = World::installed(&chatapp("server:1"));
    world.pass(&two);
    world.pass(&two);
    let job = world.job();
    let mut told = Vec::new();
    for (failures, second) in [(1, 10), (2, 30), (3, 59)] {
        let ended = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": "no route", "finishedAt": format!("2026-01-01T00:00:{second}Z")}}});
        world.pod(Component::Migration, Some(&job), &ended);
        let pod = format!("pod-{}", failures - 1);
        let pod = world.object(Kind::Pod, &pod);
        pod["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:0{failures}Z"));
        pod["status"]["phase"] = json!("Failed");
        world.object(Kind::Job, &job)["status"] = json!({ "failed": failures });
        let plan = world.pass(&two);
        let verdict = verdict(&plan, Migrated).clone();
        assert_eq!(verdict.reason().reason, "MigrationRetrying");
        assert_eq!(matches!(verdict, Verdict::Failed(_)), failures == 3);
        told.push(verdict.reason().message.clone());
    }
    assert_eq!(
        told[0],
        format!(
            "Job {job}: try 1 of 7 has failed (pod pod-0: exit code 1: no route), the next one begins at 00:00:20 UTC; the former version \
             serves on. To try at once: kubectl chatapp migrate retry demo (or set annotation sillychat.io/retry-migration to a new value), \
             or go back: spec.server.image: server:1"
        )
    );
    for (told, next) in told[1..].iter().zip(["try 2 of 7 has failed (pod pod-1: exit code 1: no route), the next one begins at 00:00:50 UTC",
        "try 3 of 7 has failed (pod pod-2: exit code 1: no route), the next one begins at 00:01:39 UTC"]) {
        assert!(told.contains(next), "{told}");
    }

    // The next one runs, on a node that is then drained: that is no failure.
    let runs = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": true, "restartCount": 0});
    world.pod(Component::Migration, Some(&job), &runs);
    let reason = |plan: &Plan| verdict(plan, Migrated).reason().message.clone();
    let told = reason(&world.pass(&two));
    assert!(
        told.contains("try 3 of 7 has failed") && told.contains(", try 4 runs"),
        "{told}"
    );
    let pod = world.object(Kind::Pod, "pod-3");
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:02:00Z");
    pod["status"]["phase"] = json!("Failed");
    pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True"}]);
    let told = reason(&world.pass(&two));
    assert!(told.contains("try 3 of 7 has failed (pod pod-2"), "{told}");

    world.job_ends("Failed");
    let told = reason(&world.pass(&two));
    for part in [
        "It is not tried again by itself: correct the cause and kubectl chatapp migrate retry demo",
        "or go back: spec.server.image: server:1",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_spec_that_changes_while_a_migration_runs_waits_for_its_end() {
    let (one, two, three) = (
        chatapp("server:1"),
        chatapp("server:2"),
        chatapp("server:3"),
    );
    let mut world = migrating(&one, &two);
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
    let mut world = migrating(&one, &two);
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

/// The end of a pod on a node that is gone for good nobody reports but a human.
#[test]
fn a_pod_that_does_not_end_is_named_with_its_node() {
    let (one, two, three) = (
        chatapp("server:1"),
        chatapp("server:2"),
        chatapp("server:3"),
    );
    let mut world = migrating(&one, &two);
    let job = world.job();
    world.pod(
        Component::Migration,
        Some(&job),
        &json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": true, "restartCount": 0}),
    );
    let pod = world.object(Kind::Pod, "pod-0");
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod["spec"] = json!({"nodeName": "worker-3", "containers": []});
    let told = |plan: &Plan| verdict(plan, Migrated).reason().message.clone();
    let hint = "pod-0 (if its node, worker-3, is gone for good: kubectl delete pod pod-0 --force)";
    // A Job makes no other pod before the end of this one.
    assert_eq!(
        told(&world.pass(&two)),
        format!("Job {job} is running; the end of pod {hint} is awaited")
    );
    let message = told(&world.pass(&three));
    assert!(
        message.starts_with(&format!("pod {hint} of a former spec")),
        "{message}"
    );
}

#[test]
fn a_job_that_may_not_create_its_pod_says_why() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = migrating(&one, &two);
    let job = world.job();
    world.object(Kind::Job, &job)["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:30Z");
    let asked = |world: &World, before: &str| {
        let before = before.parse().expect("a time");
        world.observed.jobs_without_pods(before)
    };
    assert_eq!(asked(&world, "2026-01-01T00:00:30Z"), []);
    let ours = (job.clone(), format!("uid-of-{job}"));
    assert_eq!(asked(&world, "2026-01-01T00:00:31Z"), [ours]);

    let note = "exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4";
    world
        .observed
        .tell_of(Kind::Job, &job, "FailedCreate", note);
    let plan = plan(&two, &world.observed);
    let Verdict::Failed(reason) = verdict(&plan, Migrated) else {
        panic!("{:?}", verdict(&plan, Migrated))
    };
    assert_eq!(
        (reason.reason, reason.message.as_str()),
        (
            "FailedCreate",
            format!("Job {job} may not create its pod: {note}").as_str()
        )
    );

    world.pod(
        Component::Migration,
        Some(&job),
        &waiting_container("ContainerCreating", ""),
    );
    assert_eq!(asked(&world, "2026-01-01T00:00:31Z"), []);
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

/// One serves, two has migrated and its servers crash, and then one is refused.
#[test]
fn the_way_out_is_never_the_present_spec() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = migrating(&one, &two);
    world.jobs_end(&two);
    let mut back = one;
    back.status = Some(chatapp_crds::ChatAppStatus {
        image: Some("server:1".to_owned()),
        ..chatapp_crds::ChatAppStatus::default()
    });
    world.pass(&back);
    world.pass(&back);
    let job = world.job();
    for (code, reason, told) in [
        (
            5,
            "MigrationRefused",
            "write an image of that release or a later one to spec.server.image",
        ),
        (1, "MigrationFailed", "It is not tried again by itself"),
    ] {
        world.observed.remove_all(Kind::Pod);
        let ended = json!({"name": "plan", "image": "server:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "message": "no"}}});
        world.pod(Component::Migration, Some(&job), &ended);
        world.object(Kind::Pod, "pod-0")["status"]["phase"] = json!("Failed");
        world.job_ends("Failed");
        let plan = world.pass(&back);
        let verdict = verdict(&plan, Migrated).reason();
        assert_eq!(verdict.reason, reason);
        assert!(
            verdict.message.contains(told) && !verdict.message.contains("go back"),
            "{}",
            verdict.message
        );
    }
}

#[test]
fn a_former_version_that_is_gone_is_not_said_to_serve() {
    let (one, mut two) = (chatapp("server:1"), chatapp("server:2"));
    two.status = Some(chatapp_crds::ChatAppStatus {
        image: Some("server:1".to_owned()),
        ..chatapp_crds::ChatAppStatus::default()
    });
    let mut world = migrating(&one, &two);
    world.job_ends("Failed");
    let told = |world: &mut World| {
        let plan = world.pass(&two);
        verdict(&plan, Migrated).reason().message.clone()
    };
    assert!(told(&mut world).contains("the former version serves on"));
    world.observed.remove(Kind::Deployment, "demo-server");
    let told = told(&mut world);
    assert!(
        told.contains("; Deployment demo-server is gone, and with it the former version. ")
            && told.contains("or go back: spec.server.image: server:1"),
        "{told}"
    );
}
