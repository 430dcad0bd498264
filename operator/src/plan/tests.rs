//! Walks through the gate with a world of values: what the plan wants is put into the observed state, as the API server and the
//! other controllers would.

use chatapp_crds::ConditionType::{
    self, DatabaseReady, FrontendAvailable, Migrated, ServerAvailable,
};
use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentStatus},
    batch::v1::Job,
};

use super::*;

mod content;
mod fields;
mod import;
mod retention;
mod shape;
mod upgrade;

fn chatapp(image: &str) -> ChatApp {
    serde_json::from_value(json!({
        "apiVersion": "sillychat.io/v1alpha1",
        "kind": "ChatApp",
        "metadata": {"name": "demo", "namespace": "test", "uid": "app-uid", "generation": 1,
            "labels": {"app.kubernetes.io/instance": "argocd-says", "team": "x"},
            "annotations": {"argocd.argoproj.io/tracking-id": "demo:sillychat.io/ChatApp:test/demo"}},
        "spec": {
            "server": {"image": image, "replicas": 2, "env": [{"name": "RUST_LOG", "value": "debug"}]},
            "frontend": {"image": "page@sha256:1", "replicas": 1},
            "database": {"cluster": {"instances": 2, "image": "postgres:15", "storage": {"size": "1Gi"}, "parameters": {"max_connections": "50"}}},
            "content": {"configMapRef": {"name": "words"}},
        },
    }))
    .expect("a ChatApp")
}

/// What a real cluster would make of the plans.
struct World {
    observed: Observed,
    /// The Job that was made last.
    job: Option<String>,
    /// Everything that a plan wanted so far, as the last that did wanted it.
    wanted: Vec<Child>,
}

impl World {
    fn new() -> Self {
        let words = serde_json::from_value(
            json!({"metadata": {"name": "words"}, "data": {"content.yaml": "greetings: [hi]"}}),
        );
        let mut observed = Observed::of(&chatapp("any"));
        observed.content = Some(words.expect("a ConfigMap"));
        Self {
            observed,
            job: None,
            wanted: Vec::new(),
        }
    }

    /// Plans and applies.
    fn pass(&mut self, app: &ChatApp) -> Plan {
        let plan = plan(app, &self.observed);
        for Deletion { kind, name, .. } in &plan.deletions {
            let kind = Kind::named(kind).expect("a kind");
            self.observed.remove(kind, name);
        }
        for child in &plan.children {
            let is_same = |former: &&mut Child| {
                (former.kind(), former.name()) == (child.kind(), child.name())
            };
            match self.wanted.iter_mut().find(is_same) {
                Some(former) => *former = child.clone(),
                None => self.wanted.push(child.clone()),
            }
            self.apply(child);
        }
        plan
    }

    fn apply(&mut self, child: &Child) {
        let (kind, name) = (Kind::named(child.kind()).expect("a kind"), child.name());
        let former = self.observed.remove(kind, name);
        let mut object = child.object.clone();
        // As server-side apply: a field that is given up keeps its value.
        if let (Some(pointer), Some(former)) = (child.given_up, &former)
            && let (None, Some(value)) = (object.pointer(pointer), former.pointer(pointer))
            && let Some((parent, field)) = pointer.rsplit_once('/')
        {
            object.pointer_mut(parent).expect("a parent")[field] = value.clone();
        }
        let is_same = former
            .as_ref()
            .is_some_and(|former| former["spec"] == object["spec"]);
        let metadata = former.as_ref().map(|former| &former["metadata"]);
        let generation = metadata
            .and_then(|metadata| metadata["generation"].as_i64())
            .unwrap_or(0);
        object["metadata"]["generation"] = json!(if is_same { generation } else { generation + 1 });
        object["metadata"]["uid"] = match metadata {
            Some(metadata) => metadata["uid"].clone(),
            None if kind == Kind::Cluster => json!("cluster-uid"),
            None => json!(format!("uid-of-{name}")),
        };
        if kind == Kind::Job && former.is_none() {
            self.job = Some(name.to_owned());
        }
        if let Some(status) = former.as_ref().and_then(|former| former.get("status")) {
            object["status"] = status.clone();
        }
        self.observed.put(kind, object);
    }

