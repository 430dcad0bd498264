//! `kubectl chatapp` against a real API server, run by the real `kubectl`.

use chatapp_crds::{ChatApp, ConditionType};
use kube::ResourceExt;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    command::{Said, kubeconfig, kubectl_chatapp},
    world::{APP, JobEnd, World, spec},
};

fn run(world: &World<'_>, server: &ApiServer, arguments: &[&str]) -> Said {
    let kubeconfig = kubeconfig(server, &world.directory);
    let mut all = vec!["--namespace", &world.namespace];
    all.extend(arguments);
    kubectl_chatapp(&kubeconfig, &all)
}

#[tokio::test]
async fn status_and_why_tell_how_a_chat_app_stands() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "plugin").await;
    world.create_app(spec()).await;
    world
        .until_reason(ConditionType::DatabaseReady, "ClusterNotReady")
        .await;
    let why = run(&world, server, &["why", APP]);
    assert_eq!(why.code, 1, "{why:?}");
    assert!(
        why.out.starts_with("demo is not ready: cluster.postgresql.cnpg.io/demo-db (spec.database.cluster): DatabaseReady is False, "),
        "{why:?}"
    );
    assert_eq!(why.out.lines().count(), 1);
    let status = run(&world, server, &["status", APP]);
    for told in [
        "▶ DatabaseReady",
        "└─ Cluster demo-db  0/3 ready",
        "· ServerAvailable",
        &why.out,
    ] {
        assert!(status.out.contains(told), "{told}\n{status:?}");
    }

    world.bring_up().await;
    let why = run(&world, server, &["why", APP]);
    assert_eq!(
        (why.code, why.out.as_str()),
        (
            0,
            "demo is ready: the chat is served, http://demo-frontend.plugin.svc\n"
        )
    );
    let status = run(&world, server, &["status", APP]);
    assert_eq!(status.code, 0);
    for told in [
        "ChatApp demo in namespace plugin: Ready (ready for ",
        "✔ FrontendAvailable",
        "Deployment demo-server  2/2 ready",
        "  and 1 serviceaccounts",
    ] {
        assert!(status.out.contains(told), "{told}\n{status:?}");
    }
}

#[tokio::test]
async fn a_failed_migration_is_run_again_when_asked() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "plugin-retry").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let nothing = run(&world, server, &["migrate", "retry", APP]);
    assert_eq!(nothing.code, 1);
    assert!(
        nothing.errors.contains("no Job of demo has failed"),
        "{nothing:?}"
    );

    let image = json!({"spec": {"server": {"image": "registry.example.org/chat-server:2"}}});
    world.edit::<ChatApp>(APP, image).await;
    let failed = world.until_job().await;
    world.end_job(&failed, JobEnd::Failed).await;
    world
        .until_reason(ConditionType::Ready, "MigrationFailed")
        .await;
    let why = run(&world, server, &["why", APP]);
    let object = format!("job/{} (spec.server.image)", failed.name_any());
    assert!(why.out.contains(&object), "{why:?}");

    let asked = run(&world, server, &["migrate", "retry", APP]);
    assert_eq!(asked.code, 0, "{asked:?}");
    let again = world.until_job().await;
    assert_ne!(again.name_any(), failed.name_any());
    world.bring_up().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "plugin-missing").await;
    world.create_app(spec()).await;
    for command in [
        &["status"][..],
        &["why"],
        &["logs"],
        &["migrate", "retry"],
        &["psql"],
    ] {
        let said = run(&world, server, &[command, &["dmeo"]].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert_eq!(
            said.errors,
            "error: there is no ChatApp dmeo in namespace plugin-missing; there are demo\n"
        );
    }
    let psql = run(&world, server, &["psql", APP]);
    assert!(
        psql.errors.contains("there is no Cluster demo-db yet"),
        "{psql:?}"
    );
    // From here on it is kubectl's own business; there are no pods.
    let logs = run(&world, server, &["logs", APP, "--component", "page"]);
    assert!(
        logs.errors
            .contains("No resources found in plugin-missing namespace"),
        "{logs:?}"
    );
}
