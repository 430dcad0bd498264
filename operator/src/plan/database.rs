//! The database: a CloudNativePG `Cluster` that belongs to the ChatApp, or one of somebody else's that only a Secret tells of.
//!
//! What becomes of the Cluster with the ChatApp's end is `deletion`'s business; a Cluster that is to stay has no owner from the start.

use std::collections::BTreeMap;

use chatapp_crds::{ChatApp, Cluster, DeletionPolicy, External};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{
    Child, Deletion, Observed,
    names::{self, Component},
    ownership::{OWNER_ANNOTATION, Owner, Ownership},
    pods, scheduling, suspend,
    verdict::Verdict,
    workload,
};
use crate::{
    compare::{covers, parse_quantity},
    kinds::Kind,
};

/// CloudNativePG's label of a Job's pods: what the Job does.
const JOB_ROLE_LABEL: &str = "cnpg.io/jobRole";
/// CloudNativePG's label of pods: `instance` for those that are PostgreSQL.
const POD_ROLE_LABEL: &str = "cnpg.io/podRole";

/// Which database an app uses.
pub(crate) enum Source<'a> {
    Cluster(&'a Cluster),
    External(&'a External),
}

/// The API server lets exactly one of the two through; `None` only for an object that was stored before the rule existed.
pub(crate) fn source(app: &ChatApp) -> Option<Source<'_>> {
    match (&app.spec.database.cluster, &app.spec.database.external) {
        (Some(cluster), None) => Some(Source::Cluster(cluster)),
        (None, Some(external)) => Some(Source::External(external)),
        _ => None,
    }
}

/// The Secret and the key in it that hold the URL of the database.
pub(crate) fn url_secret(app: &ChatApp, source: &Source<'_>) -> (String, String) {
    match source {
        // https://cloudnative-pg.io/documentation/current/applications/
        Source::Cluster(_) => (format!("{}-app", names::database(app)), "uri".to_owned()),
        Source::External(external) => (
            external.url_secret_ref.name.clone(),
            external.url_secret_ref.key.clone(),
        ),
    }
}

/// Tells one database from another: a migration is done once for each. `None`: the Cluster doesn't exist yet.
pub(crate) fn identity(app: &ChatApp, source: &Source<'_>, observed: &Observed) -> Option<String> {
    match source {
        Source::Cluster(_) => live(app, observed)?
            .pointer("/metadata/uid")?
            .as_str()
            .map(str::to_owned),
        Source::External(external) => Some(format!(
            "{}/{}",
            external.url_secret_ref.name, external.url_secret_ref.key
        )),
    }
}

/// The `Cluster` as it is.
pub(crate) fn live<'a>(app: &ChatApp, observed: &'a Observed) -> Option<&'a Value> {
    observed.value(Kind::Cluster, &names::database(app))
}

/// Whether the `Cluster` was there before the ChatApp.
pub(crate) fn is_adopted(app: &ChatApp, observed: &Observed) -> bool {
    let cluster = live(app, observed)
        .and_then(|cluster| cluster.pointer("/metadata/creationTimestamp")?.as_str())
        .and_then(|time| time.parse::<Timestamp>().ok());
    let created = app.creation_timestamp().map(|time| time.0);
    cluster
        .zip(created)
        .is_some_and(|(cluster, app)| cluster < app)
}

