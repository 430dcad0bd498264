//! What becomes of the database with the ChatApp's end.

use chatapp_crds::DATABASE_FINALIZER;
use jiff::Timestamp;

use super::*;
use crate::plan::{
    database,
    deletion::{self, Step},
    ownership::{OWNER_ANNOTATION, Owner, Ownership, adopted, retained},
};

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

fn plan(app: &ChatApp, observed: &Observed) -> Step {
    deletion::plan(app, app.spec.database.deletion_policy, observed)
}

/// As the operator makes it for [`app`].
fn cluster(app: &ChatApp) -> Value {
    let spec = app.spec.database.cluster.as_ref().expect("a cluster");
    let mut cluster = database::cluster(app, spec).object;
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
    let labels =
        json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/managed-by": "chatapp-operator"});
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
fn a_cluster_whose_labels_were_changed_is_left_behind_to_the_next_chat_app() {
    let retain = app("Retain", &[]);
    let mut edited = cluster(&retain);
    edited["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    let observed = with_cluster(&retain, edited.clone());
    assert_eq!(plan(&retain, &observed), Step::Retain(edited.clone()));
    let marks = retained(&edited, &Owner::of(&retain), Timestamp::UNIX_EPOCH);
    merge(&mut edited, &marks);
    let next = Owner {
        name: "demo",
        uid: "next",
    };
    assert_eq!(next.ownership_of_value(&edited), Ownership::LeftBehind);
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
    assert!(matches!(plan(&app, &observed), Step::Wait { deletions, .. } if deletions.is_empty()));
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
    let marks = retained(&cluster, &Owner::of(&app), Timestamp::UNIX_EPOCH);
    merge(&mut cluster, &marks);
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
    merge(&mut cluster, &marks);
    assert_eq!(next.ownership_of_value(&cluster), Ownership::Ours);
    assert_eq!(
        Owner::of(&app).ownership_of_value(&cluster),
        Ownership::LeftBehind
    );
}
