//! What the API server says to ChatApps before the operator sees them.

use chatapp_crds::ChatApp;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    command::{kubeconfig, plan},
    offline::agrees,
    world::{APP, World, app, spec},
};

pub(crate) fn with(pointer: &str, value: Value) -> Value {
    let mut spec = spec();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    spec.pointer_mut(parent).expect("a parent")[key] = value;
    spec
}

pub(crate) fn external() -> Value {
    json!({"urlSecretRef": {"name": "database", "key": "url"}})
}

#[tokio::test]
async fn a_small_chat_app_is_accepted_and_gets_defaults() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "rules-defaults").await;
    // Without the defaults of the Rust types.
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": APP}, "spec": spec(),
    }))
    .expect("an object");
    let api = kube::Api::namespaced_with(
        world.client.clone(),
        "rules-defaults",
        &kube::api::ApiResource::erase::<ChatApp>(&()),
    );
    let created = api.create(&PostParams::default(), &object).await;
    let spec = &created.expect("accepted").data["spec"];
    // The default is the operator's: one of the API would be in the way of autoscaling.
    assert!(spec["server"]["replicas"].is_null());
    assert_eq!(spec["frontend"]["replicas"], 2);
    assert_eq!(spec["database"]["cluster"]["instances"], 3);
}

#[tokio::test]
async fn the_longest_name_and_an_external_database_are_accepted() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "rules-accepted").await;
    let name = "a".repeat(40);
    let spec = with("/database", json!({"external": external()}));
    let created = world
        .api()
        .create(&PostParams::default(), &app(&name, &spec))
        .await;
    created.expect("accepted");
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_what_to_do() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "rules-refused").await;
    let both = json!({"cluster": {"storage": {"size": "1Gi"}}, "external": external()});
    let one_kind = "spec.database needs exactly one of 'cluster'";
    let name = "metadata.name must have at most 40 characters, start with a letter";
    let long = "a".repeat(41);
    let env = |name: &str| with("/server/env", json!([{"name": name, "value": "x"}]));
    let cases = [
        (APP, with("/database", both), one_kind),
        (APP, with("/database", json!({})), one_kind),
        (
            APP,
            with(
                "/database",
                json!({"external": external(), "deletionPolicy": "Delete"}),
            ),
            "an external database is not the operator's to delete: remove deletionPolicy",
        ),
        (&long, spec(), name),
        ("1chat", spec(), name),
        ("my.chat", spec(), name),
        // Kubernetes' own rule for names comes first.
        ("Chat", spec(), "lowercase RFC 1123 subdomain"),
        (
            APP,
            with("/database/cluster/storage/size", json!("much")),
            "must be a quantity such as '10Gi'",
        ),
        (APP, env("DATABASE_URL"), "remove them from spec.server.env"),
        (APP, env("LISTEN"), "remove them from spec.server.env"),
        (
            APP,
            with("/server/image", json!("")),
            "spec.server.image in body should be at least 1 chars long",
        ),
        (
            APP,
            with("/server/replicas", json!(-1)),
            "spec.server.replicas in body should be greater than or equal to 0",
        ),
        (
            APP,
            with("/database/cluster/instances", json!(0)),
            "spec.database.cluster.instances in body should be greater than or equal to 1",
        ),
    ];
    for (name, spec, message) in cases.into_iter().chain(of_jobs()).chain(of_pods()) {
        let app = app(name, &spec);
        let created = world.api().create(&PostParams::default(), &app).await;
        refused(created, message, &app);
    }
}

