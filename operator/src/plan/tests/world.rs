//! A world of values: what the plan wants is put into the observed state, as the API server and the other controllers would.

use super::*;
use crate::apply;

pub(super) fn chatapp(image: &str) -> ChatApp {
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

/// The app of the other tests, with these fields of its spec.
pub(super) fn with(fields: &Value) -> ChatApp {
    let mut spec = json!(chatapp("server:1").spec);
    for (name, value) in fields.as_object().expect("fields") {
        for (key, value) in value.as_object().into_iter().flatten() {
            spec[name][key] = value.clone();
        }
        if !value.is_object() {
            spec[name] = value.clone();
        }
    }
    app_with(spec)
}

/// The app of the tests, with another spec.
pub(super) fn app_with(spec: Value) -> ChatApp {
    let mut app = chatapp("any");
    app.spec = serde_json::from_value(spec).expect("a spec");
    app
}

/// What a real cluster would make of the plans.
pub(super) struct World {
    pub(super) observed: Observed,
    /// The Job that was made last.
    pub(super) job: Option<String>,
    /// Everything that a plan wanted so far, as the last that did wanted it.
    pub(super) wanted: Vec<Child>,
}

impl World {
    pub(super) fn new() -> Self {
        let words = serde_json::from_value(
            json!({"metadata": {"name": "words"}, "data": {"content.yaml": "greetings: [hi]"}}),
        );
        let mut world = Self::of(&chatapp("any"));
        world.observed.content = Some(words.expect("a ConfigMap"));
        world
    }

    /// Nothing yet of an app, nor its content.
    pub(super) fn of(app: &ChatApp) -> Self {
        Self {
            observed: Observed::of(app),
            job: None,
            wanted: Vec::new(),
        }
    }

    /// Plans and applies.
    pub(super) fn pass(&mut self, app: &ChatApp) -> Plan {
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

    pub(super) fn apply(&mut self, child: &Child) {
        let (kind, name) = (Kind::named(child.kind()).expect("a kind"), child.name());
        let former = self.observed.remove(kind, name);
        let mut object = apply::with_hash(&child.object);
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
        if let Some(created) = metadata.and_then(|metadata| metadata.get("creationTimestamp")) {
            object["metadata"]["creationTimestamp"] = created.clone();
        }
        if let Some(status) = former.as_ref().and_then(|former| former.get("status")) {
            object["status"] = status.clone();
        }
        self.observed.put(kind, object);
    }

    pub(super) fn object(&mut self, kind: Kind, name: &str) -> &mut Value {
        self.observed.value_mut(kind, name).expect("an object")
    }

    pub(super) fn cluster(&mut self) -> &mut Value {
        self.object(Kind::Cluster, "demo-db")
    }

    pub(super) fn server(&self) -> Option<Deployment> {
        self.observed.get("demo-server")
    }

    pub(super) fn job(&self) -> String {
        self.job.clone().expect("a Job")
    }

    /// Whether the Job that was made last is still there.
    pub(super) fn has_job(&self) -> bool {
        let job = self.job.as_ref();
        job.is_some_and(|job| self.observed.value(Kind::Job, job).is_some())
    }

    pub(super) fn jobs_of(&self, component: Component) -> Vec<Job> {
        job::jobs_of(&self.observed, component)
    }

    pub(super) fn database_is_ready(&mut self) {
        self.cluster()["status"] = json!({"phase": "Cluster in healthy state", "readyInstances": 2, "image": "postgres:15", "currentPrimary": "demo-db-1",
            "conditions": [{"type": "Ready", "status": "True"}]});
    }

    pub(super) fn job_ends(&mut self, condition: &str) {
        let job = self.job();
        self.object(Kind::Job, &job)["status"] =
            json!({"conditions": [{"type": condition, "status": "True"}]});
    }

    /// All Jobs that run come to a good end, and those that are made then.
    pub(super) fn jobs_end(&mut self, app: &ChatApp) {
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

    pub(super) fn rolls_out(&mut self, name: &str) {
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
    pub(super) fn installed(app: &ChatApp) -> Self {
        let mut world = Self::new();
        world.pass(app);
        world.database_is_ready();
        world.upgrade_succeeds(app);
        world
    }

    pub(super) fn upgrade_succeeds(&mut self, app: &ChatApp) {
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

    pub(super) fn server_image(&self) -> Option<String> {
        let template = self.server()?.spec?.template;
        template.spec?.containers.first()?.image.clone()
    }

    pub(super) fn pod(&mut self, component: Component, job: Option<&str>, container: &Value) {
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
pub(super) fn states(plan: &Plan) -> String {
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

pub(super) fn verdict(plan: &Plan, type_: ConditionType) -> &Verdict {
    &plan
        .verdicts
        .iter()
        .find(|(present, _)| *present == type_)
        .expect("a verdict of each type")
        .1
}

pub(super) fn child_of_kind<'a>(plan: &'a Plan, kind: &str) -> &'a Child {
    let mut children = plan.children.iter();
    children
        .find(|child| child.kind() == kind)
        .expect("a child of that kind")
}

pub(super) fn child<'a>(plan: &'a Plan, kind: &str, name: &str) -> Option<&'a Child> {
    plan.children
        .iter()
        .find(|child| (child.kind(), child.name()) == (kind, name))
}

/// Kind and name, without the hash of a Job.
pub(super) fn kinds(plan: &Plan) -> Vec<String> {
    let name = |child: &Child| {
        let parts: Vec<&str> = child.name().splitn(3, '-').collect();
        parts[..parts.len().min(2)].join("-")
    };
    plan.children
        .iter()
        .map(|child| format!("{}/{}", child.kind(), name(child)))
        .collect()
}

pub(super) fn deleted(plan: &Plan) -> Vec<(&str, &str)> {
    plan.deletions
        .iter()
        .map(|deletion| (deletion.kind.as_str(), deletion.uid.as_str()))
        .collect()
}

pub(super) fn replicas(plan: &Plan) -> Option<Value> {
    let server = child(plan, "Deployment", "demo-server")?;
    server.object.pointer("/spec/replicas").cloned()
}

pub(super) fn server_pod(world: &mut World) {
    let server = world.server().expect("the server");
    let template = json!(server.spec.expect("a spec").template);
    let pod = json!({"metadata": {"name": "demo-server-1", "labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"]},
        "spec": template["spec"], "status": {"phase": "Running"}});
    world.observed.put(Kind::Pod, pod);
}

pub(super) fn waiting_container(reason: &str, message: &str) -> Value {
    json!({"name": "chat-server", "image": "server:2", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": reason, "message": message}}})
}

/// As a JSON merge patch (RFC 7396).
pub(in crate::plan) fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, patch) in fields {
        if patch.is_null() {
            value.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut value[key], patch);
        }
    }
}

pub(super) fn autoscaled() -> ChatApp {
    with(
        &json!({"server": {"replicas": null, "autoscaling": {"minReplicas": 3, "maxReplicas": 9}}}),
    )
}
