//! `chatapp-operator plan` says without a cluster what the API server says with one.

use std::collections::BTreeSet;

use kube::Client;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    command::plan,
    rules::with,
    world::{APP, World, spec},
};

/// What the API server says last, when it has seen enough.
const ENOUGH: &str = "some validation rules were not checked";

/// Asserts that `plan` refuses the ChatApp with all that the API server has refused it with, and with nothing more.
pub(crate) fn agrees(app: &Value, error: &kube::Error) {
    let kube::Error::Api(status) = error else {
        panic!("{app}: {error}");
    };
    let details = status.details.as_ref();
    let details = details.unwrap_or_else(|| panic!("{app}: {error}"));
    // The scale subresource repeats what the schema has said; its fields begin with a dot.
    let causes = details
        .causes
        .iter()
        .filter(|cause| !cause.message.contains(ENOUGH) && !cause.field.starts_with('.'));
    let causes: BTreeSet<String> = causes
        .map(|cause| match cause.field.as_str() {
            "<nil>" => cause.message.clone(),
            // Names have other words, the same in all that is Kubernetes.
            field if field.starts_with("metadata") => field.to_owned(),
            field => format!("{field}: {}", cause.message),
        })
        .collect();
    assert!(!causes.is_empty(), "{app}: {error}");
    let said = plan(&app.to_string(), &[]);
    let name = app["metadata"]["name"].as_str().expect("a name");
    let place = format!("error: standard input:1, ChatApp {name}: ");
    let told = said.errors.lines().map(|line| {
        let told = line.strip_prefix(&place).expect(&said.errors);
        let metadata = told
            .strip_prefix("metadata.")
            .and_then(|rest| rest.split_once(':'));
        metadata.map_or_else(|| told.to_owned(), |(field, _)| format!("metadata.{field}"))
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), causes, "{app}");
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{app}");
}

/// What the API server says to the very text.
async fn create(client: &Client, namespace: &str, app: &Value) -> kube::Result<Value> {
    let path = format!(
        "/apis/sillychat.io/v1alpha1/namespaces/{namespace}/chatapps?dryRun=All&fieldValidation=Strict"
    );
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(app.to_string().into_bytes())
        .expect("a request");
    client.request(request).await
}

fn chat_app(spec: &Value) -> Value {
    json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": APP}, "spec": spec})
}

#[tokio::test]
async fn a_wrong_shape_is_refused_in_the_same_words() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "offline-shapes").await;
    let long = "x".repeat(1025);
    let tolerations: Vec<Value> = (0..51).map(|key| json!({"key": key.to_string()})).collect();
    let cases = [
        with("/server/image", json!(5)),
        with("/server/image", Value::Null),
        with("/server/image", json!(long)),
        with("/server/replicas", json!("two")),
        with("/server/replicas", json!(1.5)),
        with("/server/replicas", json!(true)),
        with("/server/env", json!("A")),
        with(
            "/server/env",
            json!([{"name": "A"}, {"name": "B"}, {"name": "A"}, {"name": "A"}]),
        ),
        with("/server/resources", json!({"requests": {"cpu": true}})),
        with("/server", json!({"replicas": 1})),
        with("/frontend", json!("page")),
        with("/database/cluster/storage/size", json!(10)),
        with("/database/deletionPolicy", json!("Keep")),
        with("/database/deletionPolicy", json!(1)),
        with("/scheduling", json!({"tolerations": tolerations})),
        with("/content", json!({"configMapRef": {"name": "Not_A_Name"}})),
        with("/suspend", json!("yes")),
        with("/retention", json!({"days": 5_000_000_000_u64})),
        json!({"server": {}}),
    ];
    for spec in cases {
        let app = chat_app(&spec);
        match create(&world.client, &world.namespace, &app).await {
            Ok(_) => panic!("accepted: {app}"),
            Err(error) => agrees(&app, &error),
        }
    }
}

#[tokio::test]
async fn null_is_taken_as_the_api_server_takes_it() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "offline-null").await;
    let mut autoscaled = with(
        "/server/autoscaling",
        json!({"maxReplicas": 4, "minReplicas": null}),
    );
    autoscaled["server"]["replicas"] = Value::Null;
    let mut spec = spec();
    spec["frontend"]["replicas"] = Value::Null;
    spec["content"] = Value::Null;
    for spec in [
        autoscaled,
        spec,
        with("/database/external", Value::Null),
        with("/database/cluster/image", Value::Null),
    ] {
        let app = chat_app(&spec);
        let created = create(&world.client, &world.namespace, &app).await;
        let said = plan(&app.to_string(), &[]);
        match created {
            Ok(_) => assert_eq!((said.code, said.errors.as_str()), (0, ""), "{app}"),
            Err(error) if spec["server"].get("replicas") == Some(&Value::Null) => {
                assert!(
                    error.to_string().contains("spec.server.replicas"),
                    "{error}"
                );
                assert!(
                    said.errors
                        .contains("spec.server.replicas: Invalid value: null"),
                    "{said:?}"
                );
                assert_eq!(said.code, 1);
            }
            Err(error) => agrees(&app, &error),
        }
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused_as_kubectl_has_it_refused() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "offline-unknown").await;
    for pointer in [
        "/colour",
        "/server/imagee",
        "/database/cluster/storage/class",
    ] {
        let app = chat_app(&with(pointer, json!("x")));
        let field = format!("spec{}", pointer.replace('/', "."));
        let error = create(&world.client, &world.namespace, &app).await;
        let error = error.expect_err("a refusal").to_string();
        assert!(
            error.contains(&format!("unknown field \"{field}\"")),
            "{error}"
        );
        let said = plan(&app.to_string(), &[]);
        assert!(
            said.errors.contains(&format!("{field}: unknown field")),
            "{}",
            said.errors
        );
        assert_eq!(said.code, 1);
    }
}

#[tokio::test]
async fn what_is_planned_is_what_the_operator_makes() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "offline-planned").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let manifest = chat_app(&spec()).to_string();
    let said = plan(&manifest, &["--namespace", "offline-planned"]);
    assert_eq!(said.code, 0, "{}", said.errors);
    let planned: Vec<Value> = serde_saphyr::from_multiple(&said.out).expect("YAML");
    let client = &world.client;
    for object in planned.iter().filter(|object| object["kind"] != "Job") {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind = kube::api::GroupVersionKind::gvk(group, version, &kind);
        let api: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
            client.clone(),
            &world.namespace,
            &kube::api::ApiResource::from_gvk(&kind),
        );
        let live = api
            .get_opt(&text("/metadata/name"))
            .await
            .expect("an answer");
        assert!(live.is_some(), "{object}");
    }
    assert!(
        planned.iter().any(|object| object["kind"] == "Job"),
        "{}",
        said.out
    );
}
