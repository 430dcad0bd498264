//! Whose an object with a child's name is: this ChatApp's, one that a former ChatApp of the name has left behind, one that goes with
//! that, or somebody else's.
//!
//! Children have the ChatApp as their controller, and the garbage collector takes them with it. A database that is to be retained
//! must not: when a ChatApp is deleted in the foreground, as Argo CD does it, the collector deletes what it owns at once, whatever
//! its finalizers. Such a Cluster has no owner; an annotation with the ChatApp's uid stands for it.

use chatapp_crds::{ChatApp, RETAINED_LABEL};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::names::{APP_LABEL, MANAGED_BY_LABEL, MANAGER};

/// Annotation of a Cluster: uid of the ChatApp that it is the database of, or was when it was retained.
pub(crate) const OWNER_ANNOTATION: &str = "sillychat.io/owner-uid";
/// Annotation of a retained Cluster: since when.
const RETAINED_AT_ANNOTATION: &str = "sillychat.io/retained-at";

/// Whose an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// This ChatApp's.
    Ours,
    /// A former ChatApp's of this name, which is gone; nobody else has a claim on it.
    LeftBehind,
    /// On its way out.
    Leaving,
    /// Somebody else's.
    Foreign,
}

impl Ownership {
    /// Whether the ChatApp may take it for its child.
    pub(crate) const fn is_child(self) -> bool {
        matches!(self, Self::Ours | Self::LeftBehind)
    }
}

/// A ChatApp as owner: of ChatApps with the name there is only one at a time, so that any other uid is a former one's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
}

impl<'a> Owner<'a> {
    pub(crate) fn of(app: &'a impl ResourceExt) -> Self {
        let metadata = app.meta();
        Self {
            name: metadata.name.as_deref().unwrap_or_default(),
            uid: metadata.uid.as_deref().unwrap_or_default(),
        }
    }

    /// The standing of an object in the ChatApp's namespace.
    pub(crate) fn ownership(&self, object: &impl ResourceExt) -> Ownership {
        self.ownership_of_value(&json!({"metadata": object.meta()}))
    }

    /// The standing of an object whose type isn't known. Each pass asks often: nothing is copied.
    pub(crate) fn ownership_of_value(&self, object: &Value) -> Ownership {
        let metadata = &object["metadata"];
        let mut owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        if let Some(controller) = owners.find(|owner| owner["controller"] == true) {
            let is_namesake = is_chat_app(controller) && controller["name"] == *self.name;
            return match (controller["uid"] == *self.uid, is_namesake) {
                (true, _) => Ownership::Ours,
                // Its owner is no more: the garbage collector is on its way.
                (false, true) => Ownership::Leaving,
                (false, false) => Ownership::Foreign,
            };
        }
        let has_label = |label: &str, value: &str| metadata["labels"][label] == *value;
        // First of all: somebody may have changed the labels of our database, and it must not be a stranger's by that.
        if metadata["annotations"][OWNER_ANNOTATION] == *self.uid
            && !has_label(RETAINED_LABEL, "true")
        {
            return Ownership::Ours;
        }
        if !has_label(APP_LABEL, self.name) || !has_label(MANAGED_BY_LABEL, MANAGER) {
            Ownership::Foreign
        } else if metadata["deletionTimestamp"].is_null() {
            Ownership::LeftBehind
        } else {
            Ownership::Leaving
        }
    }
}

/// What makes a Cluster one that was left behind: no owner, the labels by which the next ChatApp of the name finds it, and a label and
/// an annotation for people. To be merged into it.
pub(crate) fn retained(cluster: &Value, owner: &Owner<'_>, now: Timestamp) -> Value {
    json!({"metadata": {
        "labels": { APP_LABEL: owner.name, MANAGED_BY_LABEL: MANAGER, RETAINED_LABEL: "true" },
        "annotations": { RETAINED_AT_ANNOTATION: now.strftime("%FT%TZ").to_string() },
        "ownerReferences": without_chat_apps(cluster),
    }})
}

/// What makes a Cluster that was left behind this ChatApp's. To be merged into it.
pub(crate) fn adopted(cluster: &Value, owner: &Owner<'_>) -> Value {
    json!({"metadata": {
        "labels": { RETAINED_LABEL: null },
        "annotations": { RETAINED_AT_ANNOTATION: null, OWNER_ANNOTATION: owner.uid },
        "ownerReferences": without_chat_apps(cluster),
    }})
}

/// Whether a Cluster was left behind or belongs to a ChatApp by its annotation, not by its owner.
pub(crate) fn is_marked(object: &Value) -> bool {
    object["metadata"]["annotations"][OWNER_ANNOTATION].is_string()
}

fn without_chat_apps(object: &Value) -> Vec<Value> {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let owners = owners.into_iter().flatten();
    owners
        .filter(|owner| !is_chat_app(owner))
        .cloned()
        .collect()
}

fn is_chat_app(owner: &Value) -> bool {
    owner["kind"] == *ChatApp::kind(&()) && owner["apiVersion"] == *ChatApp::api_version(&())
}

/// Whether the garbage collector would take the object with a ChatApp.
pub(crate) fn has_owner(object: &Value) -> bool {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    owners.into_iter().flatten().any(is_chat_app)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut edited = child(None, &json!({}));
        edited["metadata"]["annotations"] = json!({ OWNER_ANNOTATION: "u" });
        assert_eq!(ownership(edited.clone()), Ownership::Ours);
        edited["metadata"]["labels"] = json!({ RETAINED_LABEL: "true" });
        assert_eq!(ownership(edited), Ownership::Foreign);
    }
}
