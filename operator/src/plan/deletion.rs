//! What happens before a deleted ChatApp is gone. The garbage collector takes its children; only the database needs a decision. Like
//! the plan of a pass it is a function of values, and it is made anew until it says that nothing is left to do.
//!
//! `Retain`: the Cluster stays and is marked, but not while a Job of ours works on it, since a new ChatApp of the name may adopt it at once.
//! `Delete`: the garbage collector takes it too. Nothing here waits for something that may never come where nothing is to be kept: not in a namespace that
//! is being deleted, and not for a Cluster that is gone or going.

use chatapp_crds::{ChatApp, DATABASE_FINALIZER, DeletionPolicy};
use k8s_openapi::{
    Resource,
    api::{
        batch::v1::{CronJob, Job},
        core::v1::Pod,
    },
};
use kube::ResourceExt;
use serde_json::Value;

use super::{
    Deletion, Observed, job, names,
    ownership::{self, Owner, Ownership},
    pods,
};
use crate::kinds::Kind;

/// Kubernetes' own finalizer of an object that is deleted without what it owns (`kubectl delete --cascade=orphan`).
const ORPHAN_FINALIZER: &str = "orphan";

/// Label that the Job controller puts on a Job's pods.
const JOB_NAME_LABEL: &str = "batch.kubernetes.io/job-name";

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Delete these and look again. The message says what is waited for.
    Wait {
        deletions: Vec<Deletion>,
        message: String,
    },
    /// Mark the Cluster as left behind, then release.
    Retain(Value),
    /// Remove the finalizer.
    Release,
}

/// Whether the ChatApp must not go without a look at its database.
pub(crate) fn needs_finalizer(app: &ChatApp) -> bool {
    app.spec.database.cluster.is_some()
}

pub(crate) fn has_finalizer(app: &ChatApp) -> bool {
    app.finalizers()
        .iter()
        .any(|finalizer| finalizer == DATABASE_FINALIZER)
}

/// Plans the next step for a ChatApp that is being deleted in a namespace that stays. `observed` has its Cluster, Jobs, CronJob and pods.
pub(crate) fn plan(app: &ChatApp, observed: &Observed) -> Step {
    let owner = Owner::of(app);
    let ours = observed
        .value(Kind::Cluster, &names::database(app))
        .filter(|cluster| {
            owner.ownership_of_value(cluster) == Ownership::Ours
                && cluster.pointer("/metadata/deletionTimestamp").is_none()
        });
    let Some(cluster) = ours else {
        return Step::Release;
    };
    let is_orphaned = app
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == ORPHAN_FINALIZER);
    // Without an owner it was orphaned a moment ago, or never was to be deleted as far as an operator has seen.
    let goes = app.spec.database.deletion_policy == DeletionPolicy::Delete
        && ownership::has_owner(cluster)
        && !is_orphaned;
    if goes {
        return Step::Release;
    }
    work_under_way(app, observed).unwrap_or_else(|| Step::Retain(cluster.clone()))
}

/// What of ours works on the database, or would begin to: Jobs of all parts, and the CronJob.
fn work_under_way(app: &ChatApp, observed: &Observed) -> Option<Step> {
    let owner = Owner::of(app);
    let mut jobs = observed.all::<Job>();
    jobs.retain(|job| {
        let is_ours = owner.ownership(job) != Ownership::Foreign || is_of_retention(app, job);
        names::is_made_by_us(job) && is_ours && !job::has_ended(job)
    });
    let cron_job = observed.get::<CronJob>(&names::retention(app));
    let pods = observed.all::<Pod>();
    let pod = pods.iter().find(|pod| {
        names::is_made_by_us(*pod)
            && pod.labels().contains_key(JOB_NAME_LABEL)
            && !pods::has_ended(pod)
    });
    let what = match (pod, jobs.first(), &cron_job) {
        (Some(pod), _, _) => {
            let name = pod.name_any();
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            let node = node.unwrap_or("none yet");
            format!(
                "pod {name}, which works on it, ends (if its node, {node}, is gone for good: kubectl delete pod {name} --force)"
            )
        }
        (None, Some(job), _) => format!("Job {}, which works on it, is stopped", job.name_any()),
        (None, None, Some(cron_job)) => {
            format!(
                "CronJob {}, which works on it, is gone",
                cron_job.name_any()
            )
        }
        (None, None, None) => return None,
    };
    let cron_job = cron_job.iter().filter_map(Deletion::of);
    Some(Step::Wait {
        deletions: cron_job
            .chain(jobs.iter().filter_map(Deletion::of))
            .collect(),
        message: format!(
            "being deleted; Cluster {} is left behind as soon as {what}",
            names::database(app)
        ),
    })
}

