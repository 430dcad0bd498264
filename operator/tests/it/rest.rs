//! A ChatApp that is as wanted costs no writes, however often it is looked at.

use chatapp_crds::ConditionType;
use k8s_openapi::api::core::v1::Service;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    audit::Request,
    world::{World, spec_with_content},
};

/// Each pass reads the content: that is how a pass is seen from the outside.
const PASS: &str = "get configmaps/content";

#[tokio::test]
async fn at_rest_nothing_is_written() {
    let server = ApiServer::shared().await;
    let mut world = World::new(server, "rest").await;
    world.write_content("greetings: [Hello]").await;
    let mut spec = spec_with_content();
    spec["retention"] = json!({"days": 30});
    // The API server writes these quantities in another way, and adds defaults to these variables.
    spec["server"]["resources"] =
        json!({"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "1.5Gi"}});
    spec["server"]["env"] = json!([
        {"name": "EMPTY", "value": ""},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]);
    world.create_app(spec).await;
    world.bring_up().await;
    is_quiet(&mut world).await;
}

#[tokio::test]
async fn at_rest_nothing_is_written_with_every_field() {
    let server = ApiServer::shared().await;
    let mut world = World::new(server, "rest-everything").await;
    world.write_content("greetings: [Hello]").await;
    let mut spec = spec_with_content();
    spec["server"]["autoscaling"] = json!({"maxReplicas": 9});
    spec["database"]["cluster"]["pooler"] = json!({"instances": 1});
    spec["imagePullSecrets"] = json!([{"name": "pull"}]);
    spec["retention"] = json!({"days": 30});
    spec["import"] = json!({"sqlite": {"configMapRef": {"name": "prototype", "key": "chat.db"}}});
    spec["route"] = json!({"host": "chat.example.org", "tls": {"issuerRef": {"name": "le"}},
        "ingress": {"className": "nginx", "annotations": {"example.org/empty": ""}}});
    spec["scheduling"] = json!({
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": {"topologyKey": "rack", "labelSelector": {"matchLabels": {"a": "b"}}}}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    });
    world.create_app(spec).await;
    world.report_ingress().await;
    world.report_pool_pod("pool").await;
    world.bring_up().await;
    // Kubernetes' own autoscaler looks when its time has come, and finds no metrics.
    world
        .until_condition(
            ConditionType::ServerAvailable,
            "no load is known",
            |condition| condition.message.contains("can't tell the load"),
        )
        .await;
    is_quiet(&mut world).await;
}

/// However often it is looked at, and by a new operator too.
async fn is_quiet(world: &mut World<'_>) {
    // What was applied last may have started one more pass.
    let before = passes(world);
    world.touch_app().await;
    until_passes(world, before + 1).await;
    let settled = world.requests().len();

    for _ in 0..3 {
        let passes = passes(world);
        world.touch_app().await;
        until_passes(world, passes + 1).await;
    }
    let patch = json!({"metadata": {"annotations": {"example.org/touched": "yes"}}});
    let before = passes(world);
    world.edit::<Service>("demo-server", patch).await;
    until_passes(world, before + 1).await;

    let before = passes(world);
    world.stop_operator();
    world.start_operator().await;
    until_passes(world, before + 1).await;
    let before = passes(world);
    world.touch_app().await;
    until_passes(world, before + 1).await;
    // It finishes the pass that it is in.
    world.stop_operator();

    let changes: Vec<String> = world.requests()[settled..]
        .iter()
        .filter(|request| request.is_change_by_operator())
        .map(Request::what)
        .collect();
    assert_eq!(changes, [""; 0]);
}

fn passes(world: &World<'_>) -> usize {
    let requests = world.requests();
    let passes = requests
        .iter()
        .filter(|request| request.is_by_operator() && request.what() == PASS);
    passes.count()
}

async fn until_passes(world: &World<'_>, count: usize) {
    let what = format!("pass {count}");
    world
        .until(&what, async || (passes(world) >= count).then_some(()))
        .await;
}
