//! What the API server says to numbers of pods, the connection pool and scheduling.

use chatapp_crds::{ChatApp, PoolMode};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    rules::{refused, with},
    world::{APP, World, app},
};

/// The small spec with a server that has these fields besides.
fn server(fields: &Value) -> Value {
    let mut spec = crate::world::spec();
    for (key, value) in fields.as_object().expect("fields") {
        spec["server"][key] = value.clone();
    }
    spec
}

#[tokio::test]
async fn autoscaling_and_a_pool_get_defaults_and_scheduling_is_kept_as_it_is() {
    let api_server = ApiServer::shared().await;
    let world = World::without_operator(api_server, "rules-scale-accepted").await;
    let mut spec = server(&json!({"autoscaling": {"maxReplicas": 4}}));
    spec["database"]["cluster"]["pooler"] = json!({});
    let scheduling = json!({
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "rack", "labelSelector": {"matchLabels": {"a": "b"}}}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    });
    spec["scheduling"] = scheduling.clone();
    spec["suspend"] = json!(true);
    let created = world
        .api::<ChatApp>()
        .create(&PostParams::default(), &app(APP, &spec))
        .await
        .expect("accepted")
        .spec;
    let autoscaling = created.server.autoscaling.expect("autoscaling");
    assert_eq!(
        (
            autoscaling.min_replicas,
            autoscaling.target_cpu_utilization_percentage
        ),
        (2, 70)
    );
    let pooler = created.database.cluster.and_then(|cluster| cluster.pooler);
    let pooler = pooler.expect("a pool");
    assert_eq!((pooler.instances, pooler.mode), (2, PoolMode::Transaction));
    assert_eq!(json!(created.scheduling), scheduling);
    assert!(created.suspend);
}

#[tokio::test]
async fn what_breaks_a_rule_of_scale_is_refused_with_what_to_do() {
    let api_server = ApiServer::shared().await;
    let world = World::without_operator(api_server, "rules-scale-refused").await;
    let autoscaling = json!({"maxReplicas": 4});
    let cases = [
        (
            server(&json!({"replicas": 2, "autoscaling": autoscaling})),
            "spec.server.replicas can't be set together with autoscaling",
        ),
        (
            server(&json!({"autoscaling": {"minReplicas": 5, "maxReplicas": 4}})),
            "autoscaling.minReplicas must not be larger than maxReplicas",
        ),
        // Fewer than the default of minReplicas.
        (
            server(&json!({"autoscaling": {"maxReplicas": 1}})),
            "autoscaling.minReplicas must not be larger than maxReplicas",
        ),
        (
            server(&json!({"autoscaling": {"minReplicas": 0, "maxReplicas": 4}})),
            "minReplicas in body should be greater than or equal to 1",
        ),
        (
            server(
                &json!({"autoscaling": autoscaling, "resources": {"requests": {"memory": "1Gi"}}}),
            ),
            "write spec.server.resources.requests.cpu too",
        ),
        (
            server(&json!({"env": [{"name": "DATABASE_HOST", "value": "x"}]})),
            "remove them from spec.server.env",
        ),
        (
            with("/database/cluster/pooler", json!({"instances": 0})),
            "pooler.instances in body should be greater than or equal to 1",
        ),
    ];
    for (spec, message) in cases {
        let app = app(APP, &spec);
        let created = world.api().create(&PostParams::default(), &app).await;
        refused(created, message, &app);
    }
    for cpu in ["requests", "limits"] {
        let resources = json!({cpu: {"cpu": "1"}});
        let spec = server(&json!({"autoscaling": autoscaling, "resources": resources}));
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let created = world
            .api::<ChatApp>()
            .create(&params, &app(APP, &spec))
            .await;
        assert!(created.is_ok(), "{spec}: {created:?}");
    }
}
