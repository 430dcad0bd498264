//! The watch caches: one reflector for each kind of child, filled with only what belongs to a ChatApp, and asked for one
//! ChatApp's children at a time.

use std::{fmt::Debug, hash::Hash, sync::Arc};

use chatapp_crds::ChatApp;
use futures::{FutureExt, Stream, StreamExt, stream::BoxStream};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Pod, Service, ServiceAccount},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    apply::trim,
    plan::{self, APP_LABEL, CNPG_API_VERSION, Child, ChildNames, Observed},
};

/// Which namespaces are watched.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    All,
    Namespace(String),
}

impl Scope {
    /// An `Api` over the scope.
    pub(crate) fn api<K>(&self, client: Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::All => Api::all(client),
            Self::Namespace(namespace) => Api::namespaced(client, namespace),
        }
    }

    fn dynamic_api(&self, client: Client, resource: &ApiResource) -> Api<DynamicObject> {
        match self {
            Self::All => Api::all_with(client, resource),
            Self::Namespace(namespace) => Api::namespaced_with(client, namespace, resource),
        }
    }
}

/// CloudNativePG's `Cluster`.
pub(crate) fn cluster_resource() -> ApiResource {
    let (group, version) = CNPG_API_VERSION.split_once('/').unwrap_or_default();
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, "Cluster"))
}

/// One cache for each kind of child.
pub(crate) struct Caches {
    clusters: Store<DynamicObject>,
    jobs: Store<Job>,
    deployments: Store<Deployment>,
    services: Store<Service>,
    service_accounts: Store<ServiceAccount>,
    pods: Store<Pod>,
    /// Whether the API server has said that it doesn't know CloudNativePG's kind.
    cnpg_is_missing: watch::Receiver<bool>,
}

/// Objects that were touched, deleted ones included.
pub(crate) type Touched<K> = BoxStream<'static, Result<K, watcher::Error>>;

/// The streams that fill the caches: a cache is filled only while its stream is polled.
pub(crate) struct Streams {
    pub(crate) clusters: Touched<DynamicObject>,
    pub(crate) jobs: Touched<Job>,
    pub(crate) deployments: Touched<Deployment>,
    pub(crate) services: Touched<Service>,
    pub(crate) service_accounts: Touched<ServiceAccount>,
    pub(crate) pods: Touched<Pod>,
}

/// Builds the caches and their streams.
pub(crate) fn caches(client: &Client, scope: &Scope) -> (Caches, Streams) {
    let resource = cluster_resource();
    let (clusters, cluster_stream) = cache(scope.dynamic_api(client.clone(), &resource), resource);
    let (missing, cnpg_is_missing) = watch::channel(false);
    let cluster_stream = cluster_stream
        .inspect(move |item| {
            if item.as_ref().is_err_and(is_unknown_kind) {
                missing.send_replace(true);
            }
        })
        .boxed();
    let (jobs, job_stream) = cache(scope.api(client.clone()), ());
    let (deployments, deployment_stream) = cache(scope.api(client.clone()), ());
    let (services, service_stream) = cache(scope.api(client.clone()), ());
    let (service_accounts, service_account_stream) = cache(scope.api(client.clone()), ());
    let (pods, pod_stream) = cache(scope.api(client.clone()), ());
    (
        Caches {
            clusters,
            jobs,
            deployments,
            services,
            service_accounts,
            pods,
            cnpg_is_missing,
        },
        Streams {
            clusters: undisturbed(cluster_stream, "Cluster".to_owned()),
            jobs: undisturbed(job_stream, "Job".to_owned()),
            deployments: undisturbed(deployment_stream, "Deployment".to_owned()),
            services: undisturbed(service_stream, "Service".to_owned()),
            service_accounts: undisturbed(service_account_stream, "ServiceAccount".to_owned()),
            pods: undisturbed(pod_stream, "Pod".to_owned()),
        },
    )
}

