//! Kubernetes' own autoscaler decides how many servers there are, and the operator leaves it to that.

use chatapp_crds::ChatApp;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    api_server::ApiServer,
    scale::owners,
    world::{APP, World, spec},
};

const SERVER: &str = "demo-server";

/// As a kubelet: a server's pod that has served for an hour.
async fn run_pod(world: &World<'_>, name: &str) {
    let server: Deployment = world.api().get(SERVER).await.expect("the server");
    let mut pod = json!(server.spec.expect("a spec").template);
    pod["metadata"]["name"] = json!(name);
    let pod: Pod = serde_json::from_value(pod).expect("a Pod");
    let api = world.api::<Pod>();
    api.create(&PostParams::default(), &pod)
        .await
        .expect("the pod");
    let since = (Timestamp::now() - SignedDuration::from_hours(1)).to_string();
    let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": since});
    let status = json!({"status": {"phase": "Running", "startTime": since, "conditions": [ready]}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("a status");
}

/// As metrics-server: what a pod uses. The example's servers ask for 50m.
async fn report_use(world: &World<'_>, pod: &str, cpu: &str) {
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let labels = json!({"sillychat.io/chatapp": APP, "app.kubernetes.io/component": "server"});
    let metrics = json!({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": {"name": pod, "labels": labels},
        "timestamp": Timestamp::now().to_string(), "window": "30s", "containers": [{"name": "chat-server", "usage": {"cpu": cpu, "memory": "20Mi"}}]});
    let params = PatchParams::apply("metrics-server").force();
    let patched = api.patch(pod, &params, &Patch::Apply(&metrics)).await;
    patched.expect("metrics");
}

async fn until_replicas(world: &World<'_>, wanted: i32) -> Deployment {
    let what = format!("{wanted} servers");
    world
        .until(&what, async || {
            let live: Deployment = world.api().get(SERVER).await.ok()?;
            (live.spec.as_ref()?.replicas == Some(wanted)).then_some(live)
        })
        .await
}

#[tokio::test]
async fn the_load_decides_and_changes_of_the_spec_leave_the_number_alone() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "autoscaler").await;
    let mut spec = spec();
    spec["server"]["autoscaling"] =
        json!({"minReplicas": 2, "maxReplicas": 9, "targetCPUUtilizationPercentage": 50});
    world.create_app(spec).await;
    world.bring_up().await;
    until_replicas(&world, 2).await;
    for pod in ["one", "two"] {
        run_pod(&world, pod).await;
        report_use(&world, pod, "75m").await;
    }
    // Three times as much as is meant for two.
    let live = until_replicas(&world, 6).await;
    assert_eq!(owners(&live), ["kube-controller-manager"]);

    let scaled = world.requests().len();
    let variable = json!({"spec": {"server": {"env": [{"name": "RUST_LOG", "value": "debug"}]}}});
    world.edit::<ChatApp>(APP, variable).await;
    world.bring_up().await;
    for _ in 0..3 {
        world.touch_app().await;
        world.bring_up().await;
    }
    let live = until_replicas(&world, 6).await;
    assert_eq!(owners(&live), ["kube-controller-manager"]);
    let patches: Vec<String> = world.requests()[scaled..]
        .iter()
        .filter(|request| request.is_change_by_operator())
        .map(crate::audit::Request::what)
        .filter(|what| what.contains(SERVER))
        .collect();
    assert_eq!(
        patches,
        ["patch deployments/demo-server"],
        "the variable, and no more"
    );

    // A hand that goes too far is the autoscaler's business, too.
    let patch = Patch::Merge(json!({"spec": {"replicas": 20}}));
    let scaled = world
        .api::<Deployment>()
        .patch_scale(SERVER, &PatchParams::default(), &patch)
        .await;
    scaled.expect("scaled");
    let live = until_replicas(&world, 9).await;
    assert!(
        owners(&live).contains(&"kube-controller-manager".to_owned()),
        "{:?}",
        owners(&live)
    );
}
