//! Whatever a new spec is stuck at, the former one serves on meanwhile, and to apply that again is enough.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
    events::v1::Event,
};
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    world::{APP, JobEnd, World, condition, image, spec, spec_with_content},
};

const FIRST: &str = "registry.example.org/chat-server:1";
const SECOND: &str = "registry.example.org/chat-server:2";

/// An app that serves, and is about to get another spec.
struct Changed<'a> {
    world: World<'a>,
    former: ChatApp,
    /// Moves when pods are replaced.
    generation: Option<i64>,
}

impl<'a> Changed<'a> {
    async fn new(namespace: &str, spec: Value, change: Value) -> Changed<'a> {
        let world = World::new(ApiServer::shared().await, namespace).await;
        world.write_content("greetings: [a]").await;
        world.create_app(spec).await;
        let former = world.bring_up().await;
        let server: Deployment = world.api().get("demo-server").await.expect("the server");
        world.edit::<ChatApp>(APP, json!({ "spec": change })).await;
        Self {
            world,
            former,
            generation: server.metadata.generation,
        }
    }

    /// The whole app waits for this, and what served before serves on.
    async fn is_stuck_at(&self, reason: &str, told: &[&str]) {
        let app = self.world.until_reason(ConditionType::Ready, reason).await;
        let ready = condition(&app, ConditionType::Ready).expect("a condition");
        for told in told {
            assert!(ready.message.contains(told), "{told}: {}", ready.message);
        }
        assert_eq!(app.status.expect("a status").image.as_deref(), Some(FIRST));
    }

    /// The former spec is applied again, as `git revert` does it, and everything is as it was.
    async fn recovers(&self) {
        let mut app: ChatApp = self.world.api().get(APP).await.expect("the ChatApp");
        app.spec = self.former.spec.clone();
        let replaced = self
            .world
            .api()
            .replace(APP, &PostParams::default(), &app)
            .await;
        replaced.expect("the former spec");
        let app = self.world.bring_up().await;
        assert_eq!(app.status.expect("a status").image.as_deref(), Some(FIRST));
        let server = self.server().await;
        assert_eq!(image(&server), Some(FIRST));
        let jobs = self.world.all::<Job>().await;
        let of_second = jobs
            .iter()
            .filter(|job| json!(job).to_string().contains(SECOND));
        let left: Vec<String> = of_second
            .filter(|job| job.metadata.deletion_timestamp.is_none())
            .map(ResourceExt::name_any)
            .collect();
        assert_eq!(left, [""; 0]);
    }

    /// The same, and no pod of the servers was replaced on the way.
    async fn recovers_without_a_rollout(&self) {
        self.recovers().await;
        let server = self.server().await;
        assert_eq!(server.metadata.generation, self.generation);
    }

    async fn server(&self) -> Deployment {
        self.world
            .api()
            .get("demo-server")
            .await
            .expect("the server")
    }

    /// As a controller and a kubelet: a pod of this template whose first container waits so.
    async fn waiting_pod(
        &self,
        owner: &impl Resource<DynamicType = ()>,
        template: Value,
        reason: &str,
        message: &str,
    ) -> Pod {
        let mut pod = template;
        pod["metadata"]["name"] = json!("waiting");
        pod["metadata"]["ownerReferences"] = json!([owner.controller_owner_ref(&())]);
        let pod: Pod = serde_json::from_value(pod).expect("a Pod");
        let spec = pod.spec.clone().expect("a spec");
        let has_init = spec.init_containers.is_some();
        let first = spec.init_containers.unwrap_or(spec.containers).remove(0);
        let status = json!({"name": first.name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}}});
        let list = if has_init {
            "initContainerStatuses"
        } else {
            "containerStatuses"
        };
        self.create_pod(&pod, json!({"phase": "Pending", list: [status]}))
            .await
    }

    async fn create_pod(&self, pod: &Pod, status: Value) -> Pod {
        let api = self.world.api::<Pod>();
        let created = api
            .create(&PostParams::default(), pod)
            .await
            .expect("a Pod");
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = api
            .patch_status(&created.name_any(), &PatchParams::default(), &patch)
            .await;
        patched.expect("a status")
    }

    /// As Kubernetes, where there is none: the pod goes with what it was made for.
    async fn pod_goes(&self) {
        let _ = self
            .world
            .api::<Pod>()
            .delete("waiting", &DeleteParams::default())
            .await;
    }
}

fn to_second() -> Value {
    json!({"server": {"image": SECOND}})
}

fn template(job: &Job) -> Value {
    json!(job.spec.as_ref().expect("a spec").template)
}

