//! Plays through what becomes of a ChatApp if all goes well: what a plan wants is put into the observed state, databases get ready,
//! Jobs complete and Deployments roll out; then it is planned again, until nothing changes any more.

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    kinds::Kind,
    plan::{
        self, APP_LABEL, COMPONENT_LABEL, Child, Deletion, HIBERNATION, Observed, Plan, Verdict,
    },
};

/// The steps of the gate, in their order.
const GATE: [ConditionType; 5] = [
    ConditionType::DatabaseReady,
    ConditionType::Migrated,
    ConditionType::ContentLoaded,
    ConditionType::ServerAvailable,
    ConditionType::FrontendAvailable,
];
/// Enough for each step to be planned, and noticed, twice.
const LONGEST: usize = 16;

/// What becomes of a ChatApp.
#[derive(Debug, Default)]
pub(crate) struct Rehearsal {
    /// What comes of it, in the order in which it comes.
    pub(crate) objects: Vec<Rehearsed>,
    /// What goes on the way.
    pub(crate) deletions: Vec<Deletion>,
    /// The step that isn't done even if all goes well, and why.
    pub(crate) stuck: Option<(ConditionType, Verdict)>,
}

/// An object.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    /// The last step of the gate before it comes; `None`: it comes at once.
    pub(crate) comes_after: Option<ConditionType>,
    /// The last step of the gate before it is as it will stay.
    pub(crate) changes_after: Option<ConditionType>,
    /// It serves another one, and goes when that is done.
    pub(crate) is_passing: bool,
    pub(crate) child: Child,
}

/// Plays `app` through, from what is observed to what there is in the end.
pub(crate) fn rehearse(app: &ChatApp, observed: &mut Observed) -> Rehearsal {
    let mut rehearsal = Rehearsal::default();
    for pass in 0..LONGEST {
        let plan = plan::plan(app, observed);
        let after = if pass == 0 { None } else { last_done(&plan) };
        let has_changed = rehearsal.take(&plan, after) | apply(observed, &plan);
        rehearsal.stuck = GATE
            .iter()
            .find_map(|step| Some((*step, not_done(&plan, *step)?.clone())));
        if !has_changed {
            break;
        }
    }
    rehearsal
}

fn not_done(plan: &Plan, step: ConditionType) -> Option<&Verdict> {
    let mut verdicts = plan.verdicts.iter();
    let (_, verdict) = verdicts.find(|(type_, verdict)| *type_ == step && !verdict.is_done())?;
    Some(verdict)
}

/// The last step of the gate that is done with all before it.
fn last_done(plan: &Plan) -> Option<ConditionType> {
    let done = GATE
        .iter()
        .take_while(|step| not_done(plan, **step).is_none());
    done.last().copied()
}

impl Rehearsal {
    /// Notes what a plan wants. Returns whether that is anything new.
    fn take(&mut self, plan: &Plan, after: Option<ConditionType>) -> bool {
        let mut is_new = false;
        for deletion in &plan.deletions {
            if !self.deletions.contains(deletion) {
                self.deletions.push(deletion.clone());
                is_new = true;
            }
            for object in &mut self.objects {
                object.is_passing |=
                    (object.child.kind(), object.child.name()) == (&deletion.kind, &deletion.name);
            }
        }
        for child in &plan.children {
            let is_same = |known: &&mut Rehearsed| {
                (known.child.kind(), known.child.name()) == (child.kind(), child.name())
            };
            match self.objects.iter_mut().find(is_same) {
                Some(known) if known.child == *child => {}
                Some(known) => {
                    known.child = child.clone();
                    known.changes_after = after;
                    known.is_passing = false;
                    is_new = true;
                }
                None => {
                    self.objects.push(Rehearsed {
                        comes_after: after,
                        changes_after: after,
                        is_passing: false,
                        child: child.clone(),
                    });
                    is_new = true;
                }
            }
        }
        is_new
    }
}

