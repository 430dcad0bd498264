//! Chats are taken over once, and the result is told for good.

use chatapp_crds::{ChatApp, ConditionType, ImportResult};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{APP, JobEnd, World, condition, spec},
};

#[tokio::test]
async fn the_servers_serve_during_an_import_and_its_result_outlives_its_job() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "import").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let import =
        json!({"sqlite": {"persistentVolumeClaim": {"claimName": "prototype", "path": "chat.db"}}});
    let patch = json!({"spec": {"import": import}});
    world.edit::<ChatApp>(APP, patch).await;
    let job = world.until_job().await;
    let app = world
        .until_reason(ConditionType::Imported, "Importing")
        .await;
    let available = condition(&app, ConditionType::ServerAvailable).expect("a condition");
    assert_eq!(available.status, "True", "{available:?}");

    let told = json!({"message": "", "import": {"rows": 7, "chats": 2, "rejected": 0}});
    world.end_pod(&job, &[("import", 0, &told)]).await;
    world.end_job(&job, JobEnd::Complete).await;
    world.until_reason(ConditionType::Ready, "Available").await;
    world
        .delete::<Pod>(&format!("{}-pod", job.name_any()))
        .await;
    world.delete::<Job>(&job.name_any()).await;
    world
        .edit::<ChatApp>(APP, json!({"spec": {"server": {"replicas": 3}}}))
        .await;
    let app = world.bring_up().await;
    let expected = ImportResult {
        rows: 7,
        chats: 2,
        rejected: 0,
    };
    assert_eq!(app.status.and_then(|status| status.import), Some(expected));
    assert!(
        world
            .all::<Job>()
            .await
            .iter()
            .all(|job| !job.name_any().contains("-import-"))
    );
}