#[tokio::test]
async fn a_migration_that_runs_is_stopped() {
    let changed = Changed::new("rollback-running", spec(), to_second()).await;
    changed.world.until_job().await;
    changed.is_stuck_at("Migrating", &[]).await;
    changed.recovers_without_a_rollout().await;
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_undone_before_its_migration() {
    let changed = Changed::new("rollback-image", spec(), to_second()).await;
    let job = changed.world.until_job().await;
    changed
        .waiting_pod(
            &job,
            template(&job),
            "ImagePullBackOff",
            "Back-off pulling image",
        )
        .await;
    changed
        .is_stuck_at("ImagePullBackOff", &[SECOND, "pod waiting"])
        .await;
    changed.recovers_without_a_rollout().await;
}

#[tokio::test]
async fn servers_that_do_not_start_are_undone_on_the_new_schema() {
    let changed = Changed::new("rollback-rollout", spec(), to_second()).await;
    let world = &changed.world;
    let job = world.until_job().await;
    world.end_job(&job, JobEnd::Complete).await;
    let server = world
        .until("the rollout", async || {
            let live = world.api::<Deployment>().get("demo-server").await.ok()?;
            (image(&live) == Some(SECOND)).then_some(live)
        })
        .await;
    let template = json!(server.spec.as_ref().expect("a spec").template);
    changed
        .waiting_pod(&server, template, "CrashLoopBackOff", "")
        .await;
    changed
        .is_stuck_at("CrashLoopBackOff", &["pod waiting"])
        .await;
    // Whether the former release can work on this schema its own migration says, before anything is changed.
    changed.pod_goes().await;
    changed.recovers().await;
}

#[tokio::test]
async fn content_that_is_refused_or_missing_makes_room_for_the_former() {
    let bad = json!({"content": {"configMapRef": {"name": "bad"}}});
    let changed = Changed::new("rollback-content", spec_with_content(), bad).await;
    changed
        .is_stuck_at("ContentMissing", &["ConfigMap bad does not exist"])
        .await;
    let object = json!({"metadata": {"name": "bad"}, "data": {"content.yaml": "fallbacks: []"}});
    let object: ConfigMap = serde_json::from_value(object).expect("a ConfigMap");
    let created = changed
        .world
        .api()
        .create(&PostParams::default(), &object)
        .await;
    created.expect("the ConfigMap");
    let job = changed.world.until_job().await;
    let told = json!({"message": "line 1: fallbacks must not be empty"});
    changed.world.end_pod(&job, &[("content", 3, &told)]).await;
    changed.world.end_job(&job, JobEnd::Failed).await;
    changed
        .is_stuck_at("ContentRefused", &["ConfigMap bad", "line 1", "correct it"])
        .await;
    changed.recovers_without_a_rollout().await;
}

#[tokio::test]
async fn a_database_that_fits_on_no_node_is_undone() {
    let large = json!({"database": {"cluster": {"resources": {"requests": {"cpu": "1000"}}}}});
    let changed = Changed::new("rollback-database", spec(), large).await;
    let world = &changed.world;
    world
        .until("the large Cluster", async || {
            let live = world.clusters().get("demo-db").await.ok()?;
            (live.data["spec"]["resources"]["requests"]["cpu"] == "1000").then_some(())
        })
        .await;
    let labels = json!({"sillychat.io/chatapp": APP, "app.kubernetes.io/component": "database"});
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "waiting", "labels": labels},
        "spec": {"serviceAccountName": "demo-pods", "containers": [{"name": "postgres", "image": "x"}]}}))
    .expect("a Pod");
    let unschedulable = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient cpu"});
    changed
        .create_pod(
            &pod,
            json!({"phase": "Pending", "conditions": [unschedulable]}),
        )
        .await;
    world
        .report_cluster(2, "Waiting for the instances to become active")
        .await;
    changed
        .is_stuck_at("Unschedulable", &["pod waiting", "Insufficient cpu"])
        .await;
    let app: ChatApp = world.api().get(APP).await.expect("the ChatApp");
    let serves = condition(&app, ConditionType::ServerAvailable).expect("a condition");
    assert_eq!(serves.status, "True", "{serves:?}");
    changed.pod_goes().await;
    changed.recovers().await;
    let live = world.clusters().get("demo-db").await.expect("the Cluster");
    assert!(
        live.data["spec"]["resources"].is_null(),
        "{:?}",
        live.data["spec"]
    );
}

#[tokio::test]
async fn a_secret_that_does_not_exist_is_named_and_undone() {
    let mut external = spec();
    external["database"] = json!({"external": {"urlSecretRef": {"name": "db", "key": "url"}}});
    let wrong = json!({"database": {"external": {"urlSecretRef": {"name": "bd"}}}});
    let changed = Changed::new("rollback-secret", external, wrong).await;
    let job = changed.world.until_job().await;
    let pod = changed
        .waiting_pod(&job, template(&job), "PodInitializing", "")
        .await;
    // As the kubelet.
    let note = "MountVolume.SetUp failed for volume \"database\" : secret \"bd\" not found";
    let event = json!({"metadata": {"name": "waiting.1"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Warning", "reason": "FailedMount",
        "note": note, "action": "Mount", "reportingController": "kubelet", "reportingInstance": "node",
        "regarding": {"kind": "Pod", "namespace": changed.world.namespace, "name": "waiting", "uid": pod.uid()}});
    let event: Event = serde_json::from_value(event).expect("an Event");
    let created = changed
        .world
        .api()
        .create(&PostParams::default(), &event)
        .await;
    created.expect("the Event");
    changed
        .is_stuck_at(
            "FailedMount",
            &["secret \"bd\" not found", "create Secret bd with key url"],
        )
        .await;
    changed.recovers().await;
}