/// What the API server and the other controllers make of a plan. Returns whether anything has changed.
fn apply(observed: &mut Observed, plan: &Plan) -> bool {
    let mut has_changed = false;
    for Deletion {
        kind, name, uid, ..
    } in &plan.deletions
    {
        if let Some(kind) = Kind::named(kind) {
            has_changed |= observed.remove(kind, name).is_some();
            remove_pods(observed, |pod| is_owned_by(pod, uid));
        }
    }
    for child in &plan.children {
        let Some(kind) = Kind::named(child.kind()) else {
            continue;
        };
        let former = observed.remove(kind, child.name());
        let mut object = stored(child, former.as_ref());
        come_up(observed, kind, &mut object);
        has_changed |= former.as_ref() != Some(&object);
        observed.put(kind, object);
    }
    has_changed
}

/// The object as the API server stores it.
fn stored(child: &Child, former: Option<&Value>) -> Value {
    let mut object = child.object.clone();
    let Some(former) = former else {
        object["metadata"]["uid"] = json!(format!("uid-of-{}", child.name()));
        object["metadata"]["generation"] = json!(1);
        return object;
    };
    // A field that is given up keeps its value.
    if let Some(pointer) = child.given_up
        && let (None, Some(value)) = (object.pointer(pointer), former.pointer(pointer))
        && let Some((parent, field)) = pointer.rsplit_once('/')
        && let Some(parent) = object.pointer_mut(parent)
    {
        parent[field] = value.clone();
    }
    for field in ["uid", "generation", "creationTimestamp"] {
        object["metadata"][field] = former["metadata"][field].clone();
    }
    if let Some(status) = former.get("status") {
        object["status"] = status.clone();
    }
    object
}

/// What other controllers say of it when they are done.
fn come_up(observed: &mut Observed, kind: Kind, object: &mut Value) {
    match kind {
        Kind::Cluster => {
            object["status"] = json!({
                "phase": "Cluster in healthy state",
                "readyInstances": object["spec"]["instances"],
                "image": object["spec"]["imageName"],
                "currentPrimary": format!("{}-1", name(object)),
                "conditions": [{"type": "Ready", "status": "True"}],
            });
            if object["metadata"]["annotations"][HIBERNATION] == "on" {
                object["status"]["conditions"] = json!([{"type": HIBERNATION, "status": "True"}]);
                remove_pods(observed, |pod| is_of_part(pod, &object["metadata"]));
            }
        }
        Kind::Pooler => {
            remove_pods(observed, |pod| is_of_part(pod, &object["metadata"]));
            for number in 0..object["spec"]["instances"].as_u64().unwrap_or_default() {
                let pod = json!({
                    "metadata": {
                        "name": format!("{}-{number}", name(object)),
                        "labels": object["metadata"]["labels"],
                    },
                    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
                });
                observed.put(Kind::Pod, pod);
            }
        }
        Kind::Job => {
            let uid = object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let conditions = object
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            let mut conditions = conditions.into_iter().flatten();
            // One that has failed stays so.
            if !conditions.any(|condition| condition["status"] == "True") {
                object["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
                remove_pods(observed, |pod| is_owned_by(pod, &uid));
            }
        }
        Kind::Deployment => {
            let replicas = &object["spec"]["replicas"];
            object["status"] = json!({
                "observedGeneration": object["metadata"]["generation"], "replicas": replicas,
                "updatedReplicas": replicas, "availableReplicas": replicas, "readyReplicas": replicas,
            });
            // Pods of a former template are gone; of the present ones nothing is asked.
            remove_pods(observed, |pod| is_of_part(pod, &object["metadata"]));
        }
        _ => {}
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn remove_pods(observed: &mut Observed, is_meant: impl Fn(&Pod) -> bool) {
    let pods = observed.all::<Pod>();
    for pod in pods.iter().filter(|pod| is_meant(pod)) {
        observed.remove(Kind::Pod, &pod.name_any());
    }
}

fn is_owned_by(pod: &Pod, uid: &str) -> bool {
    pod.owner_references().iter().any(|owner| owner.uid == uid)
}

/// Whether a pod has the labels of the part that an object is of.
fn is_of_part(pod: &Pod, metadata: &Value) -> bool {
    [APP_LABEL, COMPONENT_LABEL].iter().all(|label| {
        let of_object = metadata["labels"][label].as_str();
        of_object.is_some() && pod.labels().get(*label).map(String::as_str) == of_object
    })
}
