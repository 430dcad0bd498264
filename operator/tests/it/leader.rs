//! Two operators, of which one works.

use std::time::{Duration, Instant};

use chatapp_crds::ChatApp;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    audit::Request,
    operator::{Operator, Options},
    proxy::Proxy,
    world::{APP, World, image, spec},
};

fn options(world: &World<'_>) -> Options {
    let lease = [
        "--lease-namespace",
        "chatapp-system",
        "--lease-name",
        &world.namespace,
    ];
    Options {
        namespaces: world.namespace.clone(),
        arguments: lease.map(str::to_owned).into(),
        ..Options::default()
    }
}

/// What the operator of that name has asked about the namespace of the test, from a request on.
fn asked(world: &World<'_>, identity: &str, from: usize) -> Vec<String> {
    let requests = world.requests().split_off(from);
    requests
        .iter()
        .filter(|request| request.is_by(identity))
        .map(Request::what)
        .collect()
}

/// Changes of the operators, from a request on.
fn changes(world: &World<'_>, from: usize) -> Vec<String> {
    let requests = world.requests().split_off(from);
    requests
        .iter()
        .filter(|request| request.is_change_by_operator())
        .map(Request::what)
        .collect()
}

/// A change that the operator has to carry on to a child.
async fn scale(world: &World<'_>, replicas: i32) {
    world
        .edit::<ChatApp>(APP, json!({"spec": {"server": {"replicas": replicas}}}))
        .await;
    world
        .until("the change", async || {
            let live: Deployment = world.api().get("demo-server").await.ok()?;
            (live.spec?.replicas == Some(replicas)).then_some(())
        })
        .await;
}

#[tokio::test]
async fn when_the_leader_is_killed_the_other_takes_over_in_time_and_does_nothing_twice() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "leader-killed").await;
    let killed = Options {
        is_killed: true,
        ..options(&world)
    };
    let first = Operator::spawn(server, &world.directory, "first", killed);
    first.until_answer("readyz", "leading").await;
    let second = Operator::spawn(server, &world.directory, "second", options(&world));
    second.until_answer("readyz", "standing by, first-").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    assert_eq!(
        asked(&world, "second", 0),
        [""; 0],
        "one that stands by asks for nothing"
    );
    let settled = world.requests().len();

    let start = Instant::now();
    drop(first);
    second.until_answer("readyz", "leading").await;
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    world.touch_app().await;
    second
        .until_answer("metrics", "chatapp_operator_queue_depth 0")
        .await;
    second
        .until_answer(
            "metrics",
            "chatapp_operator_reconciles_total{outcome=\"success\"}",
        )
        .await;
    assert_eq!(changes(&world, settled), [""; 0], "the app is as it was");
    scale(&world, 3).await;
    let changes = changes(&world, settled);
    let patches = changes
        .iter()
        .filter(|change| *change == "patch deployments/demo-server");
    assert_eq!(patches.count(), 1, "{changes:?}");
    second.stop();
}

#[tokio::test]
async fn a_leader_that_stops_hands_over_at_once() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "leader-stopped").await;
    let first = Operator::spawn(server, &world.directory, "first", options(&world));
    first.until_answer("readyz", "leading").await;
    let second = Operator::spawn(server, &world.directory, "second", options(&world));
    second.until_answer("readyz", "standing by, first-").await;
    first.stop();
    let start = Instant::now();
    second.until_answer("readyz", "leading").await;
    // Without the release it would have to wait for the end of the Lease: 12 s.
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    second.stop();
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_before_the_other_starts_and_stands_by_afterwards() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "leader-cut-off").await;
    let proxy = Proxy::start(server).await;
    let behind = Options {
        port: Some(proxy.port),
        ..options(&world)
    };
    let first = Operator::spawn(server, &world.directory, "first", behind);
    first.until_answer("readyz", "leading").await;
    let second = Operator::spawn(server, &world.directory, "second", options(&world));
    second.until_answer("readyz", "standing by, first-").await;
    world.create_app(spec()).await;
    world.bring_up().await;

    proxy.cut();
    first
        .until_answer("metrics", "chatapp_operator_leader 0")
        .await;
    assert!(
        second
            .ask("readyz")
            .await
            .is_some_and(|(_, text)| text.contains("standing by")),
        "two at once"
    );
    second.until_answer("readyz", "leading").await;
    proxy.mend();
    first.until_answer("readyz", "standing by, second-").await;
    let (status, _) = first.ask("livez").await.expect("an answer");
    assert_eq!(status, 200);
    let settled = world.requests().len();
    world
        .edit::<ChatApp>(
            APP,
            json!({"spec": {"server": {"image": "registry.example.org/chat-server:2"}}}),
        )
        .await;
    world.bring_up().await;
    let live: Deployment = world.api().get("demo-server").await.expect("the server");
    assert_eq!(image(&live), Some("registry.example.org/chat-server:2"));
    assert_eq!(asked(&world, "first", settled), [""; 0]);
    first.stop();
    second.stop();
}
