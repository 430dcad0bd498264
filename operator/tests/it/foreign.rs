//! Objects of somebody else's that have a child's name.

use chatapp_crds::{ConditionType, Phase};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    world::{World, condition, spec},
};

fn service(name: &str, labels: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "spec": {"ports": [{"name": "mine", "port": 1234}]}})
}

#[tokio::test]
async fn they_are_not_touched_and_the_condition_says_so() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "foreign").await;
    // One that the operator doesn't watch, and one that it does.
    let unseen = world
        .create_service(service("demo-server", &json!({})))
        .await;
    let labels = json!({"sillychat.io/chatapp": "demo"});
    let seen = world
        .create_service(service("demo-frontend", &labels))
        .await;
    world.create_app(spec()).await;

    let app = world
        .until_reason(ConditionType::ServerAvailable, "ApplyRefused")
        .await;
    let message = |type_| {
        condition(&app, type_)
            .map(|condition| (condition.reason.clone(), condition.message.clone()))
            .expect("a condition")
    };
    for (type_, name) in [
        (ConditionType::ServerAvailable, "demo-server"),
        (ConditionType::FrontendAvailable, "demo-frontend"),
    ] {
        let (reason, message) = message(type_);
        assert_eq!(reason, "ApplyRefused");
        let expected = format!("Service {name} exists already and does not belong to this ChatApp");
        assert!(message.starts_with(&expected), "{message}");
    }
    assert_eq!(
        app.status.as_ref().and_then(|status| status.phase),
        Some(Phase::Degraded)
    );
    for before in [unseen, seen] {
        let after: Service = world
            .api()
            .get(&before.name_any())
            .await
            .expect("still there");
        assert_eq!(before, after);
        world.delete::<Service>(&before.name_any()).await;
    }

    // They are gone: the next pass goes on.
    world.touch_app().await;
    world.bring_up().await;
}
