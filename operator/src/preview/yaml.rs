//! Objects as people read them: YAML with the fields in an order that is always the same, and without what is only of use to those
//! who keep the object.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Value, json};

use crate::{apply::HASH_ANNOTATION, plan::TEMPLATE_ANNOTATION};

/// Fields that come first.
const FIRST: [&str; 5] = ["apiVersion", "kind", "metadata", "name", "namespace"];
/// What the API server keeps account of.
const BOOKKEEPING: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "deletionGracePeriodSeconds",
];
/// Notes that programs leave for themselves, and which repeat the rest.
const NOTES: [&str; 3] = [
    HASH_ANNOTATION,
    TEMPLATE_ANNOTATION,
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// The object's YAML.
pub(crate) fn render(object: &Value) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&Ordered(object))
}

/// The object without status, bookkeeping and notes.
pub(crate) fn essence(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.remove("status");
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|field, _| !BOOKKEEPING.contains(&field.as_str()));
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.retain(|annotation, _| !NOTES.contains(&annotation.as_str()));
        }
        if metadata.get("annotations") == Some(&json!({})) {
            metadata.remove("annotations");
        }
    }
    object
}

/// Whether maps keep their order depends on what else is built in the workspace: so it is given here.
struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
                let place = |name: &str| FIRST.iter().position(|first| *first == name);
                fields.sort_by_key(|(name, _)| (place(name).unwrap_or(FIRST.len()), *name));
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Ordered)),
            value => value.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_one_order_and_what_is_nobody_s_business_is_left_out() {
        let object = json!({
            "status": {"replicas": 1},
            "spec": {"b": "1", "a": [true, null, "two\nlines\n"]},
            "metadata": {"labels": {"z": "1", "name": "n"}, "uid": "u", "annotations": {HASH_ANNOTATION: "x"}, "name": "demo", "resourceVersion": "7"},
            "kind": "Deployment", "apiVersion": "apps/v1",
        });
        let yaml = render(&essence(&object)).expect("YAML");
        let expected = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: demo\n  labels:\n    name: \"n\"\n    z: \"1\"\n\
            spec:\n  a:\n  - true\n  - null\n  - |\n    two\n    lines\n  b: \"1\"\n";
        assert_eq!(yaml, expected);
    }
}