/// The CronJob owns what it starts.
fn is_of_retention(app: &ChatApp, job: &Job) -> bool {
    let mut owners = job.owner_references().iter();
    owners.any(|owner| owner.kind == CronJob::KIND && owner.name == names::retention(app))
}

/// What people are told about a Cluster that stays.
pub(crate) fn retained_note(app: &ChatApp) -> String {
    let (name, cluster) = (app.name_any(), names::database(app));
    format!(
        "Cluster {cluster} stays with all messages: a new ChatApp {name} in this namespace adopts it; to delete it: \
         kubectl delete clusters.postgresql.cnpg.io {cluster}"
    )
}

/// The finalizers with ours, or without.
pub(crate) fn finalizers(app: &ChatApp, ours: bool) -> Vec<String> {
    let others = app
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != DATABASE_FINALIZER);
    others
        .cloned()
        .chain(ours.then(|| DATABASE_FINALIZER.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::plan::ownership::{OWNER_ANNOTATION, adopted, retained};

    fn app(policy: &str, finalizers: &[&str]) -> ChatApp {
        serde_json::from_value(json!({
            "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
            "metadata": {"name": "demo", "namespace": "test", "uid": "app-uid", "finalizers": finalizers,
                "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"server": {"image": "server:1"}, "frontend": {"image": "page:1"},
                "database": {"deletionPolicy": policy, "cluster": {"storage": {"size": "1Gi"}}}},
        }))
        .expect("a ChatApp")
    }

    /// As the operator makes it for [`app`].
    fn cluster(app: &ChatApp) -> Value {
        let spec = app.spec.database.cluster.as_ref().expect("a cluster");
        let mut cluster = crate::plan::database::cluster(app, spec).object;
        cluster["metadata"]["uid"] = json!("cluster-uid");
        cluster
    }

    fn with_cluster(app: &ChatApp, cluster: Value) -> Observed {
        let mut observed = Observed::of(app);
        observed.put(Kind::Cluster, cluster);
        observed
    }

    fn migration(name: &str, conditions: &Value) -> Value {
        let owners = json!([{"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": "demo", "uid": "app-uid", "controller": true}]);
        let labels = json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/managed-by": "chatapp-operator"});
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": format!("uid-of-{name}"), "labels": labels, "ownerReferences": owners},
            "status": {"conditions": conditions},
        }))
        .expect("a Job")
    }

    fn pod(phase: &str) -> Value {
        let labels = json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/managed-by": "chatapp-operator", "batch.kubernetes.io/job-name": "new"});
        let pod = json!({"metadata": {"name": "p", "labels": labels}, "spec": {"nodeName": "n1", "containers": []}, "status": {"phase": phase}});
        serde_json::from_value(pod).expect("a Pod")
    }

    #[test]
    fn a_retained_cluster_has_no_owner_from_the_start() {
        // The garbage collector doesn't ask finalizers when a ChatApp is deleted in the foreground.
        let retain = app("Retain", &[]);
        let cluster = cluster(&retain);
        assert!(!ownership::has_owner(&cluster), "{cluster}");
        assert_eq!(
            Owner::of(&retain).ownership_of_value(&cluster),
            Ownership::Ours
        );
    }

    #[test]
    fn retain_leaves_the_cluster_and_delete_does_not() {
        let retain = app("Retain", &[]);
        let ours = cluster(&retain);
        assert_eq!(
            plan(&retain, &with_cluster(&retain, ours.clone())),
            Step::Retain(ours)
        );
        let delete = app("Delete", &[]);
        let theirs = cluster(&delete);
        assert_eq!(plan(&delete, &with_cluster(&delete, theirs)), Step::Release);
    }

    #[test]
    fn in_doubt_the_cluster_stays() {
        // The policy was changed a moment ago, or the Cluster has lost its owner by an orphaning deletion.
        let (retain, delete) = (app("Retain", &[]), app("Delete", &[]));
        for (app, cluster) in [(&retain, cluster(&delete)), (&delete, cluster(&retain))] {
            let observed = with_cluster(app, cluster);
            assert!(matches!(plan(app, &observed), Step::Retain(_)));
        }
    }

    #[test]
    fn deleted_without_its_children_it_leaves_the_cluster_too() {
        let delete = app("Delete", &["orphan", DATABASE_FINALIZER]);
        assert!(matches!(
            plan(&delete, &with_cluster(&delete, cluster(&delete))),
            Step::Retain(_)
        ));
    }

    #[test]
    fn where_there_is_nothing_to_decide_it_is_released_at_once() {
        for policy in ["Retain", "Delete"] {
            let app = app(policy, &[]);
            let mut going = cluster(&app);
            going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            let foreign = json!({"metadata": {"name": "demo-db", "uid": "theirs"}});
            for cluster in [None, Some(going), Some(foreign)] {
                let mut observed = Observed::of(&app);
                if let Some(cluster) = cluster {
                    observed.put(Kind::Cluster, cluster);
                }
                observed.put(Kind::Job, migration("m", &json!([])));
                observed.put(Kind::Pod, pod("Running"));
                assert_eq!(plan(&app, &observed), Step::Release, "{observed:?}");
            }
        }
    }

    #[test]
    fn a_migration_is_stopped_before_the_cluster_is_left_behind() {
        let app = app("Retain", &[]);
        let mut observed = with_cluster(&app, cluster(&app));
        let ended = json!([{"type": "Complete", "status": "True"}]);
        observed.put(Kind::Job, migration("old", &ended));
        observed.put(Kind::Job, migration("new", &json!([])));
        observed.put(Kind::Pod, pod("Running"));
        let Step::Wait { deletions, message } = plan(&app, &observed) else {
            panic!("doesn't wait")
        };
        let names: Vec<&str> = deletions
            .iter()
            .map(|deletion| deletion.name.as_str())
            .collect();
        assert_eq!(names, ["new"]);
        assert!(
            message.contains("pod p") && message.contains("its node, n1,"),
            "{message}"
        );

        // The Job is gone, its pod not yet.
        observed.remove(Kind::Job, "new");
        assert!(
            matches!(plan(&app, &observed), Step::Wait { deletions, .. } if deletions.is_empty())
        );
        observed.put(Kind::Pod, pod("Failed"));
        assert!(matches!(plan(&app, &observed), Step::Retain(_)));
    }

    #[test]
    fn jobs_of_every_part_and_what_starts_them_are_stopped_too() {
        let app = app("Retain", &[]);
        let mut observed = with_cluster(&app, cluster(&app));
        observed.put(Kind::CronJob, migration("demo-purge", &json!([])));
        let started = |name: &str, by: &str| {
            let mut job = migration(name, &json!([]));
            job["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": by, "uid": "c", "controller": true}]);
            job
        };
        observed.put(Kind::Job, started("demo-purge-1", "demo-purge"));
        observed.put(Kind::Job, started("foreign", "backup"));
        let mut import = migration("demo-import-1", &json!([]));
        import["metadata"]["labels"]["app.kubernetes.io/component"] = json!("import");
        observed.put(Kind::Job, import);
        let Step::Wait { deletions, .. } = plan(&app, &observed) else {
            panic!("doesn't wait")
        };
        let names: Vec<&str> = deletions
            .iter()
            .map(|deletion| deletion.name.as_str())
            .collect();
        assert_eq!(names, ["demo-purge", "demo-import-1", "demo-purge-1"]);

        observed.remove(Kind::Job, "demo-purge-1");
        observed.remove(Kind::Job, "demo-import-1");
        let Step::Wait { message, .. } = plan(&app, &observed) else {
            panic!("doesn't wait")
        };
        assert!(message.contains("CronJob demo-purge"), "{message}");
        observed.remove(Kind::CronJob, "demo-purge");
        assert!(matches!(plan(&app, &observed), Step::Retain(_)));
    }

    #[test]
    fn a_retained_cluster_is_adopted_by_the_next_chat_app_of_the_name_only() {
        let app = app("Delete", &[]);
        let mut cluster = cluster(&app);
        let marks = retained(&cluster, Timestamp::UNIX_EPOCH);
        json_patch(&mut cluster, &marks);
        assert_eq!(
            cluster["metadata"]["annotations"]["sillychat.io/retained-at"],
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(
            cluster["metadata"]["annotations"][OWNER_ANNOTATION],
            "app-uid"
        );
        assert!(!ownership::has_owner(&cluster), "{cluster}");
        assert_eq!(
            plan(&app, &with_cluster(&app, cluster.clone())),
            Step::Release
        );

        let next = Owner {
            name: "demo",
            uid: "next",
        };
        assert_eq!(next.ownership_of_value(&cluster), Ownership::LeftBehind);
        assert_eq!(
            Owner {
                name: "other",
                uid: "next"
            }
            .ownership_of_value(&cluster),
            Ownership::Foreign
        );
        let marks = adopted(&cluster, &next);
        json_patch(&mut cluster, &marks);
        assert_eq!(next.ownership_of_value(&cluster), Ownership::Ours);
        assert_eq!(
            Owner::of(&app).ownership_of_value(&cluster),
            Ownership::LeftBehind
        );
    }

    /// A merge patch (RFC 7396).
    fn json_patch(target: &mut Value, patch: &Value) {
        let Value::Object(fields) = patch else {
            *target = patch.clone();
            return;
        };
        for (key, value) in fields {
            if value.is_null() {
                target.as_object_mut().expect("an object").remove(key);
            } else {
                json_patch(&mut target[key.as_str()], value);
            }
        }
    }

    #[test]
    fn what_a_former_namesake_owned_is_leaving_and_what_nobody_owns_is_left_behind() {
        let child = |owner: Option<(&str, &str)>, labels: &Value| {
            let owners: Vec<Value> = owner
                .iter()
                .map(|(name, uid)| json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": name, "uid": uid, "controller": true}))
                .collect();
            json!({"metadata": {"name": "demo-server", "labels": labels, "ownerReferences": owners}})
        };
        let ours = json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/managed-by": "chatapp-operator"});
        let owner = Owner {
            name: "demo",
            uid: "u",
        };
        let ownership = |object: Value| owner.ownership_of_value(&object);
        assert_eq!(
            ownership(child(Some(("demo", "u")), &ours)),
            Ownership::Ours
        );
        assert_eq!(
            ownership(child(Some(("demo", "former")), &ours)),
            Ownership::Leaving
        );
        assert_eq!(
            ownership(child(Some(("other", "v")), &ours)),
            Ownership::Foreign
        );
        assert_eq!(ownership(child(None, &ours)), Ownership::LeftBehind);
        assert_eq!(
            ownership(child(None, &json!({"sillychat.io/chatapp": "demo"}))),
            Ownership::Foreign
        );
    }
}
