//! A value for each field of the spec. A new field needs a row here, or several with what else it depends on.

use serde_json::{Value, json};

/// A field and a value for it.
pub(super) struct Row {
    pub(super) field: &'static str,
    /// What the app has besides: the field's other value, if it can't be absent.
    pub(super) beside: Value,
    pub(super) value: Value,
}

fn row(field: &'static str, beside: &Value, value: impl Into<Value>) -> Row {
    Row {
        field,
        beside: beside.clone(),
        value: value.into(),
    }
}

/// All rows, in the order of the table.
pub(super) fn rows() -> Vec<Row> {
    [workloads(), jobs(), database(), routes(), everything()]
        .into_iter()
        .flatten()
        .collect()
}

fn resources() -> Value {
    json!({"limits": {"memory": "777Mi"}})
}

fn workloads() -> Vec<Row> {
    let none = &json!({});
    let auto = &json!({"server": {"autoscaling": {"maxReplicas": 90}}});
    let env = json!([{"name": "RUST_LOG", "value": "trace"}]);
    let content = &json!({"content": {"configMapRef": {"name": "old"}}});
    vec![
        row("server.image", none, "server:2"),
        row("server.replicas", none, 5),
        row("server.autoscaling.minReplicas", auto, 7),
        row("server.autoscaling.maxReplicas", auto, 9),
        row(
            "server.autoscaling.targetCPUUtilizationPercentage",
            auto,
            55,
        ),
        row("server.resources", none, resources()),
        row("server.env", none, env),
        row("frontend.image", none, "page:2"),
        row("frontend.replicas", none, 5),
        row("frontend.resources", none, resources()),
        row("content.configMapRef.name", content, "words"),
    ]
}

fn jobs() -> Vec<Row> {
    let claim = &json!({"import": {"sqlite": {"persistentVolumeClaim": {"claimName": "old", "path": "old.db"}}}});
    let config_map =
        &json!({"import": {"sqlite": {"configMapRef": {"name": "old", "key": "old.db"}}}});
    let days = &json!({"retention": {"days": 365}});
    vec![
        row(
            "import.sqlite.persistentVolumeClaim.claimName",
            claim,
            "prototype",
        ),
        row("import.sqlite.persistentVolumeClaim.path", claim, "chat.db"),
        row("import.sqlite.configMapRef.name", config_map, "prototype"),
        row("import.sqlite.configMapRef.key", config_map, "chat.db"),
        row("import.sqlite.rejects", claim, "Skip"),
        row("retention.days", days, 90),
    ]
}

fn database() -> Vec<Row> {
    let none = &json!({});
    let pool = &json!({"database": {"cluster": {"pooler": {}}}});
    let external = &json!({"database": {"cluster": null, "external": {"urlSecretRef": {"name": "old", "key": "old"}}}});
    let parameters = json!({"work_mem": "9MB"});
    vec![
        row("database.cluster.instances", none, 5),
        row("database.cluster.image", none, "postgres:15"),
        row("database.cluster.storage.size", none, "7Gi"),
        row("database.cluster.storage.storageClass", none, "fast"),
        row("database.cluster.resources", none, resources()),
        row("database.cluster.parameters", none, parameters),
        row("database.cluster.pooler.instances", pool, 5),
        row("database.cluster.pooler.mode", pool, "session"),
        row("database.external.urlSecretRef.name", external, "new"),
        row("database.external.urlSecretRef.key", external, "new"),
        row("database.deletionPolicy", none, "Delete"),
    ]
}

fn routes() -> Vec<Row> {
    let with = |key: &str, value: Value| {
        let mut route = json!({"host": "old.example.org", "ingress": {}});
        route[key] = value;
        json!({ "route": route })
    };
    let ingress = &with("ingress", json!({}));
    let gateway = &json!({"route": {"host": "old.example.org", "gateway": {"parentRefs": [{"name": "old"}]}}});
    let secret = &with("tls", json!({"secretName": "old"}));
    let issuer = &with("tls", json!({"issuerRef": {"name": "old"}}));
    let annotations = json!({"example.org/a": "b"});
    vec![
        row("route.host", secret, "new.example.org"),
        row("route.host", gateway, "new.example.org"),
        row("route.ingress.className", ingress, "nginx"),
        row("route.ingress.annotations", ingress, annotations),
        row("route.gateway.parentRefs[].name", gateway, "new"),
        row("route.gateway.parentRefs[].namespace", gateway, "others"),
        row("route.gateway.parentRefs[].sectionName", gateway, "https"),
        row("route.gateway.parentRefs[].port", gateway, 443),
        row("route.tls.secretName", secret, "new"),
        row("route.tls.issuerRef.kind", issuer, "ClusterIssuer"),
        row("route.tls.issuerRef.name", issuer, "new"),
    ]
}

/// Fields about all pods.
fn everything() -> Vec<Row> {
    let pool = &json!({"database": {"cluster": {"pooler": {}}}});
    let tolerations = json!([{"key": "spot", "operator": "Exists"}]);
    let affinity = json!({
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack"}]},
    });
    let spread =
        json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]);
    let selector = json!({"disk": "ssd"});
    vec![
        row("scheduling.nodeSelector", pool, selector),
        row("scheduling.tolerations", pool, tolerations),
        row("scheduling.affinity", pool, affinity),
        row("scheduling.topologySpreadConstraints", pool, spread),
        row("imagePullSecrets", pool, json!([{"name": "pull"}])),
        row("suspend", pool, true),
    ]
}