    fn object(&mut self, kind: Kind, name: &str) -> &mut Value {
        self.observed.value_mut(kind, name).expect("an object")
    }

    fn cluster(&mut self) -> &mut Value {
        self.object(Kind::Cluster, "demo-db")
    }

    fn server(&self) -> Option<Deployment> {
        self.observed.get("demo-server")
    }

    fn job(&self) -> String {
        self.job.clone().expect("a Job")
    }

    /// Whether the Job that was made last is still there.
    fn has_job(&self) -> bool {
        let job = self.job.as_ref();
        job.is_some_and(|job| self.observed.value(Kind::Job, job).is_some())
    }

    fn jobs_of(&self, component: Component) -> Vec<Job> {
        job::jobs_of(&self.observed, component)
    }

    fn database_is_ready(&mut self) {
        self.cluster()["status"] = json!({"phase": "Cluster in healthy state", "readyInstances": 2, "image": "postgres:15", "currentPrimary": "demo-db-1",
            "conditions": [{"type": "Ready", "status": "True"}]});
    }

    fn job_ends(&mut self, condition: &str) {
        let job = self.job();
        self.object(Kind::Job, &job)["status"] =
            json!({"conditions": [{"type": condition, "status": "True"}]});
    }

    /// All Jobs that run come to a good end, and those that are made then.
    fn jobs_end(&mut self, app: &ChatApp) {
        for _ in 0..4 {
            self.pass(app);
            for job in self.observed.ours::<Job>() {
                let job = self.object(Kind::Job, &job.name_any());
                if job["status"].is_null() {
                    job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
                }
            }
        }
        self.pass(app);
    }

    fn rolls_out(&mut self, name: &str) {
        let deployment: Deployment = self.observed.get(name).expect("a Deployment");
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        self.object(Kind::Deployment, name)["status"] = json!(DeploymentStatus {
            observed_generation: deployment.metadata.generation,
            replicas,
            updated_replicas: replicas,
            available_replicas: replicas,
            ready_replicas: replicas,
            ..DeploymentStatus::default()
        });
    }

    /// Everything that is under way comes to a good end.
    fn installed(app: &ChatApp) -> Self {
        let mut world = Self::new();
        world.pass(app);
        world.database_is_ready();
        world.upgrade_succeeds(app);
        world
    }

    fn upgrade_succeeds(&mut self, app: &ChatApp) {
        self.jobs_end(app);
        self.rolls_out("demo-server");
        self.pass(app);
        self.rolls_out("demo-frontend");
        let plan = self.pass(app);
        assert!(
            plan.verdicts.iter().all(|(_, verdict)| verdict.is_done()),
            "{:?}",
            plan.verdicts
        );
    }

    fn server_image(&self) -> Option<String> {
        let template = self.server()?.spec?.template;
        template.spec?.containers.first()?.image.clone()
    }

    fn pod(&mut self, component: Component, job: Option<&str>, container: &Value) {
        let mut labels = json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": component.as_str()});
        if let Some(job) = job {
            labels["batch.kubernetes.io/job-name"] = json!(job);
        }
        let owners: Vec<Value> = job
            .iter()
            .map(|job| json!({"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": format!("uid-of-{job}"), "controller": true}))
            .collect();
        let pods = self.observed.found(Kind::Pod).count();
        let pod = json!({"metadata": {"name": format!("pod-{pods}"), "labels": labels, "ownerReferences": owners},
            "status": {"phase": "Pending", "containerStatuses": [container]}});
        self.observed.put(Kind::Pod, pod);
    }
}

/// `+` done, `~` waiting, `!` failed.
fn states(plan: &Plan) -> String {
    let state = |(type_, verdict): &(ConditionType, Verdict)| {
        let sign = match verdict {
            Verdict::Done(_) => '+',
            Verdict::Waiting(_) => '~',
            Verdict::Failed(_) => '!',
        };
        format!("{}{sign}", type_.as_str())
    };
    plan.verdicts
        .iter()
        .map(state)
        .collect::<Vec<_>>()
        .join(" ")
}