/// A cache of the objects with our label. Each watch has a backoff of its own: one that fails doesn't slow the others down.
fn cache<K>(api: Api<K>, dynamic_type: K::DynamicType) -> (Store<K>, Touched<K>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Send + Sync,
{
    let writer = Writer::new(dynamic_type);
    let store = writer.as_reader();
    let stream = watcher(api, watcher::Config::default().labels(APP_LABEL))
        .default_backoff()
        .modify(trim)
        .reflect(writer)
        .touched_objects()
        .boxed();
    (store, stream)
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

/// Logs the errors of a watch, which goes on by itself, and keeps them from the controller: that would stop reading *all* watches
/// for a while after an error in any one of them, so that a CRD that isn't there would slow everything down.
pub(crate) fn undisturbed<K: Send + 'static>(
    stream: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
    kind: String,
) -> Touched<K> {
    stream
        .filter_map(move |item| {
            if let Err(error) = &item {
                tracing::warn!(kind, %error, "watch");
            }
            std::future::ready(item.ok().map(Ok))
        })
        .boxed()
}

impl Caches {
    /// Waits until every cache has been filled once; CloudNativePG's only if the API server knows the kind.
    pub(crate) async fn filled(&self) {
        // A cache's writer lives as long as the controller: an error means that the process is ending.
        let _ = self.jobs.wait_until_ready().await;
        let _ = self.deployments.wait_until_ready().await;
        let _ = self.services.wait_until_ready().await;
        let _ = self.service_accounts.wait_until_ready().await;
        let _ = self.pods.wait_until_ready().await;
        let mut cnpg_is_missing = self.cnpg_is_missing.clone();
        tokio::select! {
            _ = self.clusters.wait_until_ready() => {}
            _ = cnpg_is_missing.wait_for(|missing| *missing) => {}
        }
    }

    /// Whether [`Self::filled`] would return at once.
    pub(crate) fn are_filled(&self) -> bool {
        self.filled().now_or_never().is_some()
    }

    /// What there is of `app`'s children. The content isn't cached; the caller puts it in.
    pub(crate) fn observe(&self, app: &ChatApp) -> Observed {
        let namespace = app.namespace().unwrap_or_default();
        let names = ChildNames::of(app);
        Observed {
            cnpg_installed: self.clusters.wait_until_ready().now_or_never().is_some(),
            cluster: self
                .cluster(&namespace, &names.cluster)
                // One of somebody else's, or of a former ChatApp of this name, is nothing to migrate.
                .filter(|cluster| plan::is_owned_by(app, &**cluster))
                .map(|cluster| json!(*cluster)),
            jobs: of_app(&self.jobs, app),
            server: get(&self.deployments, &namespace, &names.server).map(Arc::unwrap_or_clone),
            frontend: get(&self.deployments, &namespace, &names.frontend).map(Arc::unwrap_or_clone),
            service_account: get(&self.service_accounts, &namespace, &names.service_account)
                .filter(|account| plan::is_owned_by(app, &**account))
                .map(Arc::unwrap_or_clone),
            content: None,
            pods: of_app(&self.pods, app),
        }
    }

    /// The live object of a child.
    pub(crate) fn live(&self, namespace: &str, child: &Child) -> Option<Value> {
        let name = child.name();
        match child.kind() {
            "Cluster" => self.cluster(namespace, name).map(|object| json!(*object)),
            "Job" => get(&self.jobs, namespace, name).map(|object| value(&*object)),
            "Deployment" => get(&self.deployments, namespace, name).map(|object| value(&*object)),
            "Service" => get(&self.services, namespace, name).map(|object| value(&*object)),
            "ServiceAccount" => {
                get(&self.service_accounts, namespace, name).map(|object| value(&*object))
            }
            _ => None,
        }
    }

    fn cluster(&self, namespace: &str, name: &str) -> Option<Arc<DynamicObject>> {
        self.clusters
            .get(&ObjectRef::new_with(name, cluster_resource()).within(namespace))
    }
}

fn get<K: Resource<DynamicType = ()> + Clone>(
    store: &Store<K>,
    namespace: &str,
    name: &str,
) -> Option<Arc<K>> {
    store.get(&ObjectRef::new(name).within(namespace))
}

fn of_app<K: Resource<DynamicType = ()> + Clone>(store: &Store<K>, app: &ChatApp) -> Vec<K> {
    let (namespace, name) = (app.namespace(), app.name_any());
    let belongs = |object: &K| {
        object.namespace() == namespace && object.labels().get(APP_LABEL) == Some(&name)
    };
    store
        .state()
        .iter()
        .filter(|object| belongs(object))
        .map(|object| (**object).clone())
        .collect()
}

/// Objects in a cache have no `apiVersion` and `kind`: a list doesn't repeat them.
fn value<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Value {
    let mut value = json!(object);
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    value
}
