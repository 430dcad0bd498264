use serde_json::{Value, json};

use super::{retry, status::status, why::why, *};
use crate::{live::Children, plan::Observed};

const NOW: &str = "2026-01-01T12:00:00Z";

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message, "observedGeneration": 2,
        "lastTransitionTime": "2026-01-01T09:00:00Z"})
}

/// A ChatApp in the middle of an upgrade whose migration stands so.
fn upgrading(reason: &str, message: &str, phase: &str) -> ChatApp {
    let app = json!({
        "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
        "metadata": {"name": "demo", "namespace": "dev", "uid": "app", "generation": 2},
        "spec": {"server": {"image": "server:2"}, "frontend": {"image": "page:1"}, "database": {"cluster": {"instances": 2, "storage": {"size": "1Gi"}}}},
        "status": {
            "observedGeneration": 2, "phase": phase, "url": "http://demo-frontend.dev.svc", "image": "server:1", "schemaVersion": 5,
            "upgrade": {"from": "server:1", "to": "server:2", "migrations": ["6 attachments"]},
            "replicas": 2, "readyReplicas": 2, "ready": "2/2",
            "conditions": [
                condition("DatabaseReady", "True", "ClusterReady", "Cluster demo-db: 2/2 instances, primary demo-db-1"),
                condition("Migrated", "False", reason, message),
                condition("ContentLoaded", "True", "BuiltIn", "spec.content is absent: the built-in content, or what was imported, is in force"),
                condition("ServerAvailable", "False", "WaitingForMigration", &format!("the new version waits for Migrated ({reason})")),
                condition("FrontendAvailable", "False", "WaitingForServer", "the page waits for ServerAvailable (WaitingForMigration)"),
                condition("RouteReady", "True", "NotWanted", "there is no spec.route: the page has an address in the cluster only"),
                condition("RetentionEnforced", "True", "Purged", "messages older than 365 days were deleted 2 days ago"),
                condition("Ready", "False", reason, message),
            ],
        },
    });
    serde_json::from_value(app).expect("a ChatApp")
}

fn failed() -> ChatApp {
    upgrading(
        "MigrationFailed",
        "Job demo-migrate-1234567890 has failed: exit code 1: no such table\nchats; the former version serves on",
        "Degraded",
    )
}

/// The app with other conditions.
fn with(conditions: &[Value]) -> ChatApp {
    let mut app = json!(failed());
    app["status"]["conditions"] = json!(conditions);
    serde_json::from_value(app).expect("a ChatApp")
}

fn child(kind: Kind, name: &str, component: &str, fields: Value) -> (Kind, Value) {
    let mut object = fields;
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.name());
    object["metadata"] = json!({
        "name": name, "uid": format!("uid-of-{name}"),
        "labels": {"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": component},
        "ownerReferences": [{"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": "demo", "uid": "app", "controller": true}],
    });
    (kind, object)
}

fn pod(name: &str, component: &str, owner: &str, status: &Value) -> (Kind, Value) {
    let (kind, mut pod) = child(Kind::Pod, name, component, json!({ "status": status }));
    pod["metadata"]["ownerReferences"][0]["uid"] = json!(owner);
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T11:58:30Z");
    (kind, pod)
}