/// What Kubernetes wouldn't take for a pod, and nobody would be told where it was written.
fn of_pods() -> Vec<(&'static str, Value, &'static str)> {
    let secrets = |names: [&str; 2]| {
        let secrets = names.map(|name| json!({ "name": name }));
        with("/imagePullSecrets", json!(secrets))
    };
    let constraint = |skew: u32| json!({"maxSkew": skew, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
    let constraints = json!([constraint(1), constraint(2)]);
    vec![
        (APP, secrets(["a", "a"]), "Duplicate value"),
        (APP, secrets(["a", ""]), "must name a Secret"),
        (
            APP,
            with(
                "/scheduling",
                json!({"topologySpreadConstraints": constraints}),
            ),
            "Duplicate value",
        ),
    ]
}

/// What is said to imports and retentions.
fn of_jobs() -> Vec<(&'static str, Value, &'static str)> {
    let claim = |path: &str| json!({"claimName": "prototype", "path": path});
    let import = |sqlite: Value| with("/import", json!({ "sqlite": sqlite }));
    let one_source = "spec.import.sqlite needs exactly one of 'persistentVolumeClaim'";
    let inside = "must be the file's path inside the volume, such as 'data/chat.db'";
    let config_map = json!({"name": "prototype", "key": "chat.db"});
    [
        (import(json!({})), one_source),
        (
            import(json!({"persistentVolumeClaim": claim("chat.db"), "configMapRef": config_map})),
            one_source,
        ),
        (
            import(json!({"persistentVolumeClaim": claim("/chat.db")})),
            inside,
        ),
        (
            import(json!({"persistentVolumeClaim": claim("a/../../chat.db")})),
            inside,
        ),
        (
            with("/retention", json!({"days": 0})),
            "spec.retention.days in body should be greater than or equal to 1",
        ),
        (
            with("/retention", json!({"days": 36501})),
            "spec.retention.days in body should be less than or equal to 36500",
        ),
    ]
    .map(|(spec, message)| (APP, spec, message))
    .into()
}

#[tokio::test]
async fn a_change_that_would_lose_messages_is_refused() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "rules-changes").await;
    let size = |size: &str| {
        with(
            "/database/cluster/storage",
            json!({"size": size, "storageClass": "fast"}),
        )
    };
    world.create_app(size("1Gi")).await;
    let of_default = "of-default-class";
    let default = app(of_default, &spec());
    let created = world.api().create(&PostParams::default(), &default).await;
    created.expect("the ChatApp");
    let replace = async |name: &str, spec: Value| {
        let mut changed: ChatApp = world.api().get(name).await.expect("the ChatApp");
        changed.spec = app(name, &spec).spec;
        world
            .api::<ChatApp>()
            .replace(name, &PostParams::default(), &changed)
            .await
    };
    let kubeconfig = kubeconfig(server, &world.directory);
    let diff = [
        "--diff",
        "--namespace",
        "rules-changes",
        "--kubeconfig",
        &kubeconfig,
    ];
    for larger in ["2Gi", "2048Mi"] {
        let grown = replace(APP, size(larger)).await;
        grown.expect("volumes may grow");
    }
    let class = "the storage class of existing volumes can't change";
    for (name, spec, message) in [
        (
            APP,
            size("2047Mi"),
            "the volumes of a database can't shrink",
        ),
        (
            APP,
            with("/database", json!({"external": external()})),
            "can't change between 'cluster' and 'external'",
        ),
        (
            APP,
            with(
                "/database/cluster/storage",
                json!({"size": "2Gi", "storageClass": "slow"}),
            ),
            class,
        ),
        (
            APP,
            with("/database/cluster/storage", json!({"size": "2Gi"})),
            class,
        ),
        (of_default, size("1Gi"), class),
    ] {
        let error = replace(name, spec.clone()).await.expect_err("a refusal");
        assert!(error.to_string().contains(message), "{spec}: {error}");
        let said = plan(&json!(app(name, &spec)).to_string(), &diff);
        assert!(said.errors.contains(message), "{spec}: {said:?}");
        assert_eq!(said.code, 2);
    }
}

/// By the API server with this message, and by `plan` with all that the API server has said.
pub(crate) fn refused(result: kube::Result<ChatApp>, message: &str, app: &ChatApp) {
    let app = json!(app);
    match result {
        Ok(_) => panic!("accepted: {app}"),
        Err(error) => {
            assert!(
                error.to_string().contains(message),
                "{app}\nexpected: {message}\ngot: {error}"
            );
            agrees(&app, &error);
        }
    }
}
