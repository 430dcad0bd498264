//! A namespace with an operator of its own, and what the tests do there in the place of people, of CloudNativePG and of
//! Kubernetes' controllers.

use std::{fmt::Debug, path::PathBuf};

use chatapp_crds::{ChatApp, ConditionType};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{ConfigMap, Namespace, Pod, Service},
        networking::v1::Ingress,
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams,
    },
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    api_server::{ADMINISTRATOR, ApiServer},
    audit::{self, Request},
    operator::Operator,
    wait::try_until,
};

/// Name of the ChatApp of each test.
pub(crate) const APP: &str = "demo";
/// Name of the content `ConfigMap`.
pub(crate) const CONTENT: &str = "content";
/// Annotation that means nothing to the operator.
const TOUCHED: &str = "example.org/touched";

/// How a test lets a Job end.
#[derive(Clone, Copy)]
pub(crate) enum JobEnd {
    Complete,
    Failed,
}

/// The namespace of a test.
pub(crate) struct World<'a> {
    server: &'a ApiServer,
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) directory: PathBuf,
    operator: Option<Operator>,
}

impl<'a> World<'a> {
    /// Makes the namespace and starts an operator for it.
    pub(crate) async fn new(server: &'a ApiServer, namespace: &str) -> Self {
        let mut world = Self::without_operator(server, namespace).await;
        world.start_operator().await;
        world
    }

    /// Makes the namespace.
    pub(crate) async fn without_operator(server: &'a ApiServer, namespace: &str) -> Self {
        let client = server.client().await;
        let object: Namespace =
            serde_json::from_value(json!({"metadata": {"name": namespace}})).expect("a Namespace");
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .expect("the namespace");
        let directory = server.directory.join(namespace);
        std::fs::create_dir(&directory).expect("a directory");
        Self {
            server,
            client,
            namespace: namespace.to_owned(),
            directory,
            operator: None,
        }
    }

    pub(crate) async fn start_operator(&mut self) {
        let operator = Operator::start(self.server, &self.namespace, &self.directory).await;
        self.operator = Some(operator);
    }

    pub(crate) fn stop_operator(&mut self) {
        self.operator.take().expect("a running operator").stop();
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// CloudNativePG's Clusters.
    pub(crate) fn clusters(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Cluster");
        Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &ApiResource::from_gvk(&kind),
        )
    }

