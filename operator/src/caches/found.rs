//! An object as a list or a watch brings it, without what nobody reads.

use std::{borrow::Cow, fmt};

use kube::{Resource, api::ObjectMeta, core::DynamicResourceScope};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::{kinds::Kind, plan::APP_LABEL};

/// Annotation in which `kubectl apply` keeps a copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object from a list or a watch.
#[derive(Clone)]
pub(crate) struct Found {
    /// Only what kube's watcher reads.
    metadata: ObjectMeta,
    /// Name of the ChatApp that its label names.
    pub(crate) app: String,
    /// The object as JSON.
    pub(crate) text: Box<[u8]>,
}

impl Found {
    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }
}

/// Takes any object that has a name: one that doesn't fit its type must not end the watch for all the others.
impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
            if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
                annotations.remove(LAST_APPLIED);
            }
        }
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let label = format!("/metadata/labels/{}", APP_LABEL.replace('/', "~1"));
        Ok(Self {
            metadata: ObjectMeta {
                name: text("/metadata/name"),
                namespace: text("/metadata/namespace"),
                resource_version: text("/metadata/resourceVersion"),
                ..ObjectMeta::default()
            },
            app: text(&label).unwrap_or_default(),
            text: serde_json::to_vec(&object)
                .map_err(D::Error::custom)?
                .into_boxed_slice(),
        })
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace(), self.name())
    }
}

impl Resource for Found {
    type DynamicType = Kind;
    type Scope = DynamicResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        kind.name().into()
    }

    fn group(kind: &Kind) -> Cow<'_, str> {
        kind.group().into()
    }

    fn version(kind: &Kind) -> Cow<'_, str> {
        kind.version().into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        kind.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_comes_out_as_it_went_in_without_what_nobody_reads() {
        let object = json!({"metadata": {"name": "a", "namespace": "n", "resourceVersion": "7", "labels": {"sillychat.io/chatapp": "demo"},
            "managedFields": [{"manager": "x"}], "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}},
            "spec": {"unheard": ["of"]}});
        let found: Found = serde_json::from_value(object).expect("an object");
        assert_eq!(
            (found.namespace(), found.name(), found.app.as_str()),
            ("n", "a", "demo")
        );
        assert_eq!(
            serde_json::from_slice::<Value>(&found.text).ok(),
            Some(
                json!({"metadata": {"name": "a", "namespace": "n", "resourceVersion": "7", "labels": {"sillychat.io/chatapp": "demo"},
                    "annotations": {"mine": "1"}},
                "spec": {"unheard": ["of"]}})
            )
        );
    }

    #[test]
    fn an_object_that_does_not_fit_its_type_is_taken() {
        let odd = json!({"metadata": {"name": "a", "labels": 7}, "spec": {"replicas": "many"}});
        assert!(serde_json::from_value::<Found>(odd).is_ok());
    }
}
