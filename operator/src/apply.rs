//! Brings the API server's objects to what the plan wants: server-side apply with one field manager, and only where the live
//! object in the watch cache differs, so that at rest nothing is sent.

use kube::{
    Api, Client, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
        Preconditions, PropagationPolicy,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::plan::{Child, Deletion};

/// Field manager of everything that the operator applies.
pub(crate) const FIELD_MANAGER: &str = "chatapp-operator";

/// Annotation of every child: hash of all that we wanted of it when we applied it last. A comparison of fields doesn't notice
/// a field that we no longer set; this does.
const HASH_ANNOTATION: &str = "sillychat.io/applied-hash";

/// Trouble with one object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// An object of that name belongs to somebody else.
    #[error(
        "{kind} {name} exists already and does not belong to this ChatApp: rename or delete it, or choose another name for the ChatApp"
    )]
    Foreign { kind: String, name: String },
    /// The API server refused or could not be reached.
    #[error("{kind} {name}: {source}")]
    Api {
        kind: String,
        name: String,
        #[source]
        source: kube::Error,
    },
}

impl ApplyError {
    /// Whether another try without a change by somebody would end the same.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Foreign { .. } => true,
            Self::Api {
                source: kube::Error::Api(status),
                ..
            } => matches!(status.code, 400 | 403 | 422),
            Self::Api { .. } => false,
        }
    }
}

/// Applies `child` unless `live`, the object in the watch cache, already is as wanted. Returns whether something was sent.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    owner_uid: &str,
    child: &Child,
    live: Option<&Value>,
) -> Result<bool, ApplyError> {
    let wanted = with_hash(&child.object);
    if live.is_some_and(|live| belongs_to(live, owner_uid) && is_subset(&wanted, live, false)) {
        return Ok(false);
    }
    let api = api(client, namespace, child.api_version(), child.kind());
    let error = |source| ApplyError::Api {
        kind: child.kind().to_owned(),
        name: child.name().to_owned(),
        source,
    };
    // The cache holds only objects with our label: one without it may still have the name.
    let present = api.get_opt(child.name()).await.map_err(error)?;
    if let Some(present) = present
        && !belongs_to(&json!(present), owner_uid)
    {
        return Err(ApplyError::Foreign {
            kind: child.kind().to_owned(),
            name: child.name().to_owned(),
        });
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(child.name(), &params, &Patch::Apply(&wanted))
        .await
        .map_err(error)?;
    tracing::info!(
        kind = child.kind(),
        name = child.name(),
        namespace,
        "applied"
    );
    Ok(true)
}

/// Deletes the object, if it still is the one that was meant.
pub(crate) async fn delete(
    client: &Client,
    namespace: &str,
    deletion: &Deletion,
) -> Result<(), ApplyError> {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: Some(deletion.uid.clone()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match api(client, namespace, &deletion.api_version, &deletion.kind)
        .delete(&deletion.name, &params)
        .await
    {
        Ok(_) => {
            tracing::info!(
                kind = deletion.kind,
                name = deletion.name,
                namespace,
                "deleted"
            );
            Ok(())
        }
        // Gone, or another object by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(ApplyError::Api {
            kind: deletion.kind.clone(),
            name: deletion.name.clone(),
            source,
        }),
    }
}

fn api(client: &Client, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn belongs_to(live: &Value, owner_uid: &str) -> bool {
    let owners = live
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .any(|owner| owner["uid"] == owner_uid && owner["controller"] == true)
}

/// Hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| {
        digits + &format!("{byte:02x}")
    })
}

fn with_hash(object: &Value) -> Value {
    let hash = hex(&Sha256::digest(object.to_string())[..8]);
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.insert(HASH_ANNOTATION.to_owned(), json!(hash));
        }
    }
    object
}