fn children(app: &ChatApp) -> Children {
    let mut observed = Observed::of(app);
    let runs = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    let job = "demo-migrate-1234567890";
    let deployment = |image: &str, replicas: u32| {
        json!({"spec": {"replicas": replicas, "selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
            "status": {"readyReplicas": replicas, "updatedReplicas": replicas}})
    };
    for (kind, object) in [
        child(Kind::ServiceAccount, "demo-pods", "shared", json!({})),
        child(Kind::Service, "demo-server", "server", json!({})),
        child(Kind::Service, "demo-frontend", "frontend", json!({})),
        child(
            Kind::Cluster,
            "demo-db",
            "database",
            json!({"spec": {"instances": 2},
            "status": {"readyInstances": 2, "phase": "Cluster in healthy state", "currentPrimary": "demo-db-1"}}),
        ),
        pod("demo-db-1", "database", "cluster", &runs),
        pod("demo-db-2", "database", "cluster", &runs),
        child(
            Kind::Job,
            job,
            "migration",
            json!({"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T11:30:00Z"}]}}),
        ),
        pod(
            "demo-migrate-1234567890-x",
            "migration",
            &format!("uid-of-{job}"),
            &json!({"phase": "Failed"}),
        ),
        child(
            Kind::Deployment,
            "demo-server",
            "server",
            deployment("server:1", 2),
        ),
        pod("demo-server-a", "server", "replicaset", &runs),
        pod(
            "demo-server-b",
            "server",
            "replicaset",
            &json!({"phase": "Running", "containerStatuses": [
            {"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        ),
        child(
            Kind::CronJob,
            "demo-purge",
            "retention",
            json!({"spec": {"schedule": "7 3 * * *", "jobTemplate": {}}, "status": {"lastSuccessfulTime": "2025-12-30T03:07:10Z"}}),
        ),
        child(
            Kind::Deployment,
            "demo-frontend",
            "frontend",
            deployment("page:1", 1),
        ),
        pod("demo-frontend-a", "frontend", "replicaset", &runs),
    ] {
        observed.put(kind, object);
    }
    Children {
        observed,
        hidden: vec!["ingresses"],
    }
}

#[test]
fn the_tree_shows_the_gate_and_what_is_in_the_way() {
    let app = failed();
    let now = NOW.parse().expect("a time");
    insta::assert_snapshot!(status(&app, &children(&app), now));
}

#[test]
fn a_chat_app_that_nobody_has_seen_is_no_empty_screen() {
    let mut app = failed();
    app.status = None;
    let none = Children {
        observed: Observed::of(&app),
        hidden: Vec::new(),
    };
    insta::assert_snapshot!(status(&app, &none, NOW.parse().expect("a time")));
}

#[test]
fn the_reason_is_one_line_with_the_object_and_the_field() {
    let said = |app: &ChatApp| why(app).line;
    assert_eq!(
        said(&failed()),
        "demo is not ready: job/demo-migrate-1234567890 (spec.server.image): Migrated is False, MigrationFailed: \
         Job demo-migrate-1234567890 has failed: exit code 1: no such table; chats; the former version serves on"
    );
    let cases = [
        (
            "DatabaseReady",
            "ClusterNotReady",
            "Cluster demo-db: 1/3 instances ready, Setting up primary",
            "cluster.postgresql.cnpg.io/demo-db (spec.database.cluster)",
        ),
        (
            "DatabaseReady",
            "StorageWouldShrink",
            "Cluster demo-db has volumes of 2Gi, which can't shrink",
            "cluster.postgresql.cnpg.io/demo-db (spec.database.cluster.storage.size)",
        ),
        (
            "ContentLoaded",
            "ContentMissing",
            "ConfigMap words does not exist: create it",
            "configmap/words (spec.content.configMapRef.name)",
        ),
        (
            "ServerAvailable",
            "ImagePullBackOff",
            "pod demo-server-1, container chat-server (x:2): ImagePullBackOff: no",
            "pod/demo-server-1 (spec.server.image)",
        ),
        (
            "FrontendAvailable",
            "ImagePullBackOff",
            "pod demo-frontend-1, container frontend: ImagePullBackOff: no",
            "pod/demo-frontend-1 (spec.frontend.image)",
        ),
        (
            "ServerAvailable",
            "Unschedulable",
            "pod demo-server-1 can't be scheduled: 0/1 nodes",
            "pod/demo-server-1 (spec.server.resources)",
        ),
        (
            "ServerAvailable",
            "ApplyRefused",
            "Service demo-server exists already",
            "service/demo-server (spec.server)",
        ),
        (
            "RouteReady",
            "WaitingForGateway",
            "HTTPRoute demo: nobody has said Accepted for Gateway public yet",
            "httproute.gateway.networking.k8s.io/demo (spec.route)",
        ),
        (
            "DatabaseReady",
            "Suspending",
            "spec.suspend: pod demo-server-1, pod demo-server-2 are being stopped",
            "pod/demo-server-1 (spec.suspend)",
        ),
    ];
    for (type_, reason, message, expected) in cases {
        let app = with(&[
            condition(type_, "False", reason, message),
            condition("Ready", "False", reason, message),
        ]);
        let line = said(&app);
        assert!(
            line.starts_with(&format!(
                "demo is not ready: {expected}: {type_} is False, {reason}: "
            )),
            "{line}"
        );
    }
}

#[test]
fn a_report_of_a_former_generation_or_none_is_not_believed() {
    let ready = with(&[condition(
        "Ready",
        "True",
        "Available",
        "the chat is served",
    )]);
    assert_eq!(
        why(&ready).line,
        "demo is ready: the chat is served, http://demo-frontend.dev.svc"
    );
    assert!(why(&ready).is_ready);
    let mut changed = ready.clone();
    changed.metadata.generation = Some(3);
    assert!(!why(&changed).is_ready);
    assert!(
        why(&changed).line.contains("has not seen generation 3"),
        "{}",
        why(&changed).line
    );
    let mut new = ready;
    new.status = None;
    assert!(
        why(&new).line.contains("has not seen it yet"),
        "{}",
        why(&new).line
    );
}

#[test]
fn only_what_has_failed_is_run_again() {
    assert_eq!(retry::failed(&failed()), [ConditionType::Migrated]);
    let runs = upgrading(
        "Migrating",
        "Job demo-migrate-1234567890 is running",
        "Progressing",
    );
    assert_eq!(retry::failed(&runs), []);
    let between = upgrading(
        "MigrationRetrying",
        "Job demo-migrate-1234567890: try 1 of 7 has failed",
        "Progressing",
    );
    assert_eq!(retry::failed(&between), [ConditionType::Migrated]);
    let patch = retry::patch(&failed(), NOW.parse().expect("a time"));
    assert_eq!(
        patch["metadata"]["annotations"]["sillychat.io/retry-migration"],
        NOW
    );
    assert_eq!(patch["metadata"]["uid"], "app");
}
