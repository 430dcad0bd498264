//! In the place of CloudNativePG and of Kubernetes' controllers: what is made is marked as ready, and Deployments get pods.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
    runtime::{WatchStreamExt as _, watcher},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

const CONCURRENCY: usize = 32;
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// They work for as long as this lives.
pub(crate) struct StandIns {
    _tasks: JoinSet<()>,
    done: watch::Receiver<std::collections::HashSet<String>>,
}

impl StandIns {
    pub(crate) fn start(client: &Client) -> Self {
        let (sender, done) = watch::channel(std::collections::HashSet::new());
        let sender = Arc::new(sender);
        let mut tasks = JoinSet::new();
        let (deployments, ready) = (client.clone(), sender.clone());
        tasks.spawn(each(
            Api::<Deployment>::all(client.clone()),
            move |deployment| deploy(deployments.clone(), ready.clone(), deployment),
        ));
        let (jobs, ready) = (client.clone(), sender.clone());
        tasks.spawn(each(Api::<Job>::all(client.clone()), move |job| {
            complete(jobs.clone(), ready.clone(), job)
        }));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "postgresql.cnpg.io",
            "v1",
            "Cluster",
        ));
        let (clusters, ready) = (client.clone(), sender);
        tasks.spawn(each(Api::all_with(client.clone(), &kind), move |cluster| {
            run_database(clusters.clone(), kind.clone(), ready.clone(), cluster)
        }));
        Self {
            _tasks: tasks,
            done,
        }
    }

    /// Waits until so many objects have been marked.
    pub(crate) async fn until_done(&self, count: usize) {
        let _ = self.done.clone().wait_for(|done| done.len() >= count).await;
    }
}

type Done = Arc<watch::Sender<std::collections::HashSet<String>>>;

async fn each<K, F: Future<Output = kube::Result<()>>>(api: Api<K>, treat: impl Fn(K) -> F)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().labels("sillychat.io/chatapp");
    watcher(api, config)
        .default_backoff()
        .applied_objects()
        .for_each_concurrent(CONCURRENCY, async |object| {
            let Ok(object) = object else { return };
            // The account of a pod may come a moment after what asks for the pod.
            for _ in 0..TRIES {
                if treat(object.clone()).await.is_ok() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await;
}

fn mark(done: &Done, kind: &str, namespace: &str, name: &str) {
    done.send_modify(|done| {
        done.insert(format!("{kind} {namespace}/{name}"));
    });
}

async fn patch_status<K>(api: &Api<K>, name: &str, status: &Value) -> kube::Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(name, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(
    client: &Client,
    namespace: &str,
) -> Api<K> {
    Api::namespaced(client.clone(), namespace)
}

async fn deploy(client: Client, done: Done, deployment: Deployment) -> kube::Result<()> {
    let (namespace, name) = (
        deployment.namespace().unwrap_or_default(),
        deployment.name_any(),
    );
    let observed = deployment
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    let Some(spec) = deployment
        .spec
        .filter(|_| observed != deployment.metadata.generation)
    else {
        mark(&done, "Deployment", &namespace, &name);
        return Ok(());
    };
    let replicas = spec.replicas.unwrap_or(1);
    for number in 0..replicas {
        let pods: Api<Pod> = api(&client, &namespace);
        let mut template = json!(spec.template);
        template["metadata"]["name"] = json!(format!("{name}-{number}"));
        let pod: Pod = serde_json::from_value(template).map_err(kube::Error::SerdeError)?;
        match pods.create(&PostParams::default(), &pod).await {
            Ok(pod) => {
                let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
                patch_status(&pods, &pod.name_any(), &status).await?;
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
    }
    let status = json!({"observedGeneration": deployment.metadata.generation, "replicas": replicas,
        "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas});
    patch_status(&api::<Deployment>(&client, &namespace), &name, &status).await?;
    mark(&done, "Deployment", &namespace, &name);
    Ok(())
}

async fn complete(client: Client, done: Done, job: Job) -> kube::Result<()> {
    let (namespace, name) = (job.namespace().unwrap_or_default(), job.name_any());
    if job.status.is_none_or(|status| status.conditions.is_none()) {
        let now = jiff::Timestamp::now().to_string();
        let condition = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now, "reason": "Bench", "message": ""});
        let status = json!({"startTime": now, "completionTime": now, "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]});
        patch_status(&api::<Job>(&client, &namespace), &name, &status).await?;
    }
    mark(&done, "Job", &namespace, &name);
    Ok(())
}

async fn run_database(
    client: Client,
    kind: ApiResource,
    done: Done,
    cluster: DynamicObject,
) -> kube::Result<()> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let instances = &cluster.data["spec"]["instances"];
    if cluster.data["status"]["readyInstances"] != *instances {
        let status = json!({"instances": instances, "readyInstances": instances, "phase": "Cluster in healthy state",
            "currentPrimary": format!("{name}-1"), "conditions": [{"type": "Ready", "status": "True"}]});
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
        patch_status(&api, &name, &status).await?;
    }
    mark(&done, "Cluster", &namespace, &name);
    Ok(())
}
