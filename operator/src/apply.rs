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

use crate::{
    compare::covers,
    kinds::Kind,
    plan::{Child, Deletion, is_controlled_by, short_hash},
};

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
    /// An object of that name is on its way out; its end will be seen by the watch.
    #[error("{kind} {name} of a former ChatApp of this name is being deleted: waiting for its end")]
    Leaving { kind: String, name: String },
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
            Self::Leaving { .. } | Self::Api { .. } => false,
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
    if live.is_some_and(|live| is_controlled_by(live, owner_uid) && covers(live, &wanted)) {
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
    let mut wanted = wanted;
    if let Some(present) = present {
        let present = json!(present);
        if !is_controlled_by(&present, owner_uid) {
            let (kind, name) = (child.kind().to_owned(), child.name().to_owned());
            return Err(if is_of_former_app(&present, child) {
                ApplyError::Leaving { kind, name }
            } else {
                ApplyError::Foreign { kind, name }
            });
        }
        // Should it be deleted and made anew by somebody else right now, the API server refuses.
        wanted["metadata"]["uid"] = present["metadata"]["uid"].clone();
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api
        .patch(child.name(), &params, &Patch::Apply(&wanted))
        .await
    {
        Err(kube::Error::Api(status))
            if status.code == 422 && wanted["metadata"]["uid"].is_string() =>
        {
            // Server-side apply adds our entry of a list to one that somebody has changed the key of (the port of a Service),
            // and the two of them are refused for ever. A merge patch writes lists as a whole.
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            api.patch(child.name(), &params, &Patch::Merge(&wanted))
                .await
                .map_err(error)?;
        }
        other => {
            other.map_err(error)?;
        }
    }
    tracing::info!(
        kind = child.kind(),
        name = child.name(),
        namespace,
        "applied"
    );
    Ok(true)
}

/// Deletes the object, if it still is the one that was meant. A Job and a database stay visible until all that they own is gone:
/// another may not start before.
pub(crate) async fn delete(
    client: &Client,
    namespace: &str,
    deletion: &Deletion,
) -> Result<(), ApplyError> {
    let is_waited_for = matches!(Kind::named(&deletion.kind), Some(Kind::Job | Kind::Cluster));
    let params = DeleteParams {
        propagation_policy: Some(if is_waited_for {
            PropagationPolicy::Foreground
        } else {
            PropagationPolicy::Background
        }),
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

/// Objects of a kind.
pub(crate) fn api(
    client: &Client,
    namespace: &str,
    api_version: &str,
    kind: &str,
) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let resource = match Kind::named(kind) {
        Some(kind) => ApiResource::from_gvk_with_plural(&gvk, kind.plural()),
        None => ApiResource::from_gvk(&gvk),
    };
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Whether the object's controller is a ChatApp of the same name that is no more.
fn is_of_former_app(present: &Value, child: &Child) -> bool {
    let controller = |object: &Value| {
        let owners = object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .cloned();
        owners
            .into_iter()
            .flatten()
            .find(|owner| owner["controller"] == true)
    };
    let (Some(theirs), Some(ours)) = (controller(present), controller(&child.object)) else {
        return false;
    };
    ["apiVersion", "kind", "name"]
        .iter()
        .all(|field| theirs[*field] == ours[*field])
}

fn with_hash(object: &Value) -> Value {
    let hash = short_hash([object.to_string().as_str()]);
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.insert(HASH_ANNOTATION.to_owned(), json!(hash));
        }
    }
    object
}

/// Drops from a cached object what nobody reads: managed fields are half of its size.
pub(crate) fn trim<K: ResourceExt>(object: &mut K) {
    object.managed_fields_mut().clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_no_longer_wanted_changes_the_hash() {
        let before =
            with_hash(&json!({"metadata": {"name": "a"}, "spec": {"image": "x", "paused": true}}));
        let after = with_hash(&json!({"metadata": {"name": "a"}, "spec": {"image": "x"}}));
        assert!(!covers(&before, &after));
        assert!(covers(&after, &after));
    }

    #[test]
    fn what_a_former_app_of_the_name_owned_is_on_its_way_out() {
        let owned = |name: &str, uid: &str| {
            json!({"metadata": {"ownerReferences": [
            {"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": name, "uid": uid, "controller": true}]}})
        };
        let child = Child {
            condition: chatapp_crds::ConditionType::ServerAvailable,
            object: owned("demo", "new"),
        };
        assert!(is_of_former_app(&owned("demo", "old"), &child));
        assert!(!is_of_former_app(&owned("other", "old"), &child));
        assert!(!is_of_former_app(&json!({"metadata": {}}), &child));
    }
}
