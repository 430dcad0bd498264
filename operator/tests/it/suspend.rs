//! An app that is stopped, and goes on.

use chatapp_crds::{ChatApp, ConditionType, Phase};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{APP, World, spec},
};

const HIBERNATION: &str = "cnpg.io/hibernation";

#[tokio::test]
async fn it_stops_keeps_its_database_and_goes_on() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "suspend").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let before = world.clusters().get("demo-db").await.expect("a Cluster");

    world
        .edit::<ChatApp>(APP, json!({"spec": {"suspend": true}}))
        .await;
    world
        .until("no pods to be wanted", async || {
            let deployments = world.all::<Deployment>().await;
            let mut specs = deployments.iter().filter_map(|found| found.spec.as_ref());
            specs.all(|spec| spec.replicas == Some(0)).then_some(())
        })
        .await;
    world.touch_app().await;
    world.until_reason(ConditionType::Ready, "Suspending").await;
    let cluster = world.clusters().get("demo-db").await.expect("a Cluster");
    assert!(
        !cluster.annotations().contains_key(HIBERNATION),
        "before the servers have ended"
    );
    world.roll_out("demo-server").await;
    world.roll_out("demo-frontend").await;
    let cluster = world
        .until("hibernation", async || {
            let cluster = world.clusters().get("demo-db").await.ok()?;
            let hibernates = cluster.annotations().get(HIBERNATION)? == "on";
            hibernates.then_some(cluster)
        })
        .await;
    assert_eq!(cluster.uid(), before.uid());
    world.until_reason(ConditionType::Ready, "Suspending").await;

    // As CloudNativePG.
    let report = async |conditions: serde_json::Value| {
        let status = json!({"status": {"conditions": conditions}});
        let reported = world
            .clusters()
            .patch_status("demo-db", &PatchParams::default(), &Patch::Merge(status))
            .await;
        reported.expect("a status");
    };
    report(json!([{"type": HIBERNATION, "status": "True", "reason": "Hibernated"}])).await;
    let app = world.until_reason(ConditionType::Ready, "Suspended").await;
    let status = app.status.expect("a status");
    assert_eq!(status.phase, Some(Phase::Suspended));
    assert_eq!(status.ready.as_deref(), Some("0/0"));

    // A new image is not migrated to while the database sleeps.
    let image = "registry.example.org/chat-server:2";
    world
        .edit::<ChatApp>(APP, json!({"spec": {"server": {"image": image}}}))
        .await;
    world.until_reason(ConditionType::Ready, "Suspended").await;
    let runs_it = |job: &Job| {
        let pod = job
            .spec
            .as_ref()
            .and_then(|spec| spec.template.spec.as_ref());
        pod.is_some_and(|pod| pod.containers[0].image.as_deref() == Some(image))
    };
    assert!(!world.all::<Job>().await.iter().any(runs_it));

    world
        .edit::<ChatApp>(APP, json!({"spec": {"suspend": null}}))
        .await;
    world
        .until_reason(ConditionType::DatabaseReady, "ClusterHibernated")
        .await;
    let cluster = world.clusters().get("demo-db").await.expect("a Cluster");
    assert!(!cluster.annotations().contains_key(HIBERNATION));
    world.report_cluster(3, "healthy").await;
    let app = world.bring_up().await;
    let status = app.status.expect("a status");
    assert_eq!(
        (status.phase, status.ready.as_deref()),
        (Some(Phase::Ready), Some("2/2"))
    );
    assert_eq!(status.image.as_deref(), Some(image));
}

/// Nobody is asked to run it again.
#[tokio::test]
async fn a_migration_that_waits_for_its_next_try_is_made_again_when_the_app_goes_on() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "suspend-migration").await;
    world.create_app(spec()).await;
    world.report_cluster(3, "healthy").await;
    let job = world.until_job().await;
    world
        .end_pod(&job, &[("plan", 1, &json!("no route"))])
        .await;
    world
        .until_reason(ConditionType::Migrated, "MigrationRetrying")
        .await;

    world
        .edit::<ChatApp>(APP, json!({"spec": {"suspend": true}}))
        .await;
    world
        .until("hibernation", async || {
            world.collect_garbage().await;
            let cluster = world.clusters().get("demo-db").await.ok()?;
            (cluster.annotations().get(HIBERNATION)? == "on").then_some(())
        })
        .await;
    assert_eq!(world.all::<Job>().await, []);

    world
        .edit::<ChatApp>(APP, json!({"spec": {"suspend": null}}))
        .await;
    let again = world.until_job().await;
    assert_eq!(again.metadata.name, job.metadata.name);
    assert_ne!(again.uid(), job.uid());
    world.bring_up().await;
}
