//! A new version is migrated to before it serves, and a migration that fails harms nobody.

use chatapp_crds::{ChatApp, ConditionType, Phase, Upgrade};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
use kube::ResourceExt;
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
    for told in ["needs chat-server 3 or later", "go back to its image"] {
        assert!(refused.message.contains(told), "{}", refused.message);
    }
    assert_eq!(served(&world).await, FIRST);
    set_image(&world, FIRST).await;
    world.until_reason(ConditionType::Ready, "Available").await;
}
