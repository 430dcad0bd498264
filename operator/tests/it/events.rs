//! Events tell of transitions, and of nothing else: who reads them isn't told the same twice.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::events::v1::Event;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{APP, JobEnd, World, spec},
};

/// Reason, type and count of the events about the ChatApp, in the order of their reasons.
async fn told(world: &World<'_>) -> Vec<(String, String, i32)> {
    let events = world.all::<Event>().await.into_iter().filter(|event| {
        let regarding = event.regarding.as_ref();
        regarding.and_then(|regarding| regarding.kind.as_deref()) == Some("ChatApp")
    });
    let mut told: Vec<_> = events
        .map(|event| {
            let count = event.series.map_or(1, |series| series.count);
            let text = |text: Option<String>| text.unwrap_or_default();
            (
                text(event.action),
                format!("{} {}", text(event.type_), text(event.reason)),
                count,
            )
        })
        .collect();
    told.sort();
    told
}

fn expected(expected: &[(&str, &str)]) -> Vec<(String, String, i32)> {
    let expected = expected.iter();
    expected
        .map(|(condition, told)| ((*condition).to_owned(), (*told).to_owned(), 1))
        .collect()
}

#[tokio::test]
async fn each_transition_is_told_once() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "events").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let is_told = async |what: &[(&str, &str)]| {
        let what = expected(what);
        world
            .until("the events", async || {
                let told = told(&world).await;
                what.iter().all(|what| told.contains(what)).then_some(told)
            })
            .await
    };
    // Ready comes last. Which steps before it are worth telling depends on how long they take.
    let before = is_told(&[("Ready", "Normal Available")]).await;

    // Passes that find nothing new tell nothing.
    for _ in 0..5 {
        world.touch_app().await;
        world.bring_up().await;
    }
    assert_eq!(told(&world).await, before);

    let image = json!({"spec": {"server": {"image": "registry.example.org/chat-server:2"}}});
    world.edit::<ChatApp>(APP, image).await;
    let job = world.until_job().await;
    world.end_job(&job, JobEnd::Failed).await;
    world
        .until_reason(ConditionType::Ready, "MigrationFailed")
        .await;
    let before = is_told(&[
        ("Migrated", "Warning MigrationFailed"),
        ("Ready", "Warning MigrationFailed"),
    ])
    .await;
    for _ in 0..5 {
        world.touch_app().await;
        world
            .until_reason(ConditionType::Ready, "MigrationFailed")
            .await;
    }
    assert_eq!(told(&world).await, before);
}