fn verdict(plan: &Plan, type_: ConditionType) -> &Verdict {
    &plan
        .verdicts
        .iter()
        .find(|(present, _)| *present == type_)
        .expect("a verdict of each type")
        .1
}

fn child_of_kind<'a>(plan: &'a Plan, kind: &str) -> &'a Child {
    let mut children = plan.children.iter();
    children
        .find(|child| child.kind() == kind)
        .expect("a child of that kind")
}

/// Kind and name, without the hash of a Job.
fn kinds(plan: &Plan) -> Vec<String> {
    let name = |child: &Child| {
        let parts: Vec<&str> = child.name().splitn(3, '-').collect();
        parts[..parts.len().min(2)].join("-")
    };
    plan.children
        .iter()
        .map(|child| format!("{}/{}", child.kind(), name(child)))
        .collect()
}

fn waiting_container(reason: &str, message: &str) -> Value {
    json!({"name": "chat-server", "image": "server:2", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": reason, "message": message}}})
}

#[test]
fn the_children_of_an_app() {
    let world = World::installed(&chatapp("server:1"));
    let objects: Vec<&Value> = world.wanted.iter().map(|child| &child.object).collect();
    // Sorted: whether serde_json keeps the order depends on what else is built in the workspace.
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_yaml_snapshot!(objects);
    });
}

#[test]
fn each_step_waits_for_the_one_before() {
    let app = chatapp("server:1");
    let mut world = World::new();
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan),
        [
            "ServiceAccount/demo-pods",
            "Service/demo-server",
            "Service/demo-frontend",
            "NetworkPolicy/demo-frontend",
            "NetworkPolicy/demo-server",
            "NetworkPolicy/demo-jobs",
            "NetworkPolicy/demo-db",
            "Cluster/demo-db"
        ]
    );

    world.database_is_ready();
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan).last().map(String::as_str),
        Some("Job/demo-migrate")
    );
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );

    world.job_ends("Complete");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan)[kinds(&plan).len() - 2..],
        ["ConfigMap/demo-content", "Job/demo-content"]
    );

    world.job_ends("Complete");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan)[kinds(&plan).len() - 2..],
        ["PodDisruptionBudget/demo-server", "Deployment/demo-server"]
    );

    world.rolls_out("demo-server");
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable~ RouteReady+"
    );
    world.rolls_out("demo-frontend");
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
}

#[test]
fn without_cloudnative_pg_it_waits_and_says_so() {
    let mut world = World::new();
    world.observed.set_unknown(Kind::Cluster);
    let plan = world.pass(&chatapp("server:1"));
    assert_eq!(
        verdict(&plan, DatabaseReady).reason().reason,
        "CloudNativePGMissing"
    );
    assert!(!kinds(&plan).iter().any(|kind| kind.starts_with("Cluster")));
}

#[test]
fn a_failed_migration_keeps_the_former_version_and_is_undone_by_the_former_spec() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Failed");
    let job = world.job();
    let ended = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "message": "column missing"}}});
    world.pod(Component::Migration, Some(&job), &ended);
    let plan = world.pass(&two);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated! ContentLoaded+ ServerAvailable! FrontendAvailable+ RouteReady+"
    );
    assert!(
        verdict(&plan, Migrated)
            .reason()
            .message
            .contains("exit code 1: column missing"),
        "{:?}",
        verdict(&plan, Migrated)
    );
    assert_eq!(world.server_image().as_deref(), Some("server:1"));

    let plan = world.pass(&one);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert!(!world.has_job(), "the failed Job goes");
}

#[test]
fn a_spec_that_changes_while_a_migration_runs_waits_for_its_end() {
    let (one, two, three) = (
        chatapp("server:1"),
        chatapp("server:2"),
        chatapp("server:3"),
    );
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    let running = world.job();
    world.pod(
        Component::Migration,
        Some(&running),
        &waiting_container("PodInitializing", ""),
    );

    let plan = world.pass(&three);
    assert_eq!(plan.deletions.len(), 1);
    assert_eq!(
        verdict(&plan, Migrated).reason().reason,
        "WaitingForFormerMigration"
    );
    // The Job is gone, its pod is not.
    let plan = world.pass(&three);
    assert_eq!(
        verdict(&plan, Migrated).reason().reason,
        "WaitingForFormerMigration"
    );
    assert!(!world.has_job());
    world.observed.remove_all(Kind::Pod);
    assert_eq!(
        verdict(&world.pass(&three), Migrated).reason().reason,
        "MigrationStarting"
    );
}

