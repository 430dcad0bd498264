//! What there is of one ChatApp: the objects with its label, by kind and name. Objects of others may carry the label too
//! (CloudNativePG hands it on): who owns what is told apart here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    job,
    names::{COMPONENT_LABEL, Component},
    neighbours::{Neighbour, Sight},
    ownership::Owner,
    pods,
};
use crate::kinds::Kind;

/// The objects with a ChatApp's label, and what else a plan depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// The ChatApp.
    owner: (String, String),
    objects: BTreeMap<Kind, BTreeMap<String, Value>>,
    /// Kinds that the API server doesn't know.
    unknown: BTreeSet<Kind>,
    /// The ConfigMap that `spec.content` names.
    pub(crate) content: Option<ConfigMap>,
    /// What a route depends on, as far as somebody has looked.
    pub(crate) neighbours: BTreeMap<Neighbour, Sight>,
}

impl Observed {
    /// Nothing yet, of `app`.
    pub(crate) fn of(app: &impl ResourceExt) -> Self {
        Self {
            owner: (app.name_any(), app.uid().unwrap_or_default()),
            ..Self::default()
        }
    }

    /// Adds an object, in the place of one of its name.
    pub(crate) fn put(&mut self, kind: Kind, object: Value) {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        self.objects.entry(kind).or_default().insert(name, object);
    }

    /// Takes an object out.
    pub(crate) fn remove(&mut self, kind: Kind, name: &str) -> Option<Value> {
        self.objects.get_mut(&kind)?.remove(name)
    }

    /// The API server doesn't know the kind.
    pub(crate) fn set_unknown(&mut self, kind: Kind) {
        self.unknown.insert(kind);
    }

    /// What a list of the kind said, where the caches may lag behind. A pod that they know of stays as they know it: it has ended
    /// only once they have seen its end.
    pub(crate) fn refresh(&mut self, kind: Kind, listed: Vec<Value>) {
        let known = self.objects.remove(&kind).unwrap_or_default();
        for object in listed {
            self.put(kind, object);
        }
        if kind == Kind::Pod {
            self.objects.entry(kind).or_default().extend(known);
        }
    }

    /// Name and uid of the pods that were made before this and may not start because of an object that isn't there.
    pub(crate) fn pods_that_may_miss_something(&self, before: Timestamp) -> Vec<(String, String)> {
        let mut pods = self.all::<Pod>();
        pods.retain(|pod| {
            let made = pod.creation_timestamp().map(|time| time.0);
            made.is_some_and(|made| made < before) && pods::may_miss_something(pod)
        });
        let pods = pods.into_iter().map(|pod| (pod.name_any(), pod.uid()));
        pods.filter_map(|(name, uid)| Some((name, uid?))).collect()
    }

    /// Name and uid of the Jobs of ours that were made before this and have no pod.
    pub(crate) fn jobs_without_pods(&self, before: Timestamp) -> Vec<(String, String)> {
        let has_pod = |job: &Job| {
            self.found(Kind::Pod).any(|pod| {
                let owners = pod["metadata"]["ownerReferences"].as_array();
                let mut owners = owners.into_iter().flatten();
                owners.any(|owner| owner["uid"].as_str() == job.metadata.uid.as_deref())
            })
        };
        let mut jobs = self.ours::<Job>();
        jobs.retain(|job| {
            let made = job.creation_timestamp().map(|time| time.0);
            made.is_some_and(|made| made < before) && !job::has_ended(job) && !has_pod(job)
        });
        let jobs = jobs.into_iter().map(|job| (job.name_any(), job.uid()));
        jobs.filter_map(|(name, uid)| Some((name, uid?))).collect()
    }

    /// What an event says of a pod or a Job; the rest of the plan finds it among its conditions.
    pub(crate) fn tell_of(&mut self, kind: Kind, name: &str, reason: &str, note: &str) {
        let objects = self.objects.get_mut(&kind);
        if let Some(object) = objects.and_then(|objects| objects.get_mut(name)) {
            let told = json!({"type": pods::EVENT_CONDITION, "status": "True", "reason": reason, "message": note});
            match &mut object["status"]["conditions"] {
                Value::Array(conditions) => conditions.push(told),
                absent => *absent = json!([told]),
            }
        }
    }

    /// What is known of an object of others.
    pub(crate) fn sight(&self, neighbour: &Neighbour) -> &Sight {
        self.neighbours.get(neighbour).unwrap_or(&Sight::Hidden)
    }

    /// Whether the API server knows the kind.
    pub(crate) fn knows(&self, kind: Kind) -> bool {
        !self.unknown.contains(&kind)
    }