/// The `Cluster` object.
pub(crate) fn cluster(app: &ChatApp, spec: &Cluster) -> Child {
    let labels = names::inherited_labels(app, Component::Database);
    let mut metadata = names::metadata(app, Component::Database, names::database(app));
    if app.spec.database.deletion_policy == DeletionPolicy::Retain {
        metadata.owner_references = None;
    }
    metadata.annotations = Some(BTreeMap::from([(
        OWNER_ANNOTATION.to_owned(),
        app.uid().unwrap_or_default(),
    )]));
    let mut object = json!({
        "apiVersion": Kind::Cluster.api_version(),
        "kind": Kind::Cluster.name(),
        "metadata": metadata,
        "spec": {
            "instances": spec.instances,
            "storage": { "size": spec.storage.size },
            "bootstrap": { "initdb": { "database": "app", "owner": "app" } },
            "inheritedMetadata": { "labels": labels },
            // The chat servers keep their connections: a primary that is to stop would wait for them in vain.
            "smartShutdownTimeout": 5,
        },
    });
    let optional = [
        (
            "/spec/imageName",
            spec.image.as_ref().map(|image| json!(image)),
        ),
        (
            "/spec/storage/storageClass",
            spec.storage
                .storage_class
                .as_ref()
                .map(|class| json!(class)),
        ),
        (
            "/spec/resources",
            spec.resources.as_ref().map(|resources| json!(resources)),
        ),
        ("/spec/postgresql", postgresql(spec)),
        (
            "/spec/imagePullSecrets",
            workload::pull_secrets(app).map(|secrets| json!(secrets)),
        ),
    ];
    for (pointer, value) in optional {
        if let (Some((parent, key)), Some(value)) = (pointer.rsplit_once('/'), value)
            && let Some(Value::Object(parent)) = object.pointer_mut(parent)
        {
            parent.insert(key.to_owned(), value);
        }
    }
    if let Value::Object(spec) = &mut object["spec"] {
        spec.extend(scheduling::of_cluster(app));
    }
    Child::new(chatapp_crds::ConditionType::DatabaseReady, object)
}

fn postgresql(spec: &Cluster) -> Option<Value> {
    let mut settings = serde_json::Map::new();
    if !spec.parameters.is_empty() {
        settings.insert("parameters".to_owned(), json!(spec.parameters));
    }
    if let Some(durability) = durability(spec.instances) {
        let synchronous = json!({ "method": "any", "number": 1, "dataDurability": durability });
        settings.insert("synchronous".to_owned(), synchronous);
    }
    (!settings.is_empty()).then(|| Value::Object(settings))
}

/// An acknowledged message is on a standby too, so that a failover does not lose it (docs/adr/0002). With one standby only, its
/// absence must not stop the chat.
/// <https://cloudnative-pg.io/documentation/current/replication/#data-durability-and-synchronous-replication>
fn durability(instances: i32) -> Option<&'static str> {
    match instances {
        ..=1 => None,
        2 => Some("preferred"),
        3.. => Some("required"),
    }
}

/// What has to go so that a corrected image gets through: CloudNativePG changes neither a pod that waits for an image nor an
/// unfinished Job, it waits for them. The Cluster itself goes only while its first instance was never made, so that it holds nothing.
pub(crate) fn stuck(app: &ChatApp, source: &Source<'_>, observed: &Observed) -> Vec<Deletion> {
    let (Source::Cluster(wanted), Some(cluster)) = (source, live(app, observed)) else {
        return Vec::new();
    };
    let text = |pointer: &str| cluster.pointer(pointer).and_then(Value::as_str);
    // Until CloudNativePG has taken up the spec, nobody knows what the pods would be made of.
    let Some(image) =
        text("/status/image").filter(|_| covers(cluster, &self::cluster(app, wanted).object))
    else {
        return Vec::new();
    };
    let is_outdated = |pod: &&Pod| pods::unpullable_image(pod).is_some_and(|wrong| wrong != image);
    let pods = observed.pods_of(Component::Database);
    let outdated = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter(is_outdated);
    let has_label = |pod: &Pod, label: &str, value: &str| {
        pod.labels().get(label).map(String::as_str) == Some(value)
    };
    let (first, others): (Vec<&Pod>, Vec<&Pod>) =
        outdated.partition(|pod| has_label(pod, JOB_ROLE_LABEL, "initdb"));
    let is_empty = text("/status/currentPrimary")
        .unwrap_or_default()
        .is_empty();
    if !first.is_empty() && is_empty {
        return Deletion::named(Kind::Cluster, cluster)
            .into_iter()
            .collect();
    }
    let instances = others
        .into_iter()
        .filter(|pod| has_label(pod, POD_ROLE_LABEL, "instance"));
    instances.filter_map(Deletion::of).collect()
}

