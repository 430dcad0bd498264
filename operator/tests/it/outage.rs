//! The API server is away for a while, or the operator is to end while it works.

use std::time::{Duration, Instant};

use chatapp_crds::ChatApp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::{
    api_server::ApiServer,
    operator::{Operator, Options},
    proxy::Proxy,
    world::{APP, World, app, spec},
};

#[tokio::test]
async fn after_an_outage_work_goes_on_by_itself() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "outage").await;
    let proxy = Proxy::start(server).await;
    let options = Options {
        namespaces: world.namespace.clone(),
        port: Some(proxy.port),
        ..Options::default()
    };
    let operator = Operator::spawn(server, &world.directory, "operator", options);
    operator.until_ready().await;
    world.create_app(spec()).await;
    world.bring_up().await;

    proxy.cut();
    world
        .edit::<ChatApp>(APP, json!({"spec": {"server": {"replicas": 5}}}))
        .await;
    // All watches have tried several times: the pauses are at their longest.
    let (start, long) = (Instant::now(), Duration::from_secs(20));
    world
        .until("the outage to last", async || {
            (start.elapsed() > long).then_some(())
        })
        .await;
    let (status, text) = operator.ask("livez").await.expect("an answer");
    assert_eq!(status, 200, "a restart would not help: {text}");
    proxy.mend();
    let start = Instant::now();
    world
        .until("the change of the time of the outage", async || {
            let live: Deployment = world.api().get("demo-server").await.ok()?;
            (live.spec?.replicas == Some(5)).then_some(())
        })
        .await;
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    operator.stop();
}

#[tokio::test]
#[ignore = "takes eleven minutes: ./just test-outage"]
async fn an_outage_of_ten_minutes_is_survived() {
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let world = World::without_operator(&server, "long-outage").await;
    let start = |name: &'static str| {
        let lease = ["--lease-namespace", "chatapp-system"];
        let options = Options {
            arguments: lease.map(str::to_owned).into(),
            ..Options::default()
        };
        Operator::spawn(&server, &world.directory, name, options)
    };
    let first = start("first");
    first.until_answer("readyz", "leading").await;
    let second = start("second");
    second.until_answer("readyz", "standing by, first-").await;
    let operators = [first, second];
    world.create_app(spec()).await;
    world.bring_up().await;

    server.kill();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 0..600 {
        seconds.tick().await;
        for operator in &operators {
            let (status, text) = operator.ask("livez").await.expect("an answer");
            assert_eq!(
                status, 200,
                "after {second} s, no restart would help: {text}"
            );
        }
    }
    for operator in &operators {
        operator
            .until_answer("metrics", "chatapp_operator_leader 0")
            .await;
    }
    server.run().await;
    let start = Instant::now();
    let before = world.requests().len();
    let change = json!({"spec": {"server": {"replicas": 5}}});
    world.edit::<ChatApp>(APP, change).await;
    world
        .until("the change", async || {
            let live: Deployment = world.api().get("demo-server").await.ok()?;
            (live.spec?.replicas == Some(5)).then_some(())
        })
        .await;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    world.bring_up().await;
    let requests = world.requests().split_off(before);
    let changes = requests.iter().filter(|request| {
        request.is_change_by_operator() && request.what() == "patch deployments/demo-server"
    });
    assert_eq!(changes.count(), 1, "of two operators one works");
    let [first, second] = operators;
    first.stop();
    second.stop();
}

#[tokio::test]
async fn passes_under_way_are_finished_before_the_end() {
    let server = ApiServer::shared().await;
    let mut world = World::without_operator(server, "stop").await;
    let content: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "content"}, "data": {"content.yaml": "greetings: [Hello]"},
    }))
    .expect("a ConfigMap");
    let created = world.api().create(&PostParams::default(), &content).await;
    created.expect("the content");
    let mut spec = spec();
    spec["content"] = json!({"configMapRef": {"name": "content"}});
    let apps: Api<ChatApp> = world.api();
    for number in 0..20 {
        let app = app(&format!("app-{number}"), &spec);
        apps.create(&PostParams::default(), &app)
            .await
            .expect("a ChatApp");
    }
    world.start_operator().await;
    world
        .until("the first pass", async || {
            let requests = world.requests();
            requests
                .iter()
                .any(|request| {
                    request.is_by_operator() && request.what() == "get configmaps/content"
                })
                .then_some(())
        })
        .await;
    world.stop_operator();

    let requests = world.requests();
    let by_operator = requests.iter().filter(|request| request.is_by_operator());
    let what: Vec<String> = by_operator.map(crate::audit::Request::what).collect();
    // The first pass over a ChatApp begins with its finalizer and ends with its database.
    let begun = (0..20).filter(|number| what.contains(&format!("patch chatapps/app-{number}")));
    let begun: Vec<_> = begun.collect();
    let has_ended = |number: &i32| what.contains(&format!("patch clusters/app-{number}-db"));
    assert!(
        !begun.is_empty() && begun.iter().all(has_ended),
        "{begun:?} have begun: {what:?}"
    );
}