#[test]
fn no_job_starts_while_one_of_a_former_chat_app_of_the_name_runs() {
    let app = chatapp("server:1");
    let mut world = World::new();
    world.pass(&app);
    world.database_is_ready();
    let former = json!({"metadata": {"name": "demo-import-1", "uid": "former", "labels": {"sillychat.io/chatapp": "demo",
            "app.kubernetes.io/component": "import", "app.kubernetes.io/managed-by": "chatapp-operator"},
        "ownerReferences": [{"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": "demo", "uid": "former-app", "controller": true}]}});
    world.observed.put(Kind::Job, former);
    let plan = world.pass(&app);
    let reason = verdict(&plan, Migrated).reason().clone();
    assert_eq!(reason.reason, "WaitingForFormerMigration");
    assert!(reason.message.contains("Job demo-import-1"), "{reason:?}");
    assert!(plan.deletions.is_empty(), "{:?}", plan.deletions);

    world.object(Kind::Job, "demo-import-1")["status"] =
        json!({"conditions": [{"type": "Failed", "status": "True"}]});
    assert_eq!(
        verdict(&world.pass(&app), Migrated).reason().reason,
        "MigrationStarting"
    );
}

#[test]
fn jobs_of_others_are_left_alone_even_with_our_label() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let foreign = json!({"metadata": {"name": "demo-db-1-initdb", "uid": "other", "labels": {"sillychat.io/chatapp": "demo"},
        "ownerReferences": [{"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "demo-db", "uid": "cluster-uid", "controller": true}]}});
    world.observed.put(Kind::Job, foreign);
    let plan = world.pass(&chatapp("server:2"));
    assert!(
        plan.deletions
            .iter()
            .all(|deletion| deletion.uid != "other"),
        "{:?}",
        plan.deletions
    );
}

#[test]
fn while_the_gate_is_closed_the_former_version_is_scaled_and_repaired() {
    let mut world = World::installed(&chatapp("server:1"));
    let mut two = chatapp("server:2");
    two.spec.server.replicas = Some(5);
    let plan = world.pass(&two);
    let server = plan
        .children
        .iter()
        .find(|child| child.name() == "demo-server" && child.kind() == "Deployment")
        .expect("the Deployment");
    assert_eq!(server.object.pointer("/spec/replicas"), Some(&json!(5)));
    assert_eq!(
        server
            .object
            .pointer("/spec/template/spec/containers/0/image"),
        Some(&json!("server:1"))
    );
}

#[test]
fn a_wrong_image_is_named_and_its_correction_recovers() {
    let (one, wrong) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&wrong);
    world.pass(&wrong);
    let job = world.job();
    world.pod(
        Component::Migration,
        Some(&job),
        &waiting_container("ImagePullBackOff", "Back-off pulling image"),
    );
    let plan = world.pass(&wrong);
    let Verdict::Failed(reason) = verdict(&plan, Migrated) else {
        panic!("{:?}", verdict(&plan, Migrated))
    };
    assert_eq!(reason.reason, "ImagePullBackOff");
    assert!(
        reason.message.contains("server:2") && reason.message.contains("pod-0"),
        "{}",
        reason.message
    );
    let pod = world.object(Kind::Pod, "pod-0");
    pod["spec"] = json!({"containers": [], "imagePullSecrets": [{"name": "pull"}]});
    let plan = world.pass(&wrong);
    assert!(
        verdict(&plan, Migrated)
            .reason()
            .message
            .contains("it is pulled with Secret pull: is it there"),
        "{:?}",
        verdict(&plan, Migrated)
    );
    assert_eq!(
        states(&world.pass(&one)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
}

#[test]
fn a_database_in_trouble_is_told_and_stops_nothing_that_runs() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.cluster()["status"]["readyInstances"] = json!(1);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert!(
        verdict(&plan, DatabaseReady)
            .reason()
            .message
            .contains("1/2 instances ready")
    );
}

#[test]
fn an_old_pod_that_is_still_there_is_not_available_yet() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.object(Kind::Deployment, "demo-server")["status"]["replicas"] = json!(3);
    assert_eq!(
        verdict(&world.pass(&app), ServerAvailable).reason().reason,
        "RollingOut"
    );
}

#[test]
fn a_status_of_a_former_generation_does_not_count() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.object(Kind::Deployment, "demo-frontend")["metadata"]["generation"] = json!(9);
    assert_eq!(
        verdict(&world.pass(&app), FrontendAvailable)
            .reason()
            .reason,
        "RollingOut"
    );
}

#[test]
fn nothing_of_the_apps_own_labels_and_annotations_reaches_a_child() {
    let app = chatapp("server:1");
    let plan = World::installed(&app).pass(&app);
    for child in &plan.children {
        let text = child.object.to_string();
        assert!(!text.contains("argocd") && !text.contains("team"), "{text}");
    }
}

#[test]
fn a_retry_annotation_runs_a_failed_migration_again_without_rolling_pods() {
    let one = chatapp("server:1");
    let mut world = World::installed(&one);
    let template = |world: &World| {
        world
            .server()
            .and_then(|server| server.spec)
            .map(|spec| spec.template)
    };
    let before = template(&world);
    let mut retried = one.clone();
    retried.metadata.annotations.get_or_insert_default().insert(
        chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(),
        "1".to_owned(),
    );
    assert_eq!(
        states(&world.pass(&retried)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert_eq!(template(&world), before);

    let mut two = chatapp("server:2");
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Failed");
    let failed = world.job();
    two.metadata.annotations.get_or_insert_default().insert(
        chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(),
        "1".to_owned(),
    );
    world.pass(&two);
    world.pass(&two);
    assert_ne!(world.job(), failed);
}

#[test]
fn an_external_database_needs_no_cloudnative_pg() {
    let mut app = chatapp("server:1");
    app.spec.database = serde_json::from_value(
        json!({"external": {"urlSecretRef": {"name": "db", "key": "address"}}}),
    )
    .expect("a database");
    let mut world = World::new();
    world.observed.set_unknown(Kind::Cluster);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    let job = child_of_kind(&plan, "Job");
    assert_eq!(
        job.object
            .pointer("/spec/template/spec/volumes/0/secret/secretName"),
        Some(&json!("db"))
    );
    assert_eq!(
        job.object
            .pointer("/spec/template/spec/volumes/0/secret/items/0"),
        Some(&json!({"key": "address", "path": "url"}))
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// From any sequence of images, with migrations that end well or badly, the last image alone decides where it ends.
    #[test]
    fn the_last_spec_decides(steps in proptest::collection::vec((0..4_usize, proptest::bool::ANY), 1..8), last in 0..4_usize) {
        let images = ["server:1", "server:2", "server:3", "server:4"];
        let mut world = World::installed(&chatapp(images[0]));
        for (image, succeeds) in steps {
            let app = chatapp(images[image]);
            world.pass(&app);
            world.pass(&app);
            if world.has_job() {
                world.job_ends(if succeeds { "Complete" } else { "Failed" });
            }
            world.pass(&app);
        }
        let mut app = chatapp(images[last]);
        // A failed Job of this very image needs the annotation.
        app.metadata.annotations.get_or_insert_default().insert(chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(), "last".to_owned());
        world.upgrade_succeeds(&app);
        proptest::prop_assert_eq!(world.server_image(), Some(images[last].to_owned()));
    }
}

#[test]
fn pods_that_kubernetes_refuses_to_create_are_told() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Complete");
    world.pass(&two);
    let server = world.object(Kind::Deployment, "demo-server");
    let generation = server["metadata"]["generation"].clone();
    let refused = json!({"observedGeneration": generation, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods=1"}]});
    server["status"] = refused;
    let plan = world.pass(&two);
    let Verdict::Failed(reason) = verdict(&plan, ServerAvailable) else {
        panic!("{:?}", verdict(&plan, ServerAvailable))
    };
    assert_eq!(reason.reason, "ReplicaFailure");
    assert!(reason.message.contains("exceeded quota"), "{reason:?}");
}

#[test]
fn a_pod_of_a_migration_that_was_deleted_by_hand_holds_the_next_one_back() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&two);
    let job = world.job();
    world.observed.remove(Kind::Job, &job);
    world.pod(
        Component::Migration,
        Some(&job),
        &json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": true, "restartCount": 0}),
    );
    let plan = world.pass(&two);
    assert_eq!(
        verdict(&plan, Migrated).reason().reason,
        "WaitingForFormerMigration"
    );
}

#[test]
fn what_no_plan_wants_any_more_is_pruned() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let mut left = child_of_kind(&world.pass(&app), "Service").object.clone();
    left["metadata"]["name"] = json!("demo-of-a-former-operator");
    left["metadata"]["uid"] = json!("left-uid");
    world.observed.put(Kind::Service, left);
    assert_eq!(deleted(&world.pass(&app)), [("Service", "left-uid")]);
    assert_eq!(deleted(&world.pass(&app)), []);
}

#[test]
fn while_the_gate_is_closed_nothing_that_serves_is_pruned() {
    let mut world = World::installed(&chatapp("server:1"));
    // Somebody has removed what the former version would be applied from.
    for name in ["demo-server", "demo-frontend"] {
        world.object(Kind::Deployment, name)["metadata"]["annotations"] = json!({});
    }
    let plan = world.pass(&chatapp("server:2"));
    assert!(
        !kinds(&plan)
            .iter()
            .any(|kind| kind.starts_with("Deployment"))
    );
    let mut deleted = deleted(&plan);
    deleted.retain(|(kind, _)| *kind != "Job");
    assert_eq!(deleted, []);
}

#[test]
fn a_message_is_on_a_standby_where_there_is_one() {
    for (instances, durability) in [(1, None), (2, Some("preferred")), (3, Some("required"))] {
        let mut app = chatapp("server:1");
        if let Some(cluster) = &mut app.spec.database.cluster {
            cluster.instances = instances;
        }
        let plan = World::new().pass(&app);
        let cluster = plan.children.iter().find(|child| child.kind() == "Cluster");
        let object = &cluster.expect("a Cluster").object;
        let pointer = "/spec/postgresql/synchronous/dataDurability";
        assert_eq!(object.pointer(pointer).and_then(Value::as_str), durability);
    }
}

/// A pod of the database that waits for an image.
fn waiting_for_image(role: (&str, &str), image: &str) -> Value {
    json!({"metadata": {"name": "demo-db-2", "uid": "pod-uid",
            "labels": {"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "database", role.0: role.1}},
        "spec": {"containers": [{"name": "postgres", "image": image}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "postgres", "image": image, "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}]}})
}

fn deleted(plan: &Plan) -> Vec<(&str, &str)> {
    plan.deletions
        .iter()
        .map(|deletion| (deletion.kind.as_str(), deletion.uid.as_str()))
        .collect()
}

#[test]
fn a_database_that_was_never_made_is_made_anew_with_the_corrected_image() {
    let app = chatapp("server:1");
    let mut world = World::new();
    world.pass(&app);
    let initdb = |image| waiting_for_image(("cnpg.io/jobRole", "initdb"), image);
    world.cluster()["status"] = json!({"phase": "Setting up primary", "image": "postgres:15"});

    // The image is the wanted one: it may yet come.
    world.observed.put(Kind::Pod, initdb("postgres:15"));
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.put(Kind::Pod, initdb("postgres:51"));
    assert_eq!(deleted(&world.pass(&app)), [("Cluster", "cluster-uid")]);

    // One that has had a primary holds messages.
    world.database_is_ready();
    assert_eq!(deleted(&world.pass(&app)), []);
}

#[test]
fn an_instance_that_waits_for_an_image_of_a_former_spec_goes() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let instance = |image| waiting_for_image(("cnpg.io/podRole", "instance"), image);
    world.observed.put(Kind::Pod, instance("postgres:15"));
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.put(Kind::Pod, instance("postgres:51"));
    assert_eq!(deleted(&world.pass(&app)), [("Pod", "pod-uid")]);
}
