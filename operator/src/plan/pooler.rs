//! The connection pool between the servers and a CloudNativePG cluster: its `Pooler`. Servers connect through it by its host with
//! the user and password of the database's URL; migrations and other Jobs go to the database itself.
//!
//! It goes after the last server that needs it: what is let through of a former spec is applied with its pool.

use chatapp_crds::{ChatApp, Cluster, ConditionType, PoolMode, Pooler};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use serde::Deserialize as _;
use serde_json::json;

use super::{
    Child, Observed, disruption,
    names::{self, Component},
    pods, scheduling, server,
    verdict::Verdict,
    workload,
};
use crate::kinds::Kind;

/// Connections of servers that it accepts; `PgBouncer`'s own limit of 100 is that of ten servers.
const MAX_CLIENT_CONNECTIONS: &str = "1000";

/// The host that servers connect to in the place of the URL's.
pub(crate) fn host(app: &ChatApp) -> Option<String> {
    wanted(app).map(|_| names::pooler(app))
}

fn wanted(app: &ChatApp) -> Option<&Pooler> {
    app.spec.database.cluster.as_ref()?.pooler.as_ref()
}

/// The `Pooler` and its disruption budget, for the template of the servers that was let through. CloudNativePG makes a Deployment
/// and a Service of its name.
/// <https://cloudnative-pg.io/documentation/current/connection_pooling/>
pub(crate) fn children(
    app: &ChatApp,
    cluster: &Cluster,
    observed: &Observed,
    servers: Option<&PodTemplateSpec>,
) -> Vec<Child> {
    let is_used = servers
        .and_then(|template| template.spec.as_ref())
        .is_some_and(connects);
    let former = || is_used.then(|| former(app, observed)).flatten();
    let Some(pooler) = cluster.pooler.clone().or_else(former) else {
        return Vec::new();
    };
    let instances = if app.spec.suspend {
        0
    } else {
        pooler.instances
    };
    let name = names::pooler(app);
    let pod = PodSpec {
        image_pull_secrets: workload::pull_secrets(app),
        topology_spread_constraints: Some(scheduling::spread(app, Component::Pooler)),
        ..PodSpec::default()
    };
    let mut pod = json!(scheduling::place(app, pod));
    pod["containers"] =
        json!([{"name": "pgbouncer", "resources": workload::resources("50m", "32Mi", "128Mi")}]);
    let object = json!({
        "apiVersion": Kind::Pooler.api_version(),
        "kind": Kind::Pooler.name(),
        "metadata": names::metadata(app, Component::Pooler, name.clone()),
        "spec": {
            "cluster": { "name": names::database(app) },
            "type": "rw",
            "instances": instances,
            "pgbouncer": {
                "poolMode": match pooler.mode {
                    PoolMode::Transaction => "transaction",
                    PoolMode::Session => "session",
                },
                "parameters": { "max_client_conn": MAX_CLIENT_CONNECTIONS },
            },
            "template": {
                "metadata": { "labels": names::inherited_labels(app, Component::Pooler) },
                "spec": pod,
            },
        },
    });
    let condition = ConditionType::DatabaseReady;
    let budget = disruption::budget(app, Component::Pooler, condition, name, instances);
    [Child::new(condition, object)]
        .into_iter()
        .chain(budget)
        .collect()
}

/// What the pool has to say to `DatabaseReady`, when the database itself is ready.
pub(crate) fn trouble(app: &ChatApp, observed: &Observed) -> Option<Verdict> {
    let pooler = wanted(app)?;
    let name = names::pooler(app);
    if !observed.knows(Kind::Pooler) {
        let message = format!(
            "the cluster doesn't know {} Pooler: install a CloudNativePG that has it, or remove spec.database.cluster.pooler",
            Kind::Pooler.api_version()
        );
        return Some(Verdict::waiting("PoolerMissing", message));
    }
    let pods = observed.pods_of(Component::Pooler);
    let ready = pods.iter().filter(|pod| pods::is_ready(pod)).count();
    if usize::try_from(pooler.instances).is_ok_and(|wanted| ready >= wanted) {
        return None;
    }
    let waiting = || {
        let message = format!("Pooler {name}: {ready}/{} pods are ready", pooler.instances);
        Verdict::waiting("PoolerNotReady", message)
    };
    Some(pods::trouble(&pods).unwrap_or_else(waiting))
}

/// Whether a server still connects through it: then it stays, although it isn't wanted any more.
pub(crate) fn is_in_use(observed: &Observed) -> bool {
    let servers = observed.pods_of(Component::Server);
    let mut specs = servers.iter().filter_map(|pod| pod.spec.as_ref());
    specs.any(connects)
}

fn connects(pod: &PodSpec) -> bool {
    let containers = pod.containers.iter();
    let mut variables = containers.flat_map(|container| container.env.iter().flatten());
    variables.any(|variable| variable.name == server::DATABASE_HOST)
}

/// The one that the spec had, as far as what there is tells. Of one that was stopped nobody knows how many pods it had.
fn former(app: &ChatApp, observed: &Observed) -> Option<Pooler> {
    let live = observed.value(Kind::Pooler, &names::pooler(app));
    let spec = live.map(|live| &live["spec"]);
    // With the defaults of the API.
    let mut pooler: Pooler = serde_json::from_value(json!({})).ok()?;
    let instances = spec.and_then(|spec| i32::try_from(spec["instances"].as_i64()?).ok());
    if let Some(instances) = instances.filter(|instances| *instances > 0) {
        pooler.instances = instances;
    }
    if let Some(mode) =
        spec.and_then(|spec| PoolMode::deserialize(&spec["pgbouncer"]["poolMode"]).ok())
    {
        pooler.mode = mode;
    }
    Some(pooler)
}
