//! What the API server is asked for on the way of a ChatApp.

use std::collections::BTreeMap;

use chatapp_crds::ConditionType;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{World, spec},
};

const STATUS: &str = "patch chatapps/demo/status";
/// Requests that a cache which lags behind may cost.
const SLACK: usize = 3;

/// How often the operator has asked what.
fn asked(world: &World<'_>) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for request in world.requests() {
        if request.is_by_operator() {
            *asked.entry(request.what()).or_default() += 1;
        }
    }
    asked
}

fn sum(asked: &BTreeMap<String, usize>, is_meant: impl Fn(&str) -> bool) -> usize {
    let meant = asked.iter().filter(|(what, _)| is_meant(what));
    meant.map(|(_, count)| count).sum()
}

#[tokio::test]
async fn a_chat_app_costs_its_objects_and_little_more() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "cost").await;
    let mut spec = spec();
    // All that can be made is made in the first pass, the Job included.
    spec["database"] = json!({"external": {"urlSecretRef": {"name": "database", "key": "url"}}});
    world.create_app(spec).await;
    world
        .until_reason(ConditionType::Migrated, "Migrating")
        .await;
    let before = asked(&world);
    assert_eq!(before.get(STATUS), Some(&1), "{before:?}");

    world.bring_up().await;
    let asked = asked(&world);
    // The migration, the server, the page, and all.
    assert!(asked[STATUS] <= 4, "{asked:?}");
    let is_of_child = |what: &str| !what.contains("chatapps") && !what.contains("events");
    // An account, two Services, three policies, a Job, two Deployments with their budgets.
    let writes = sum(&asked, |what| {
        what.starts_with("patch") && is_of_child(what)
    });
    assert!((11..=11 + SLACK).contains(&writes), "{asked:?}");
    let reads = sum(&asked, |what| what.starts_with("get") && is_of_child(what));
    assert!(reads <= SLACK, "{asked:?}");
    let others = sum(&asked, |what| what.starts_with("create events"));
    assert!(others <= 4, "{asked:?}");
}

#[tokio::test]
async fn before_the_first_job_of_a_new_chat_app_nothing_is_listed() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "cost-lists").await;
    let lists = || {
        sum(&asked(&world), |what| {
            matches!(what, "list jobs" | "list pods")
        })
    };
    // Those of the watches.
    let before = lists();
    world.create_app(spec()).await;
    world.bring_up().await;
    assert_eq!(lists(), before);
}

#[tokio::test]
async fn what_is_waited_for_is_told_although_somebody_undoes_everything() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "cost-fight").await;
    world.create_app(spec()).await;
    let label = "app.kubernetes.io/component";
    let fight = async {
        loop {
            let service = world.api::<Service>().get_opt("demo-server").await;
            let service = service.expect("an answer");
            if service.is_some_and(|service| service.labels()[label] != "undone") {
                let patch = json!({"metadata": {"labels": {label: "undone"}}});
                world.edit::<Service>("demo-server", patch).await;
            }
        }
    };
    tokio::select! {
        () = fight => {}
        _ = world.until_reason(ConditionType::DatabaseReady, "ClusterNotReady") => {}
    }
}
