//! What the bot says is checked and loaded by a Job; nothing that is wrong with it harms what runs.

use chatapp_crds::{ChatApp, ConditionType, Phase};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, ServiceAccount},
};
use kube::ResourceExt;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{APP, JobEnd, World, condition, spec, spec_with_content},
};

/// The text that a content Job reads, from the copy that it mounts.
async fn text_of(world: &World<'_>, job: &Job) -> String {
    let pod = job
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.clone());
    let volumes = pod.and_then(|pod| pod.volumes).unwrap_or_default();
    let mounted = volumes.into_iter().find_map(|volume| volume.config_map);
    let name = mounted.expect("a ConfigMap").name;
    let copy: ConfigMap = world.api().get(&name).await.expect("the copy");
    assert_eq!(copy.immutable, Some(true));
    copy.data.expect("data")["content.yaml"].clone()
}

async fn mark(world: &World<'_>) -> Option<String> {
    let account: ServiceAccount = world.api().get("demo-pods").await.expect("the account");
    account.annotations().get("sillychat.io/content").cloned()
}

async fn server_generation(world: &World<'_>) -> Option<i64> {
    let server: Deployment = world.api().get("demo-server").await.expect("the server");
    server.metadata.generation
}

#[tokio::test]
async fn a_change_is_loaded_without_a_rollout_and_a_former_content_again() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "content").await;
    world.write_content("greetings: [a]").await;
    world.create_app(spec_with_content()).await;
    world.bring_up().await;
    let first = mark(&world).await;
    let generation = server_generation(&world).await;

    for text in ["greetings: [b]", "greetings: [a]"] {
        world.write_content(text).await;
        let job = world.until_job().await;
        assert_eq!(text_of(&world, &job).await, text);
        assert_eq!(mark(&world).await.as_deref(), Some("pending"));
        world.end_job(&job, JobEnd::Complete).await;
        world
            .until_reason(ConditionType::ContentLoaded, "ContentLoaded")
            .await;
    }
    assert_eq!(mark(&world).await, first);
    assert_eq!(server_generation(&world).await, generation);

    // Somebody cleans up: it isn't loaded again.
    let jobs = world.all::<Job>().await;
    for job in jobs {
        world.delete::<Job>(&job.name_any()).await;
    }
    world.touch_app().await;
    world.until_reason(ConditionType::Ready, "Available").await;
}

#[tokio::test]
async fn refused_content_is_told_by_line_and_is_corrected_by_the_former_one() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "content-refused").await;
    world.write_content("greetings: [a]").await;
    world.create_app(spec_with_content()).await;
    world.bring_up().await;

    world.write_content("fallbacks: []").await;
    let job = world.until_job().await;
    let told = json!({"message": "line 1: fallbacks must not be empty"});
    world.end_pod(&job, &[("content", 3, &told)]).await;
    world.end_job(&job, JobEnd::Failed).await;
    let app = world
        .until_reason(ConditionType::Ready, "ContentRefused")
        .await;
    let refused = condition(&app, ConditionType::ContentLoaded).expect("a condition");
    assert!(
        refused.message.contains("line 1: fallbacks must not be"),
        "{}",
        refused.message
    );
    let available = condition(&app, ConditionType::ServerAvailable).expect("a condition");
    assert_eq!(available.status, "True", "{available:?}");
    assert_eq!(
        app.status.and_then(|status| status.phase),
        Some(Phase::Degraded)
    );

    world.write_content("greetings: [a]").await;
    world.bring_up().await;
}

#[tokio::test]
async fn content_that_is_not_wanted_any_more_makes_room_for_the_built_in() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "content-removed").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    assert_eq!(mark(&world).await, None);

    world.write_content("greetings: [a]").await;
    let patch = json!({"spec": {"content": {"configMapRef": {"name": "content"}}}});
    world.edit::<ChatApp>(APP, patch).await;
    world.bring_up().await;
    assert!(mark(&world).await.is_some());

    world
        .edit::<ChatApp>(APP, json!({"spec": {"content": null}}))
        .await;
    let job = world.until_job().await;
    let pod = job
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.clone());
    let args = pod.and_then(|pod| pod.containers.first()?.args.clone());
    assert_eq!(args, Some(vec!["content".to_owned(), "clear".to_owned()]));
    world.end_job(&job, JobEnd::Complete).await;
    world
        .until_reason(ConditionType::ContentLoaded, "BuiltIn")
        .await;
    world.bring_up().await;

    // Somebody cleans up: what is imported since isn't cleared.
    for job in world.all::<Job>().await {
        world.delete::<Job>(&job.name_any()).await;
    }
    world.touch_app().await;
    world.until_reason(ConditionType::Ready, "Available").await;
    let jobs = world.all::<Job>().await;
    let mut names = jobs.iter().map(ResourceExt::name_any);
    assert!(!names.any(|name| name.contains("-content-")), "{jobs:?}");
}
