//! What the operator says of itself: probes, metrics, traces.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, routing::post};
use chatapp_crds::ChatApp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::DeleteParams};

use crate::{
    api_server::ApiServer,
    operator::{Operator, Options},
    world::{APP, World, spec},
};

fn options(world: &World<'_>) -> Options {
    Options {
        namespaces: world.namespace.clone(),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_missing_crd_is_named_and_noticed_when_it_comes() {
    // Of its own: the others need the CRD.
    let server = ApiServer::start().await;
    let world = World::without_operator(&server, "crd").await;
    let crds: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let name = "chatapps.sillychat.io";
    crds.delete(name, &DeleteParams::default())
        .await
        .expect("a deletion");
    world
        .until("the end of the CRD", async || {
            crds.get_opt(name).await.ok()?.is_none().then_some(())
        })
        .await;
    let operator = Operator::spawn(&server, &world.directory, "operator", options(&world));
    operator
        .until_answer(
            "readyz",
            "CustomResourceDefinition chatapps.sillychat.io is missing",
        )
        .await;
    let (status, _) = operator.ask("readyz").await.expect("an answer");
    assert_eq!(status, 503);
    server.install_crd().await;
    operator.until_ready().await;
    operator.stop();
}

#[tokio::test]
async fn a_watch_that_is_silent_for_too_long_asks_for_a_restart() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "deaf").await;
    // Nothing happens in this namespace, and the API server's bookmarks come once a minute.
    let limited = Options {
        arguments: vec!["--watch-limit".to_owned(), "5".to_owned()],
        ..options(&world)
    };
    let deaf = Operator::spawn(server, &world.directory, "deaf", limited);
    deaf.until_ready().await;
    let hearing = Operator::spawn(server, &world.directory, "hearing", options(&world));
    hearing.until_ready().await;
    deaf.until_answer(
        "livez",
        "the watch of Deployment in deaf has been silent for",
    )
    .await;
    let (status, _) = deaf.ask("livez").await.expect("an answer");
    assert_eq!(status, 503);
    let (status, text) = hearing.ask("livez").await.expect("an answer");
    assert_eq!(status, 200);
    for watch in [
        "ChatApp",
        "ConfigMap (content)",
        "Pod",
        "Cluster",
        "HTTPRoute",
    ] {
        assert!(
            text.contains(&format!("watch of {watch} in deaf: heard of")),
            "{text}"
        );
    }
    deaf.stop();
    hearing.stop();
}

#[tokio::test]
async fn metrics_tell_of_the_conditions_of_each_chatapp_that_there_is() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "metrics").await;
    let operator = Operator::spawn(server, &world.directory, "operator", options(&world));
    operator.until_ready().await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let ready = "chatapp_condition{namespace=\"metrics\",name=\"demo\",type=\"Ready\"} 1";
    operator.until_answer("metrics", ready).await;
    operator
        .until_answer("metrics", "chatapp_operator_queue_depth 0")
        .await;
    let (_, text) = operator.ask("metrics").await.expect("metrics");
    for metric in [
        "chatapp_operator_build_info{version=",
        "chatapp_operator_leader 1",
        "chatapp_operator_reconciles_total{outcome=\"success\"} ",
        "chatapp_operator_reconcile_duration_seconds_bucket{",
        "chatapp_operator_api_requests_total{verb=\"patch\",code=\"20",
        "chatapp_operator_api_requests_total{verb=\"watch\",code=\"200\"} ",
        "chatapp_operator_watch_age_seconds{kind=\"Pod in metrics\"} ",
    ] {
        assert!(text.contains(metric), "{metric}: {text}");
    }
    world.delete::<ChatApp>(APP).await;
    world
        .until("the end of its gauges", async || {
            let (_, text) = operator.ask("metrics").await?;
            (!text.contains("name=\"demo\"")).then_some(())
        })
        .await;
    operator.stop();
}

// The collector has to answer while this waits for the operator's end.
#[tokio::test(flavor = "multi_thread")]
async fn passes_are_traced_where_a_collector_is_named() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "traces").await;
    let received = Arc::<Mutex<Vec<u8>>>::default();
    let receive = async |State(received): State<Arc<Mutex<Vec<u8>>>>, body: Bytes| {
        received.lock().expect("the spans").extend_from_slice(&body);
    };
    let router = Router::new()
        .route("/v1/traces", post(receive))
        .with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let collector = tokio::spawn(async move { axum::serve(listener, router).await });
    let traced = Options {
        environment: vec![(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://127.0.0.1:{port}"),
        )],
        ..options(&world)
    };
    let operator = Operator::spawn(server, &world.directory, "operator", traced);
    operator.until_ready().await;
    world.create_app(spec()).await;
    world.bring_up().await;
    // What is left is sent at the end.
    operator.stop();
    collector.abort();
    let spans = received.lock().expect("the spans").clone();
    let spans = String::from_utf8_lossy(&spans);
    for name in [
        "reconcile ChatApp",
        "patch deployments",
        "patch chatapps",
        "chatapp-operator",
    ] {
        assert!(spans.contains(name), "{name}");
    }
    assert!(!spans.contains("watch pods"), "only passes are traced");
}