    /// Whether the object is this ChatApp's, or was left behind by a former one of the same name.
    pub(crate) fn is_ours(&self, object: &Value) -> bool {
        let (name, uid) = &self.owner;
        Owner { name, uid }.ownership_of_value(object).is_child()
    }

    /// The objects of a kind with the ChatApp's label, whoever owns them, in the order of their names.
    pub(crate) fn found(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.objects
            .get(&kind)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// An object with the ChatApp's label, whoever owns it.
    pub(crate) fn named(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects.get(&kind)?.get(name)
    }

    /// An object of ours.
    pub(crate) fn value(&self, kind: Kind, name: &str) -> Option<&Value> {
        let object = self.named(kind, name)?;
        self.is_ours(object).then_some(object)
    }

    /// An object of ours.
    pub(crate) fn get<K: Resource<DynamicType = ()> + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Option<K> {
        self.value(Kind::of::<K>()?, name).and_then(typed)
    }

    /// All objects of ours of a kind.
    pub(crate) fn ours<K: Resource<DynamicType = ()> + DeserializeOwned>(&self) -> Vec<K> {
        let found = Kind::of::<K>()
            .into_iter()
            .flat_map(|kind| self.found(kind));
        found
            .filter(|object| self.is_ours(object))
            .filter_map(typed)
            .collect()
    }

    /// All objects of a kind with the ChatApp's label, whoever owns them.
    pub(crate) fn all<K: Resource<DynamicType = ()> + DeserializeOwned>(&self) -> Vec<K> {
        let found = Kind::of::<K>()
            .into_iter()
            .flat_map(|kind| self.found(kind));
        found.filter_map(typed).collect()
    }

    /// The pods of a part, the database's included.
    pub(crate) fn pods_of(&self, component: Component) -> Vec<Pod> {
        let label = |pod: &Value| pod["metadata"]["labels"][COMPONENT_LABEL] == *component.as_str();
        let found = self.found(Kind::Pod).filter(|pod| label(pod));
        found.filter_map(typed).collect()
    }
}

/// What tests do to the world.
#[cfg(test)]
impl Observed {
    pub(crate) fn value_mut(&mut self, kind: Kind, name: &str) -> Option<&mut Value> {
        self.objects.get_mut(&kind)?.get_mut(name)
    }

    pub(crate) fn remove_all(&mut self, kind: Kind) {
        self.objects.remove(&kind);
    }
}

/// One object that doesn't fit its type hides no other.
fn typed<K: DeserializeOwned>(object: &Value) -> Option<K> {
    K::deserialize(object)
        .inspect_err(|error| {
            let name = object.pointer("/metadata/name").and_then(Value::as_str);
            tracing::warn!(name, %error, "an object that can't be read");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
    use serde_json::json;

    use super::*;

    fn observed() -> Observed {
        Observed {
            owner: ("x".to_owned(), "u1".to_owned()),
            ..Observed::default()
        }
    }

    fn object(name: &str, owner: &str, version: u32) -> Value {
        json!({"metadata": {"name": name, "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": true}],
            "resourceVersion": version.to_string()}})
    }

    #[test]
    fn what_others_own_is_found_but_not_ours() {
        let mut observed = observed();
        observed.put(Kind::Service, object("a", "u1", 1));
        observed.put(Kind::Service, object("b", "u2", 1));
        assert!(observed.get::<Service>("a").is_some());
        assert!(observed.get::<Service>("b").is_none());
        assert_eq!(
            (
                observed.ours::<Service>().len(),
                observed.all::<Service>().len()
            ),
            (1, 2)
        );
    }

    #[test]
    fn an_object_that_does_not_fit_its_type_hides_no_other() {
        let mut observed = observed();
        let mut odd = object("odd", "u1", 1);
        odd["spec"] = json!({"replicas": "many"});
        observed.put(Kind::Deployment, odd);
        observed.put(Kind::Deployment, object("a", "u1", 1));
        assert_eq!(observed.ours::<Deployment>().len(), 1);
    }

    #[test]
    fn a_refreshed_job_is_as_listed_and_a_refreshed_pod_as_known() {
        let mut observed = observed();
        for kind in [Kind::Job, Kind::Pod] {
            observed.put(kind, object("old", "u1", 1));
            observed.refresh(kind, vec![object("old", "u1", 2), object("new", "u1", 2)]);
        }
        let versions = |kind| {
            observed
                .found(kind)
                .map(|found| found["metadata"]["resourceVersion"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(versions(Kind::Job), ["2", "2"]);
        assert_eq!(versions(Kind::Pod), ["2", "1"]);
    }
}
