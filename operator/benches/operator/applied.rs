//! What the operator has applied of an object: the fields that the API server notes down as its own, without the defaults and what
//! others have added.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#managed-fields>

use serde_json::{Map, Value, json};

const MANAGER: &str = "chatapp-operator";

/// The object as the operator has sent it; `None` if it isn't the operator's.
pub(crate) fn of(object: &Value, api_version: &str, kind: &str) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let ours = entries
        .iter()
        .find(|entry| entry["manager"] == MANAGER && entry["operation"] == "Apply")?;
    let mut applied = owned(object, &ours["fieldsV1"]);
    applied["apiVersion"] = json!(api_version);
    applied["kind"] = json!(kind);
    for field in ["name", "namespace"] {
        applied["metadata"][field] = object["metadata"][field].clone();
    }
    Some(applied)
}

/// The part of a value that a set of fields names. A field without fields below it is owned as a whole.
fn owned(value: &Value, fields: &Value) -> Value {
    let fields = fields.as_object();
    let below = fields.into_iter().flatten().filter(|(key, _)| *key != ".");
    let below: Vec<(&String, &Value)> = below.collect();
    match value {
        Value::Object(object) if !below.is_empty() => {
            let owned = below.iter().filter_map(|(key, fields)| {
                let key = key.strip_prefix("f:")?;
                Some((key.to_owned(), self::owned(object.get(key)?, fields)))
            });
            Value::Object(owned.collect())
        }
        Value::Array(items) if !below.is_empty() => {
            let owned = items.iter().filter_map(|item| {
                let (_, fields) = below.iter().find(|(key, _)| is_meant(item, key))?;
                Some(self::owned(item, fields))
            });
            Value::Array(owned.collect())
        }
        whole => whole.clone(),
    }
}

/// Whether the key names the item of a list: `k:` by some of its fields, `v:` by its value.
fn is_meant(item: &Value, key: &str) -> bool {
    if let Some(value) = key.strip_prefix("v:") {
        return serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item);
    }
    let fields = key.strip_prefix("k:");
    let fields = fields.and_then(|fields| serde_json::from_str::<Map<String, Value>>(fields).ok());
    fields.is_some_and(|fields| fields.iter().all(|(name, value)| item[name] == *value))
}
