//! How many servers there are: by the spec, by `kubectl scale`, by an autoscaler.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use chatapp_crds::{ChatApp, ConditionType};
use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, policy::v1::PodDisruptionBudget,
};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    world::{APP, World, spec},
};

async fn replicas(world: &World<'_>) -> Option<i32> {
    let server: Deployment = world.api().get("demo-server").await.expect("the server");
    server.spec?.replicas
}

/// Who decides about the number.
pub(crate) fn owners(server: &Deployment) -> Vec<String> {
    let owns = |fields: &Value| fields.pointer("/f:spec/f:replicas").is_some();
    let entries = server.managed_fields().iter();
    let owners: BTreeSet<String> = entries
        .filter(|entry| {
            entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| owns(&fields.0))
        })
        .filter_map(|entry| entry.manager.clone())
        .collect();
    owners.into_iter().collect()
}

#[tokio::test]
async fn the_scale_subresource_scales_the_servers() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "scale-subresource").await;
    let mut spec = spec();
    spec["server"]["replicas"] = json!(2);
    world.create_app(spec).await;
    world.bring_up().await;

    let scale = world
        .api::<ChatApp>()
        .get_scale(APP)
        .await
        .expect("a scale");
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(2));
    let status = scale.status.expect("a status");
    assert_eq!(
        (status.replicas, status.selector.as_deref()),
        (
            2,
            Some("app.kubernetes.io/component=server,sillychat.io/chatapp=demo")
        )
    );
    let patch = Patch::Merge(json!({"spec": {"replicas": 4}}));
    let patched = world
        .api::<ChatApp>()
        .patch_scale(APP, &PatchParams::default(), &patch)
        .await;
    patched.expect("scaled");
    world.bring_up().await;
    assert_eq!(replicas(&world).await, Some(4));
}

#[tokio::test]
async fn an_autoscaler_takes_over_and_gives_back_without_a_jump() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "scale-auto").await;
    let mut spec = spec();
    spec["server"]["replicas"] = json!(3);
    world.create_app(spec).await;
    world.bring_up().await;
    assert_eq!(replicas(&world).await, Some(3));
    // Every number that there ever is.
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let params = WatchParams::default().fields("metadata.name=demo-server");
    let changes = world.api::<Deployment>().watch(&params, "0").await;
    let mut changes = Box::pin(changes.expect("a watch"));
    let seen = numbers.clone();
    let watch = tokio::spawn(async move {
        while let Some(change) = changes.next().await {
            if let Ok(WatchEvent::Added(live) | WatchEvent::Modified(live)) = change {
                let replicas = live.spec.and_then(|spec| spec.replicas);
                seen.lock().expect("a list").extend(replicas);
            }
        }
    });

    let auto = json!({"spec": {"server": {"replicas": null, "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}}});
    world.edit::<ChatApp>(APP, auto).await;
    world
        .until("an autoscaler", async || {
            world
                .api::<HorizontalPodAutoscaler>()
                .get_opt("demo-server")
                .await
                .ok()?
        })
        .await;
    world.bring_up().await;
    assert_eq!(replicas(&world).await, Some(3));
    let live: Deployment = world.api().get("demo-server").await.expect("the server");
    assert_eq!(owners(&live), ["chatapp-operator-former"]);

    // As the autoscaler: the number is its own.
    let patch = Patch::Merge(json!({"spec": {"replicas": 6}}));
    let params = PatchParams {
        field_manager: Some("kube-controller-manager".to_owned()),
        ..PatchParams::default()
    };
    let scaled = world
        .api::<Deployment>()
        .patch_scale("demo-server", &params, &patch)
        .await;
    scaled.expect("scaled");
    world.bring_up().await;
    // A change of ours leaves the number alone.
    let image = json!({"spec": {"server": {"env": [{"name": "RUST_LOG", "value": "debug"}]}}});
    world.edit::<ChatApp>(APP, image).await;
    world.bring_up().await;
    assert_eq!(replicas(&world).await, Some(6));

    let fixed = json!({"spec": {"server": {"replicas": 4, "autoscaling": null}}});
    world.edit::<ChatApp>(APP, fixed).await;
    world.bring_up().await;
    assert_eq!(replicas(&world).await, Some(4));
    world
        .until("the end of the autoscaler", async || {
            let left = world.all::<HorizontalPodAutoscaler>().await;
            left.is_empty().then_some(())
        })
        .await;

    world
        .until("the watch to see the last number", async || {
            let numbers = numbers.lock().ok()?;
            (numbers.last() == Some(&4)).then_some(())
        })
        .await;
    watch.abort();
    let mut numbers = numbers.lock().expect("a list").clone();
    numbers.dedup();
    assert_eq!(numbers, [3, 6, 4]);
    let last: Deployment = world.api().get("demo-server").await.expect("the server");
    assert_eq!(owners(&last), ["chatapp-operator"]);
}

#[tokio::test]
async fn a_disruption_budget_comes_and_goes_with_the_second_pod() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "scale-budget").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let budgets = async || -> Vec<String> {
        let budgets = world.all::<PodDisruptionBudget>().await;
        budgets.iter().map(ResourceExt::name_any).collect()
    };
    assert_eq!(budgets().await, ["demo-frontend", "demo-server"]);
    let one = json!({"spec": {"frontend": {"replicas": 1}}});
    world.edit::<ChatApp>(APP, one).await;
    world
        .until("one budget", async || {
            (budgets().await == ["demo-server"]).then_some(())
        })
        .await;
    world
        .until_reason(ConditionType::ServerAvailable, "Available")
        .await;
}
