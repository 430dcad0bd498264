//! Walks through the gate with a world of values: what the plan wants is put into the observed state, as the API server and the
//! other controllers would.

use chatapp_crds::ConditionType::{
    self, DatabaseReady, FrontendAvailable, Migrated, ServerAvailable,
};
use k8s_openapi::api::{apps::v1::DeploymentStatus, batch::v1::JobCondition};

use super::*;

mod content;
mod import;
mod retention;
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
    /// Everything that a plan wanted so far, as the last that did wanted it.
    applied: Vec<Child>,
}

impl World {
    fn new() -> Self {
        let words = serde_json::from_value(
            json!({"metadata": {"name": "words"}, "data": {"content.yaml": "greetings: [hi]"}}),
        );
        let observed = Observed {
            cnpg_installed: true,
            content: Some(words.expect("a ConfigMap")),
            ..Observed::default()
        };
        Self {
            observed,
            applied: Vec::new(),
        }
    }

    /// Plans and applies.
    fn pass(&mut self, app: &ChatApp) -> Plan {
        let plan = plan(app, &self.observed);
        self.observed.jobs.retain(|job| {
            !plan
                .deletions
                .iter()
                .any(|deletion| Some(&deletion.uid) == job.metadata.uid.as_ref())
        });
        for child in &plan.children {
            let same = |former: &&mut Child| {
                (former.kind(), former.name()) == (child.kind(), child.name())
            };
            match self.applied.iter_mut().find(same) {
                Some(former) => *former = child.clone(),
                None => self.applied.push(child.clone()),
            }
            match (child.kind(), child.name()) {
                ("Cluster", _) if self.observed.cluster.is_none() => {
                    let mut cluster = child.object.clone();
                    cluster["metadata"]["uid"] = json!("cluster-uid");
                    self.observed.cluster = Some(cluster);
                }
                ("Job", name) if !self.observed.jobs.iter().any(|job| job.name_any() == name) => {
                    let mut job: Job = serde_json::from_value(child.object.clone()).expect("a Job");
                    job.metadata.uid = Some(format!("uid-of-{name}"));
                    self.observed.jobs.push(job);
                }
                ("ServiceAccount", _) => {
                    self.observed.service_account =
                        serde_json::from_value(child.object.clone()).ok();
                }
                ("Deployment", name) => {
                    let mut deployment: Deployment =
                        serde_json::from_value(child.object.clone()).expect("a Deployment");
                    let slot = if name == "demo-server" {
                        &mut self.observed.server
                    } else {
                        &mut self.observed.frontend
                    };
                    let former = slot.take();
                    let same = former
                        .as_ref()
                        .is_some_and(|former| former.spec == deployment.spec);
                    let generation = former
                        .as_ref()
                        .and_then(|former| former.metadata.generation)
                        .unwrap_or(0);
                    deployment.metadata.generation =
                        Some(if same { generation } else { generation + 1 });
                    deployment.status = former.and_then(|former| former.status);
                    *slot = Some(deployment);
                }
                _ => {}
            }
        }
        plan
    }

    fn database_is_ready(&mut self) {
        let cluster = self.observed.cluster.as_mut().expect("a Cluster");
        cluster["status"] = json!({"phase": "Cluster in healthy state", "readyInstances": 2, "image": "postgres:15", "currentPrimary": "demo-db-1",
            "conditions": [{"type": "Ready", "status": "True"}]});
    }

    /// The Job that was made last ends.
    fn job_ends(&mut self, condition: &str) {
        let job = self.observed.jobs.last_mut().expect("a Job");
        let condition = JobCondition {
            type_: condition.to_owned(),
            status: "True".to_owned(),
            ..JobCondition::default()
        };
        job.status.get_or_insert_default().conditions = Some(vec![condition]);
    }

    /// All Jobs that run come to a good end, and those that are made then.
    fn jobs_end(&mut self, app: &ChatApp) {
        for _ in 0..4 {
            self.pass(app);
            for job in &mut self.observed.jobs {
                let status = job.status.get_or_insert_default();
                status.conditions.get_or_insert_with(|| {
                    vec![JobCondition {
                        type_: "Complete".to_owned(),
                        status: "True".to_owned(),
                        ..JobCondition::default()
                    }]
                });
            }
        }
        self.pass(app);
    }