/// Whether everything in `wanted` is in `live`, which may hold more: defaults, and fields of others. Lists of named things are
/// compared by name, other lists as a whole.
fn is_subset(wanted: &Value, live: &Value, quantity: bool) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, wanted)| {
            let quantity = quantity || matches!(key.as_str(), "requests" | "limits");
            live.get(key).map_or_else(
                || is_empty(wanted),
                |live| is_subset(wanted, live, quantity),
            )
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            let named = wanted.iter().all(|item| item.get("name").is_some());
            if named {
                wanted.iter().all(|wanted| {
                    live.iter().any(|live| {
                        live["name"] == wanted["name"] && is_subset(wanted, live, quantity)
                    })
                })
            } else {
                wanted.len() == live.len()
                    && wanted
                        .iter()
                        .zip(live)
                        .all(|(wanted, live)| is_subset(wanted, live, quantity))
            }
        }
        (Value::String(wanted), Value::String(live)) if quantity => {
            wanted == live || same_quantity(wanted, live)
        }
        _ => wanted == live,
    }
}

/// The API server leaves out what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The API server writes quantities in its own way: `1000m` becomes `1`.
fn same_quantity(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (parse_quantity(one), parse_quantity(other)) else {
        return false;
    };
    (one - other).abs() <= f64::EPSILON * one.abs().max(other.abs())
}

/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
fn parse_quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let suffixed = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|number| (number, factor)));
    let (number, factor) = suffixed.unwrap_or((text, &1.0));
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// Drops from a cached object what nobody reads: managed fields are half of its size.
pub(crate) fn trim<K: ResourceExt>(object: &mut K) {
    object.managed_fields_mut().clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_and_defaults_add_is_no_difference() {
        let wanted = json!({"spec": {"replicas": 2, "containers": [{"name": "a", "image": "x", "env": []}]}});
        let live = json!({"spec": {"replicas": 2, "paused": false, "containers": [{"name": "sidecar"}, {"name": "a", "image": "x", "tty": false}]}});
        assert!(is_subset(&wanted, &live, false));
    }

    #[test]
    fn a_changed_a_missing_and_a_shortened_value_are_differences() {
        let wanted = json!({"spec": {"replicas": 2, "args": ["a", "b"]}});
        for live in [
            json!({"spec": {"replicas": 3, "args": ["a", "b"]}}),
            json!({"spec": {"args": ["a", "b"]}}),
            json!({"spec": {"replicas": 2, "args": ["a"]}}),
            json!({}),
        ] {
            assert!(!is_subset(&wanted, &live, false), "{live}");
        }
    }

    #[test]
    fn quantities_are_compared_by_value_and_only_where_there_are_quantities() {
        let resources = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        assert!(is_subset(&resources("1000m"), &resources("1"), false));
        assert!(is_subset(
            &json!({"limits": {"memory": "1Gi"}}),
            &json!({"limits": {"memory": "1024Mi"}}),
            false
        ));
        assert!(!is_subset(&resources("1001m"), &resources("1"), false));
        assert!(!is_subset(
            &json!({"image": "1000m"}),
            &json!({"image": "1"}),
            false
        ));
    }

    #[test]
    fn a_field_that_is_no_longer_wanted_changes_the_hash() {
        let before =
            with_hash(&json!({"metadata": {"name": "a"}, "spec": {"image": "x", "paused": true}}));
        let after = with_hash(&json!({"metadata": {"name": "a"}, "spec": {"image": "x"}}));
        assert!(!is_subset(&after, &before, false));
        assert!(is_subset(&after, &after, false));
    }

    #[test]
    fn only_the_controller_owns() {
        let live = |uid: &str, controller: bool| json!({"metadata": {"ownerReferences": [{"uid": uid, "controller": controller}]}});
        assert!(belongs_to(&live("u1", true), "u1"));
        assert!(!belongs_to(&live("u2", true), "u1"));
        assert!(!belongs_to(&live("u1", false), "u1"));
        assert!(!belongs_to(&json!({"metadata": {}}), "u1"));
    }
}
