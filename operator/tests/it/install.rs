//! A new ChatApp comes up step by step.

use chatapp_crds::{ChatApp, ConditionType, Phase};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{Service, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference},
};
use kube::{ResourceExt, api::ListParams};

use crate::{
    api_server::ApiServer,
    world::{JobEnd, World, condition, spec},
};

#[tokio::test]
async fn each_step_waits_for_the_one_before() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "install").await;
    let app = world.create_app(spec()).await;

    // The operator tells what it sees after it has done what it wants to do about it: what isn't there then isn't wanted yet.
    let not_ready = |word: &'static str| {
        move |condition: &Condition| {
            condition.reason == "ClusterNotReady" && condition.message.contains(word)
        }
    };
    world.report_cluster(2, "one more to join").await;
    let type_ = ConditionType::DatabaseReady;
    world
        .until_condition(type_, "two instances", not_ready("one more to join"))
        .await;
    assert!(
        world.all::<Job>().await.is_empty(),
        "a Job before the database is ready"
    );

    world.report_cluster(3, "healthy").await;
    let job = world.until_job().await;
    let progressing = world
        .until_reason(ConditionType::Migrated, "Migrating")
        .await;
    assert_eq!(
        progressing.status.and_then(|status| status.phase),
        Some(Phase::Progressing)
    );
    assert_eq!(
        deployments(&world).await,
        [""; 0],
        "a server before the migration is done"
    );

    world.end_job(&job, JobEnd::Complete).await;
    world
        .until_reason(ConditionType::ServerAvailable, "RollingOut")
        .await;
    assert_eq!(
        deployments(&world).await,
        ["demo-server"],
        "a page before the server serves"
    );

    world.roll_out("demo-server").await;
    world.roll_out("demo-frontend").await;
    let ready = world.until_reason(ConditionType::Ready, "Available").await;
    for type_ in ConditionType::ALL {
        let condition = condition(&ready, type_);
        let status = condition.map(|condition| condition.status.as_str());
        let is_asked_for =
            ![ConditionType::Imported, ConditionType::RetentionEnforced].contains(&type_);
        let expected = is_asked_for.then_some("True");
        assert_eq!(status, expected, "{condition:?}");
    }
    let status = ready.status.expect("a status");
    assert_eq!(status.observed_generation, ready.metadata.generation);
    assert_eq!(status.phase, Some(Phase::Ready));
    assert_eq!(
        status.image.as_deref(),
        Some("registry.example.org/chat-server:1")
    );
    assert_eq!(status.ready.as_deref(), Some("2/2"));
    assert_eq!(
        status.url.as_deref(),
        Some("http://demo-frontend.install.svc")
    );

    all_belong_to(&world, &app).await;
    written_in_order(&world);
}

async fn deployments(world: &World<'_>) -> Vec<String> {
    let deployments = world.all::<Deployment>().await;
    deployments.iter().map(ResourceExt::name_any).collect()
}

async fn all_belong_to(world: &World<'_>, app: &ChatApp) {
    // The garbage collector must have no reason to take a database that is to be retained.
    let clusters = world.clusters().list(&ListParams::default()).await;
    for (name, owners) in owners(&clusters.expect("Clusters").items) {
        assert_eq!(owners, [], "{name}");
    }
    let owned_by_app = |owners: &[OwnerReference]| {
        owners
            .iter()
            .any(|owner| Some(&owner.uid) == app.uid().as_ref() && owner.controller == Some(true))
    };
    let children = [
        owners(&world.all::<Job>().await),
        owners(&world.all::<Deployment>().await),
        owners(&world.all::<Service>().await),
        owners(&world.all::<ServiceAccount>().await),
    ]
    .concat();
    assert_eq!(children.len(), 6, "{children:?}");
    for (name, owners) in children {
        assert!(owned_by_app(&owners), "{name}: {owners:?}");
    }
}

fn owners(objects: &[impl ResourceExt]) -> Vec<(String, Vec<OwnerReference>)> {
    objects
        .iter()
        .map(|object| (object.name_any(), object.owner_references().to_vec()))
        .collect()
}

/// What the audit log says about the order: the first request for each step, those of the tests included.
fn written_in_order(world: &World<'_>) {
    const STEPS: [&str; 7] = [
        "patch clusters/demo-db",
        "patch clusters/demo-db/status",
        "patch jobs/NAME",
        "patch jobs/NAME/status",
        "patch deployments/demo-server",
        "patch deployments/demo-server/status",
        "patch deployments/demo-frontend",
    ];
    let mut firsts: Vec<String> = Vec::new();
    for request in world.requests() {
        let what = request.what_with_name_of("jobs", "NAME");
        if STEPS.contains(&what.as_str()) && !firsts.contains(&what) {
            firsts.push(what);
        }
    }
    assert_eq!(firsts, STEPS);
}