    fn rolls_out(deployment: &mut Option<Deployment>) {
        let deployment = deployment.as_mut().expect("a Deployment");
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        deployment.status = Some(DeploymentStatus {
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
        Self::rolls_out(&mut self.observed.server);
        self.pass(app);
        Self::rolls_out(&mut self.observed.frontend);
        let plan = self.pass(app);
        assert!(
            plan.verdicts.iter().all(|(_, verdict)| verdict.is_done()),
            "{:?}",
            plan.verdicts
        );
    }

    fn server_image(&self) -> Option<&str> {
        let template = &self.observed.server.as_ref()?.spec.as_ref()?.template;
        template.spec.as_ref()?.containers.first()?.image.as_deref()
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
        let pod = json!({"metadata": {"name": format!("pod-{}", self.observed.pods.len()), "labels": labels, "ownerReferences": owners},
            "status": {"phase": "Pending", "containerStatuses": [container]}});
        self.observed
            .pods
            .push(serde_json::from_value(pod).expect("a Pod"));
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
    let objects: Vec<&Value> = world.applied.iter().map(|child| &child.object).collect();
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
        "DatabaseReady~ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~"
    );
    assert_eq!(
        kinds(&plan),
        [
            "ServiceAccount/demo",
            "Service/demo-server",
            "Service/demo-frontend",
            "Cluster/demo-db"
        ]
    );

    world.database_is_ready();
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~"
    );
    assert_eq!(
        kinds(&plan).last().map(String::as_str),
        Some("Job/demo-migrate")
    );
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~"
    );

    world.job_ends("Complete");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded~ ServerAvailable~ FrontendAvailable~"
    );
    assert_eq!(
        kinds(&plan)[4..],
        ["ConfigMap/demo-content", "Job/demo-content"]
    );

    world.job_ends("Complete");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable~ FrontendAvailable~"
    );
    assert_eq!(
        kinds(&plan).last().map(String::as_str),
        Some("Deployment/demo-server")
    );

    World::rolls_out(&mut world.observed.server);
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable~"
    );
    World::rolls_out(&mut world.observed.frontend);
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+"
    );
}

#[test]
fn without_cloudnative_pg_it_waits_and_says_so() {
    let mut world = World::new();
    world.observed.cnpg_installed = false;
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
    let job = world
        .observed
        .jobs
        .last()
        .map(ResourceExt::name_any)
        .expect("a Job");
    let ended = json!({"name": "migrate", "image": "server:2", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "message": "column missing"}}});
    world.pod(Component::Migration, Some(&job), &ended);
    let plan = world.pass(&two);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated! ContentLoaded+ ServerAvailable! FrontendAvailable+"
    );
    assert!(
        verdict(&plan, Migrated)
            .reason()
            .message
            .contains("exit code 1: column missing"),
        "{:?}",
        verdict(&plan, Migrated)
    );
    assert_eq!(world.server_image(), Some("server:1"));

    let plan = world.pass(&one);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+"
    );
    assert_eq!(
        world.jobs_of(Component::Migration).count(),
        0,
        "the failed Job goes"
    );
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
    let running = world
        .observed
        .jobs
        .last()
        .map(ResourceExt::name_any)
        .expect("a Job");
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
    assert_eq!(world.jobs_of(Component::Migration).count(), 0);
    world.observed.pods.clear();
    assert_eq!(
        verdict(&world.pass(&three), Migrated).reason().reason,
        "MigrationStarting"
    );
}

#[test]
fn jobs_of_others_are_left_alone_even_with_our_label() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let foreign = json!({"metadata": {"name": "demo-db-1-initdb", "uid": "other", "labels": {"sillychat.io/chatapp": "demo"},
        "ownerReferences": [{"apiVersion": CNPG_API_VERSION, "kind": "Cluster", "name": "demo-db", "uid": "cluster-uid", "controller": true}]}});
    world
        .observed
        .jobs
        .push(serde_json::from_value(foreign).expect("a Job"));
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
    two.spec.server.replicas = 5;
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
    let job = world
        .observed
        .jobs
        .last()
        .map(ResourceExt::name_any)
        .expect("a Job");
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
    assert_eq!(
        states(&world.pass(&one)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+"
    );
}