/// Why the Cluster can't be as wanted: a ChatApp that adopts one, or whose Cluster was grown by hand, must not ask for less.
pub(crate) fn refusal(app: &ChatApp, source: &Source<'_>, observed: &Observed) -> Option<Verdict> {
    let Source::Cluster(wanted) = source else {
        return None;
    };
    let size = larger_size(app, wanted, observed)?;
    let message = format!(
        "Cluster {} has volumes of {size}, which can't shrink: write {size} or more to spec.database.cluster.storage.size",
        names::database(app),
    );
    Some(Verdict::failed("StorageWouldShrink", message))
}

/// The size of the volumes, if less is wanted.
fn larger_size<'a>(app: &ChatApp, wanted: &Cluster, observed: &'a Observed) -> Option<&'a str> {
    let size = live(app, observed)?
        .pointer("/spec/storage/size")?
        .as_str()?;
    (parse_quantity(&wanted.storage.size)? < parse_quantity(size)?).then_some(size)
}

/// The `Cluster` to apply. One whose volumes are too large keeps them and is as wanted otherwise: the policy of deletion above all,
/// since the garbage collector asks nobody. `None`: nor is one adopted that can't be as wanted.
pub(crate) fn applied(app: &ChatApp, wanted: &Cluster, observed: &Observed) -> Option<Child> {
    let mut child = cluster(app, wanted);
    if let Some(size) = larger_size(app, wanted, observed) {
        let is_ours = |live: &&Value| Owner::of(app).ownership_of_value(live) == Ownership::Ours;
        live(app, observed).filter(is_ours)?;
        child.object["spec"]["storage"]["size"] = json!(size);
    }
    Some(child)
}

/// Whether the database accepts what the ChatApp asks of it.
pub(crate) fn verdict(app: &ChatApp, source: &Source<'_>, observed: &Observed) -> Verdict {
    match source {
        Source::External(external) => Verdict::done(
            "External",
            format!(
                "the database is the one in Secret {}, key {}",
                external.url_secret_ref.name, external.url_secret_ref.key
            ),
        ),
        Source::Cluster(wanted) => cluster_verdict(app, wanted, observed),
    }
}

fn cluster_verdict(app: &ChatApp, wanted: &Cluster, observed: &Observed) -> Verdict {
    let name = names::database(app);
    if !observed.knows(Kind::Cluster) {
        return Verdict::waiting(
            "CloudNativePGMissing",
            format!(
                "the cluster doesn't know {} Cluster: install CloudNativePG, or use spec.database.external",
                Kind::Cluster.api_version()
            ),
        );
    }
    let Some(cluster) = live(app, observed) else {
        return Verdict::waiting(
            "ClusterCreating",
            format!("Cluster {name} is being created"),
        );
    };
    let text = |pointer: &str| {
        cluster
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let number = |pointer: &str| {
        cluster
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    let conditions = cluster
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let (instances, ready_instances) = (
        i64::from(wanted.instances),
        number("/status/readyInstances"),
    );
    // CloudNativePG's status has no observedGeneration: it counts only if the spec is what we ask for, and the image has arrived.
    let is_about_ours = covers(cluster, &self::cluster(app, wanted).object)
        && wanted
            .image
            .as_deref()
            .is_none_or(|image| text("/status/image") == image);
    if suspend::is_hibernating(cluster) {
        return Verdict::waiting(
            "ClusterHibernated",
            format!("Cluster {name} hibernates and is being woken up"),
        );
    }
    if ready && is_about_ours && ready_instances == instances {
        return Verdict::done(
            "ClusterReady",
            format!(
                "Cluster {name}: {ready_instances}/{instances} instances, primary {}",
                text("/status/currentPrimary")
            ),
        );
    }
    if let Some(trouble) = pods::trouble(&observed.pods_of(Component::Database)) {
        return trouble;
    }
    let phase = match (text("/status/phase"), text("/status/phaseReason")) {
        ("", _) => "not started".to_owned(),
        (phase, "") => phase.to_owned(),
        (phase, reason) => format!("{phase}: {reason}"),
    };
    Verdict::waiting(
        "ClusterNotReady",
        format!("Cluster {name}: {ready_instances}/{instances} instances ready, {phase}"),
    )
}