    /// The requests in this namespace so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        audit::requests(self.server, &self.namespace)
    }

    /// Waits for an answer; if there is none in time, the test ends with what the operator says.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
        if let Some(answer) = try_until(ask).await {
            return answer;
        }
        let app = self.api::<ChatApp>().get_opt(APP).await;
        let status = app.map(|app| app.and_then(|app| app.status));
        let log = self
            .operator
            .as_ref()
            .map(Operator::log)
            .unwrap_or_default();
        panic!("in vain waited for: {what}\n{status:#?}\n{log}");
    }

    /// Creates a ChatApp with this spec.
    pub(crate) async fn create_app(&self, spec: Value) -> ChatApp {
        let app = app(APP, &spec);
        let created = self.api().create(&PostParams::default(), &app).await;
        created.expect("the ChatApp")
    }

    /// Merges into an object, as a hand does.
    pub(crate) async fn edit<K>(&self, name: &str, patch: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let params = PatchParams {
            field_manager: Some("hand".to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let patched = self.api::<K>().patch(name, &params, &patch).await;
        patched.expect("an edit")
    }

    /// All objects of a kind.
    pub(crate) async fn all<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let list = self.api::<K>().list(&ListParams::default()).await;
        list.expect("a list").items
    }

    /// Deletes an object.
    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let deleted = self.api::<K>().delete(name, &DeleteParams::default()).await;
        deleted.expect("a deletion");
    }

    /// Changes the ChatApp in a way that means nothing.
    pub(crate) async fn touch_app(&self) {
        let now = Timestamp::now().to_string();
        let patch = json!({"metadata": {"annotations": {TOUCHED: now}}});
        self.edit::<ChatApp>(APP, patch).await;
    }

    /// Waits until the operator reports on a condition, for the present generation, what is expected.
    pub(crate) async fn until_condition(
        &self,
        type_: ConditionType,
        what: &str,
        expected: impl Fn(&Condition) -> bool,
    ) -> ChatApp {
        self.until(&format!("{}: {what}", type_.as_str()), async || {
            let app = self.api::<ChatApp>().get_opt(APP).await.ok()??;
            let condition = condition(&app, type_)?;
            (condition.observed_generation == app.metadata.generation && expected(condition))
                .then_some(app)
        })
        .await
    }

    /// Waits for a condition's reason.
    pub(crate) async fn until_reason(&self, type_: ConditionType, reason: &str) -> ChatApp {
        self.until_condition(type_, reason, |condition| condition.reason == reason)
            .await
    }

    /// As CloudNativePG: so many instances are ready.
    pub(crate) async fn report_cluster(&self, ready: u64, phase: &str) {
        self.report_cluster_of(APP, ready, phase).await;
    }

    async fn report_cluster_of(&self, app: &str, ready: u64, phase: &str) {
        let name = format!("{app}-db");
        let api = self.clusters();
        let cluster = self
            .until("Cluster", async || api.get_opt(&name).await.ok()?)
            .await;
        let all = cluster.data["spec"]["instances"] == json!(ready);
        let status = json!({"status": {
            "instances": cluster.data["spec"]["instances"], "readyInstances": ready, "phase": phase,
            "currentPrimary": format!("{name}-1"),
            "conditions": [{
                "type": "Ready", "status": if all { "True" } else { "False" }, "reason": "Test", "message": "",
                "lastTransitionTime": Timestamp::now().to_string(),
            }],
        }});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .expect("the Cluster's status");
    }

    /// The Job that has not ended.
    pub(crate) async fn until_job(&self) -> Job {
        self.until("a Job that runs", async || {
            self.collect_garbage().await;
            let mut jobs = self.all::<Job>().await.into_iter();
            jobs.find(|job| !has_ended(job))
        })
        .await
    }

    /// As the garbage collector, where there is none: what is deleted in the foreground has nothing left that it owns.
    pub(crate) async fn collect_garbage(&self) {
        for job in self.all::<Job>().await {
            if job.metadata.deletion_timestamp.is_some() {
                let patch = json!({"metadata": {"uid": job.uid(), "finalizers": null}});
                let params = PatchParams::default();
                // The real one may have been faster.
                let _ = self
                    .api::<Job>()
                    .patch(&job.name_any(), &params, &Patch::Merge(patch))
                    .await;
            }
        }
    }

    /// As the Job controller: the Job has ended.
    pub(crate) async fn end_job(&self, job: &Job, end: JobEnd) {
        let now = Timestamp::now().to_string();
        let condition = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now, "reason": "Test", "message": ""});
        let status = match end {
            JobEnd::Complete => json!({"status": {
                "startTime": now, "completionTime": now, "succeeded": 1,
                "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
            }}),
            JobEnd::Failed => json!({"status": {
                "startTime": now, "failed": 3,
                "conditions": [condition("FailureTarget"), condition("Failed")],
            }}),
        };
        self.api::<Job>()
            .patch_status(
                &job.name_any(),
                &PatchParams::default(),
                &Patch::Merge(status),
            )
            .await
            .expect("the Job's status");
    }

    /// As the Job controller and a kubelet: the Job's pod has ended so, in the last of these containers.
    pub(crate) async fn end_pod(&self, job: &Job, ends: &[(&str, i32, &Value)]) {
        let mut template = json!(job.spec.as_ref().expect("a spec").template);
        let name = format!("{}-pod", job.name_any());
        template["metadata"]["name"] = json!(name);
        template["metadata"]["labels"]["batch.kubernetes.io/job-name"] = json!(job.name_any());
        template["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(), "controller": true,
        }]);
        let pod: Pod = serde_json::from_value(template).expect("a Pod");
        let api = self.api::<Pod>();
        api.create(&PostParams::default(), &pod)
            .await
            .expect("the pod");
        let status = |(name, code, told): &(&str, i32, &Value)| {
            json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code, "message": told.to_string()}}})
        };
        let has_init = pod
            .spec
            .as_ref()
            .is_some_and(|spec| spec.init_containers.is_some());
        let (init, main) = ends.split_at(usize::from(has_init));
        let phase = match ends.last() {
            Some((_, 0, _)) if !main.is_empty() => "Succeeded",
            Some((_, 0, _)) => "Pending",
            _ => "Failed",
        };
        let status = json!({"status": {
            "phase": phase,
            "initContainerStatuses": init.iter().map(status).collect::<Vec<_>>(),
            "containerStatuses": main.iter().map(status).collect::<Vec<_>>(),
        }});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .expect("the pod's status");
    }

    /// As an ingress controller: the Ingress has an address. And as cert-manager, if it is asked: there is a certificate.
    pub(crate) async fn report_ingress(&self) {
        let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        let (params, api) = (PatchParams::default(), self.api::<Ingress>());
        let ingress = self
            .until("an Ingress", async || {
                let patch = Patch::Merge(&address);
                api.patch_status(APP, &params, &patch).await.ok()
            })
            .await;
        let mut annotations = ingress.annotations().keys();
        if annotations.any(|annotation| annotation.starts_with("cert-manager.io/")) {
            let secret = &json!(ingress.spec)["tls"][0]["secretName"];
            self.issue(secret.as_str().expect("a name")).await;
        }
    }

    async fn issue(&self, name: &str) {
        let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}});
        let params = PatchParams::apply("cert-manager");
        let made = api.patch(name, &params, &Patch::Apply(&certificate)).await;
        made.expect("a Certificate");
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let patched = api
            .patch_status(name, &PatchParams::default(), &Patch::Merge(ready))
            .await;
        patched.expect("a status");
    }

    /// As CloudNativePG and a kubelet: a pod of the connection pool is ready.
    pub(crate) async fn report_pool_pod(&self, name: &str) {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"sillychat.io/chatapp": APP, "app.kubernetes.io/component": "pooler"}},
            "spec": {"serviceAccountName": "demo-pods", "automountServiceAccountToken": false, "containers": [{"name": "x", "image": "x"}]},
        }))
        .expect("a Pod");
        let api = self.api::<Pod>();
        let created = api.create(&PostParams::default(), &pod).await;
        created.expect("a Pod");
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let patched = api
            .patch_status(name, &PatchParams::default(), &Patch::Merge(ready))
            .await;
        patched.expect("a status");
    }

    /// Writes the content `ConfigMap`.
    pub(crate) async fn write_content(&self, yaml: &str) {
        let config_map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": CONTENT}, "data": {"content.yaml": yaml},
        });
        let api = self.api::<ConfigMap>();
        let params = PatchParams::apply("hand");
        api.patch(CONTENT, &params, &Patch::Apply(&config_map))
            .await
            .expect("the content");
    }

    /// As the Deployment controller: all pods of the present template serve.
    pub(crate) async fn roll_out(&self, name: &str) {
        let api = self.api::<Deployment>();
        let deployment = self
            .until(&format!("Deployment {name}"), async || {
                api.get_opt(name).await.ok()?
            })
            .await;
        let pods = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        let status = json!({"status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": pods, "updatedReplicas": pods, "readyReplicas": pods, "availableReplicas": pods,
        }});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .expect("the Deployment's status");
    }

    /// As all controllers: every part comes up as soon as it is there, until the ChatApp is ready.
    pub(crate) async fn bring_up(&self) -> ChatApp {
        self.until("Ready=True", async || {
            self.play().await?;
            let app = self.api::<ChatApp>().get(APP).await.ok()?;
            is_ready(&app).then_some(app)
        })
        .await
    }

    /// As all controllers: what is there comes a step further.
    pub(crate) async fn play(&self) -> Option<()> {
        let clusters = self.clusters().list(&ListParams::default()).await;
        for cluster in clusters.ok()? {
            let wanted = &cluster.data["spec"]["instances"];
            if cluster.data["status"]["readyInstances"] != *wanted {
                let name = cluster.name_any();
                let app = name.strip_suffix("-db")?;
                self.report_cluster_of(app, wanted.as_u64()?, "healthy")
                    .await;
            }
        }
        self.collect_garbage().await;
        for job in self.all::<Job>().await.iter().filter(|job| !has_ended(job)) {
            self.end_job(job, JobEnd::Complete).await;
        }
        for deployment in self.all::<Deployment>().await {
            let status = deployment.status.clone().unwrap_or_default();
            let observed = status.observed_generation;
            if observed != deployment.metadata.generation {
                self.roll_out(&deployment.name_any()).await;
            }
        }
        Some(())
    }

    /// Creates somebody else's Service.
    pub(crate) async fn create_service(&self, service: Value) -> Service {
        let service: Service = serde_json::from_value(service).expect("a Service");
        let params = PostParams {
            field_manager: Some(ADMINISTRATOR.to_owned()),
            ..PostParams::default()
        };
        self.api()
            .create(&params, &service)
            .await
            .expect("the Service")
    }
}