#[test]
fn a_database_in_trouble_is_told_and_stops_nothing_that_runs() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.observed.cluster.as_mut().expect("a Cluster")["status"]["readyInstances"] = json!(1);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+"
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
    let status = world
        .observed
        .server
        .as_mut()
        .and_then(|server| server.status.as_mut())
        .expect("a status");
    status.replicas = Some(3);
    assert_eq!(
        verdict(&world.pass(&app), ServerAvailable).reason().reason,
        "RollingOut"
    );
}

#[test]
fn a_status_of_a_former_generation_does_not_count() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world
        .observed
        .frontend
        .as_mut()
        .expect("a Deployment")
        .metadata
        .generation = Some(9);
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
    let template = world
        .observed
        .server
        .as_ref()
        .and_then(|server| server.spec.as_ref())
        .map(|spec| spec.template.clone());
    let mut retried = one.clone();
    retried.metadata.annotations.get_or_insert_default().insert(
        chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(),
        "1".to_owned(),
    );
    assert_eq!(
        states(&world.pass(&retried)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+"
    );
    assert_eq!(
        world
            .observed
            .server
            .and_then(|server| server.spec)
            .map(|spec| spec.template),
        template
    );

    let mut two = chatapp("server:2");
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Failed");
    let failed = world.observed.jobs.last().map(ResourceExt::name_any);
    two.metadata.annotations.get_or_insert_default().insert(
        chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(),
        "1".to_owned(),
    );
    world.pass(&two);
    world.pass(&two);
    assert_ne!(
        world.observed.jobs.last().map(ResourceExt::name_any),
        failed
    );
}

#[test]
fn an_external_database_needs_no_cloudnative_pg() {
    let mut app = chatapp("server:1");
    app.spec.database = serde_json::from_value(
        json!({"external": {"urlSecretRef": {"name": "db", "key": "address"}}}),
    )
    .expect("a database");
    let mut world = World::new();
    world.observed.cnpg_installed = false;
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~"
    );
    let job = plan.children.last().expect("the Job");
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
            if !world.observed.jobs.is_empty() {
                world.job_ends(if succeeds { "Complete" } else { "Failed" });
            }
            world.pass(&app);
        }
        let mut app = chatapp(images[last]);
        // A failed Job of this very image needs the annotation.
        app.metadata.annotations.get_or_insert_default().insert(chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned(), "last".to_owned());
        world.upgrade_succeeds(&app);
        proptest::prop_assert_eq!(world.server_image(), Some(images[last]));
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
    let server = world.observed.server.as_mut().expect("a Deployment");
    let generation = server.metadata.generation;
    let refused = json!({"observedGeneration": generation, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods=1"}]});
    server.status = serde_json::from_value(refused).ok();
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
    let job = world
        .observed
        .jobs
        .pop()
        .map(|job| job.name_any())
        .expect("a Job");
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
fn waiting_for_image(role: (&str, &str), image: &str) -> Pod {
    let pod = json!({"metadata": {"name": "demo-db-2", "uid": "pod-uid",
            "labels": {"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "database", role.0: role.1}},
        "spec": {"containers": [{"name": "postgres", "image": image}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "postgres", "image": image, "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}]}});
    serde_json::from_value(pod).expect("a Pod")
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
    let initdb = |image| vec![waiting_for_image(("cnpg.io/jobRole", "initdb"), image)];
    let cluster = world.observed.cluster.as_mut().expect("a Cluster");
    cluster["status"] = json!({"phase": "Setting up primary", "image": "postgres:15"});

    // The image is the wanted one: it may yet come.
    world.observed.pods = initdb("postgres:15");
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.pods = initdb("postgres:51");
    assert_eq!(deleted(&world.pass(&app)), [("Cluster", "cluster-uid")]);

    // One that has had a primary holds messages.
    world.database_is_ready();
    assert_eq!(deleted(&world.pass(&app)), []);
}

#[test]
fn an_instance_that_waits_for_an_image_of_a_former_spec_goes() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let instance = |image| vec![waiting_for_image(("cnpg.io/podRole", "instance"), image)];
    world.observed.pods = instance("postgres:15");
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.pods = instance("postgres:51");
    assert_eq!(deleted(&world.pass(&app)), [("Pod", "pod-uid")]);
}
