//! A new version is migrated to before it serves, and a migration that fails harms nobody.

use chatapp_crds::{ChatApp, ConditionType, Phase, Upgrade};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, events::v1::Event};
use kube::{ResourceExt, api::PostParams};
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{APP, JobEnd, World, condition, image, spec},
};

const FIRST: &str = "registry.example.org/chat-server:1";
const SECOND: &str = "registry.example.org/chat-server:2";

async fn set_image(world: &World<'_>, image: &str) {
    let patch = json!({"spec": {"server": {"image": image}}});
    world.edit::<ChatApp>(APP, patch).await;
}

async fn served(world: &World<'_>) -> String {
    let server: Deployment = world.api().get("demo-server").await.expect("the server");
    image(&server).expect("an image").to_owned()
}

#[tokio::test]
async fn the_new_version_serves_after_its_migration() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "upgrade").await;
    world.create_app(spec()).await;
    world.bring_up().await;

    set_image(&world, SECOND).await;
    let job = world.until_job().await;
    let app = world
        .until_reason(ConditionType::Migrated, "Migrating")
        .await;
    let status = app.status.expect("a status");
    assert_eq!(status.phase, Some(Phase::Progressing));
    assert_eq!(status.image.as_deref(), Some(FIRST));
    assert_eq!(served(&world).await, FIRST);
    world.end_job(&job, JobEnd::Complete).await;

    let app = world.bring_up().await;
    assert_eq!(served(&world).await, SECOND);
    assert_eq!(app.status.expect("a status").image.as_deref(), Some(SECOND));
}

#[tokio::test]
async fn a_failed_migration_keeps_the_former_version_and_goes_with_a_revert() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "upgrade-fails").await;
    world.create_app(spec()).await;
    world.bring_up().await;

    set_image(&world, SECOND).await;
    let job = world.until_job().await;
    world.end_job(&job, JobEnd::Failed).await;
    let app = world
        .until_reason(ConditionType::Ready, "MigrationFailed")
        .await;
    let status = app.status.expect("a status");
    assert_eq!(status.phase, Some(Phase::Degraded));
    assert_eq!(status.image.as_deref(), Some(FIRST));
    assert_eq!(served(&world).await, FIRST);

    set_image(&world, FIRST).await;
    world.until_reason(ConditionType::Ready, "Available").await;
    assert_eq!(served(&world).await, FIRST);
    let failed = job.name_any();
    world
        .until("the failed Job is gone", async || {
            world.collect_garbage().await;
            world
                .all::<Job>()
                .await
                .iter()
                .all(|job| job.name_any() != failed)
                .then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_failed_migration_runs_again_on_request() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "upgrade-retry").await;
    world.create_app(spec()).await;
    world.bring_up().await;

    set_image(&world, SECOND).await;
    let failed = world.until_job().await;
    world.end_job(&failed, JobEnd::Failed).await;
    world
        .until_reason(ConditionType::Ready, "MigrationFailed")
        .await;

    let patch =
        json!({"metadata": {"annotations": {chatapp_crds::RETRY_MIGRATION_ANNOTATION: "1"}}});
    world.edit::<ChatApp>(APP, patch).await;
    let again = world.until_job().await;
    assert_ne!(again.name_any(), failed.name_any());
    world.bring_up().await;
    assert_eq!(served(&world).await, SECOND);
}

/// What a quota refuses, Kubernetes tells in an event of the Job's only.
#[tokio::test]
async fn a_job_that_may_not_create_its_pod_is_told_and_undone() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "upgrade-quota").await;
    world.create_app(spec()).await;
    world.bring_up().await;

    set_image(&world, SECOND).await;
    let job = world.until_job().await;
    // As the Job controller.
    let note = "Error creating: pods \"demo-migrate-1-abcde\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4";
    let event = json!({"metadata": {"name": "job.1"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Warning", "reason": "FailedCreate",
        "note": note, "action": "Create", "reportingController": "job-controller", "reportingInstance": "x",
        "regarding": {"kind": "Job", "namespace": world.namespace, "name": job.name_any(), "uid": job.uid()}});
    let event: Event = serde_json::from_value(event).expect("an Event");
    let created = world.api().create(&PostParams::default(), &event).await;
    created.expect("the Event");
    let app = world
        .until_reason(ConditionType::Ready, "FailedCreate")
        .await;
    let told = condition(&app, ConditionType::Migrated).expect("a condition");
    assert_eq!(
        told.message,
        format!(
            "Job {} may not create its pod: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4",
            job.name_any()
        )
    );
    assert_eq!(served(&world).await, FIRST);
    set_image(&world, FIRST).await;
    world.until_reason(ConditionType::Ready, "Available").await;
}

#[tokio::test]
async fn the_status_tells_an_upgrade_before_it_runs() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "upgrade-plan").await;
    world.create_app(spec()).await;
    let app = world.bring_up().await;
    assert_eq!(app.status.expect("a status").upgrade, None);

    set_image(&world, SECOND).await;
    let job = world.until_job().await;
    let told = json!({"message": "", "migrations": ["6 more"], "schemaVersion": 6});
    world.end_pod(&job, &[("plan", 0, &told)]).await;
    let app = world
        .until("the plan of the upgrade", async || {
            let app = world.api::<ChatApp>().get(APP).await.ok()?;
            let known = app.status.as_ref()?.upgrade.as_ref()?.migrations.is_some();
            known.then_some(app)
        })
        .await;
    let expected = Upgrade {
        from: FIRST.to_owned(),
        to: SECOND.to_owned(),
        migrations: Some(vec!["6 more".to_owned()]),
    };
    let status = app.status.expect("a status");
    assert_eq!(status.upgrade, Some(expected));
    assert_eq!(served(&world).await, FIRST);

    world.end_job(&job, JobEnd::Complete).await;
    let app = world.bring_up().await;
    assert_eq!(app.status.expect("a status").upgrade, None);
}

#[tokio::test]
async fn a_release_that_the_schema_leaves_out_is_refused_before_anything_is_changed() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "upgrade-back").await;
    world.create_app(spec()).await;
    world.bring_up().await;

    set_image(&world, SECOND).await;
    let job = world.until_job().await;
    let told = json!({"message": "the schema needs chat-server 3 or later, this is 2"});
    world.end_pod(&job, &[("plan", 5, &told)]).await;
    world.end_job(&job, JobEnd::Failed).await;
    let app = world
        .until_reason(ConditionType::Ready, "MigrationRefused")
        .await;
    let refused = condition(&app, ConditionType::Migrated).expect("a condition");
    for told in [
        "needs chat-server 3 or later",
        &format!("go back: spec.server.image: {FIRST}"),
    ] {
        assert!(refused.message.contains(told), "{}", refused.message);
    }
    assert_eq!(served(&world).await, FIRST);
    set_image(&world, FIRST).await;
    world.until_reason(ConditionType::Ready, "Available").await;
}
