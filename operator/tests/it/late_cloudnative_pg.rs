//! The operator is there before CloudNativePG.

use chatapp_crds::ConditionType;

use crate::{
    api_server::ApiServer,
    world::{World, spec},
};

#[tokio::test]
async fn a_cluster_is_made_as_soon_as_the_api_server_knows_the_kind() {
    // Of its own: the others' has the kind.
    let server = ApiServer::start().await;
    let world = World::new(&server, "late").await;
    world.create_app(spec()).await;
    world
        .until_reason(ConditionType::DatabaseReady, "CloudNativePGMissing")
        .await;

    server.install_cloudnative_pg().await;
    world.bring_up().await;
}
