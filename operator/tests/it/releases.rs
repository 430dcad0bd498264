//! An operator takes over what a former release of it has made: no pod is replaced, no Job runs again.

use std::path::{Path, PathBuf};

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    api_server::ApiServer,
    audit::Request,
    world::{CONTENT, JobEnd, World},
};

/// Field manager of the operator, then and now.
const FIELD_MANAGER: &str = "chatapp-operator";
const HASH_ANNOTATION: &str = "sillychat.io/applied-hash";
/// What the frozen objects have in the place of what the API server chooses.
const CHAT_APP: &str = "app-uid";
const CLUSTER: &str = "cluster-uid";

fn folder(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/releases")
        .join(release)
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).expect("a file of a release");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// How the releases hash: it is part of what they leave behind.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    digest[..5].iter().fold(String::new(), |digits, byte| {
        digits + &format!("{byte:02x}")
    })
}

/// The objects as the release would have made them of this ChatApp and this Cluster.
fn objects(release: &str, app: &ChatApp, cluster: &str) -> Vec<Value> {
    let frozen: Value = read(&folder(release).join("objects.yaml"));
    let mut text = frozen["items"].to_string();
    // What Jobs have done is known by hashes that the database's uid is part of.
    let tasks = [
        (app.spec.server.image.as_str(), true),
        ("greetings: [content]", false),
        ("configmap/prototype/chat.db", false),
    ];
    for (what, is_first) in tasks {
        let key = |uid| {
            if is_first {
                hash(&[what, uid])
            } else {
                hash(&[uid, what])
            }
        };
        assert!(text.contains(&key(CLUSTER)), "{what}");
        text = text.replace(&key(CLUSTER), &key(cluster));
    }
    text = text.replace(CHAT_APP, &app.uid().expect("a uid"));
    let mut objects: Vec<Value> = serde_json::from_str(&text).expect("objects");
    for object in &mut objects {
        rehash(object);
    }
    objects
}

fn rehash(object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    let annotations = metadata["annotations"]
        .as_object_mut()
        .expect("annotations");
    annotations.remove(HASH_ANNOTATION);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    object.sort_all_objects();
    let hash = hash(&[&object.to_string()]);
    object["metadata"]["annotations"][HASH_ANNOTATION] = json!(hash);
}

fn api(world: &World<'_>, object: &Value) -> Api<DynamicObject> {
    let text = |field: &str| object[field].as_str().expect("a text");
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    let kind = GroupVersionKind::gvk(group, version, text("kind"));
    Api::namespaced_with(
        world.client.clone(),
        &world.namespace,
        &ApiResource::from_gvk(&kind),
    )
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

async fn apply(world: &World<'_>, object: &Value) -> DynamicObject {
    let params = PatchParams::apply(FIELD_MANAGER);
    let applied = api(world, object)
        .patch(name(object), &params, &Patch::Apply(object))
        .await;
    applied.unwrap_or_else(|error| panic!("{}: {error}", name(object)))
}

/// Uid and generation of all objects: a pod template that changes moves the generation.
async fn generations(
    world: &World<'_>,
    objects: &[Value],
) -> Vec<(String, Option<String>, Option<i64>)> {
    let mut generations = Vec::new();
    for object in objects {
        let live = api(world, object)
            .get(name(object))
            .await
            .expect("an object");
        let name = format!(
            "{}/{}",
            object["kind"].as_str().unwrap_or_default(),
            name(object)
        );
        generations.push((name, live.uid(), live.metadata.generation));
    }
    generations
}

/// As the controllers have left it: everything serves.
async fn serves(world: &World<'_>) {
    world.play().await.expect("played");
    let image = json!({"status": {"image": "registry.example.org/postgresql:15"}});
    let patched = world
        .clusters()
        .patch_status("demo-db", &PatchParams::default(), &Patch::Merge(image))
        .await;
    patched.expect("a status");
    world.report_ingress().await;
    for pod in ["pool-1", "pool-2"] {
        world.report_pool_pod(pod).await;
    }
}

#[tokio::test]
async fn what_a_former_release_has_made_is_taken_over_as_it_is() {
    let server = ApiServer::shared().await;
    for release in std::fs::read_dir(folder("")).expect("releases") {
        let release = release
            .expect("a folder")
            .file_name()
            .into_string()
            .expect("a name");
        takes_over(server, &release).await;
    }
}

async fn takes_over(server: &ApiServer, release: &str) {
    let mut app: ChatApp = read(&folder(release).join("chatapp.yaml"));
    // When the CronJob runs depends on it.
    let namespace = app.namespace().expect("a namespace");
    let mut world = World::without_operator(server, &namespace).await;
    world
        .write_content(&format!("greetings: [{CONTENT}]"))
        .await;
    app.metadata.finalizers = Some(vec![chatapp_crds::DATABASE_FINALIZER.to_owned()]);
    let app = world
        .api()
        .create(&PostParams::default(), &app)
        .await
        .expect("the ChatApp");

    let frozen = objects(release, &app, CLUSTER);
    let cluster = frozen.iter().find(|object| object["kind"] == "Cluster");
    let cluster = apply(&world, cluster.expect("a Cluster")).await;
    let objects = objects(release, &app, &cluster.uid().expect("a uid"));
    for object in &objects {
        apply(&world, object).await;
    }
    for job in world.all::<Job>().await {
        world.end_job(&job, JobEnd::Complete).await;
    }
    serves(&world).await;

    let before = generations(&world, &objects).await;
    let requests = world.requests().len();
    world.start_operator().await;
    world.until_reason(ConditionType::Ready, "Available").await;
    world.touch_app().await;
    // What it begins it ends.
    world.stop_operator();

    let changes: Value = read(&folder(release).join("changes.yaml"));
    let is_accepted = |list: &str, name: &str| changes[list].get(name).is_some();
    // What these say may change, without a pod that is replaced.
    let has_no_pods =
        |name: &str| name.starts_with("NetworkPolicy/") || name.starts_with("CronJob/");
    for (before, after) in before.iter().zip(generations(&world, &objects).await) {
        let (name, uid, _) = before;
        let is_rewritten = has_no_pods(name) && is_accepted("rewrites", name) && *uid == after.1;
        assert!(
            *before == after || is_rewritten || is_accepted("rolls", name),
            "{before:?} is {after:?} now"
        );
    }
    if [&changes["rolls"], &changes["rewrites"]]
        .iter()
        .all(|list| list.as_object().is_none_or(serde_json::Map::is_empty))
    {
        let written: Vec<String> = world.requests()[requests..]
            .iter()
            .filter(|request| request.is_change_by_operator())
            .map(Request::what)
            .filter(|what| what != "patch chatapps/demo/status")
            .collect();
        assert_eq!(written, [""; 0]);
    }
}