/// A ChatApp.
pub(crate) fn app(name: &str, spec: &Value) -> ChatApp {
    let app = json!({
        "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": name}, "spec": spec,
    });
    serde_json::from_value(app).expect("a ChatApp")
}

/// A small spec whose database is a Cluster.
pub(crate) fn spec() -> Value {
    json!({
        "server": {"image": "registry.example.org/chat-server:1"},
        "frontend": {"image": "registry.example.org/frontend:1"},
        "database": {"cluster": {"storage": {"size": "1Gi"}}},
    })
}

pub(crate) fn condition(app: &ChatApp, type_: ConditionType) -> Option<&Condition> {
    let conditions = &app.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// Whether all of the present generation serves.
pub(crate) fn is_ready(app: &ChatApp) -> bool {
    condition(app, ConditionType::Ready).is_some_and(|ready| {
        ready.status == "True" && ready.observed_generation == app.metadata.generation
    })
}

/// The same, with content.
pub(crate) fn spec_with_content() -> Value {
    let mut spec = spec();
    spec["content"] = json!({"configMapRef": {"name": CONTENT}});
    spec
}

/// Image of a Deployment's only container.
pub(crate) fn image(deployment: &Deployment) -> Option<&str> {
    let template = deployment.spec.as_ref()?.template.spec.as_ref()?;
    template.containers.first()?.image.as_deref()
}

fn has_ended(job: &Job) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"))
}
