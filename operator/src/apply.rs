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
    backoff::ErrorClass,
    compare::covers,
    kinds::Kind,
    plan::{
        APP_LABEL, Child, Deletion,
        ownership::{self, Owner, Ownership},
        short_hash,
    },
};

/// Field manager of everything that the operator applies.
pub(crate) const FIELD_MANAGER: &str = "chatapp-operator";

/// Field manager of fields that we have given up: they keep their value until somebody else changes it. Without an owner, a field
/// that we leave out goes back to its default.
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership>
const FORMER_MANAGER: &str = "chatapp-operator-former";

/// Annotation of every child: hash of all that we wanted of it when we applied it last. A comparison of fields doesn't notice
/// a field that we no longer set; this does. An object without it is looked at before it is changed.
pub(crate) const HASH_ANNOTATION: &str = "sillychat.io/applied-hash";

/// No object has this version: the first thing that is stored gets a higher one. A patch that asks for it applies only where there
/// is nothing yet, and the API server answers with a conflict otherwise.
const VERSION_OF_NOTHING: &str = "1";

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
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Foreign { .. } => ErrorClass::Refused,
            Self::Leaving { .. } => ErrorClass::Waiting,
            Self::Api { source, .. } => ErrorClass::of(source),
        }
    }
}

/// What [`apply`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Nothing: it was as wanted.
    Unchanged,
    Changed,
    /// It was left behind by a former ChatApp of this name, and is this one's now.
    Adopted,
}

/// Applies `child` unless `live`, the object of its name in the watch cache, already is as wanted.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    owner: &Owner<'_>,
    child: &Child,
    live: Option<&Value>,
) -> Result<Applied, ApplyError> {
    let wanted = with_hash(&child.object);
    if live.is_some_and(|live| is_as_wanted(live, &wanted, owner)) {
        return Ok(Applied::Unchanged);
    }
    let api = api(client, namespace, child.api_version(), child.kind());
    let applied = match apply_to_known(&api, owner, child, &wanted, live).await? {
        Some(applied) => applied,
        None => apply_to_present(client, namespace, &api, owner, child, &wanted).await?,
    };
    if applied != Applied::Unchanged {
        tracing::info!(
            kind = child.kind(),
            name = child.name(),
            namespace,
            adopted = applied == Applied::Adopted,
            "applied"
        );
    }
    Ok(applied)
}

/// What the cache says is right nearly always. One request is enough then, which the API server refuses when it isn't: the object
/// must be the one that the cache has, or must not exist. `None`: it is to be looked at first.
async fn apply_to_known(
    api: &Api<DynamicObject>,
    owner: &Owner<'_>,
    child: &Child,
    wanted: &Value,
    live: Option<&Value>,
) -> Result<Option<Applied>, ApplyError> {
    let mut patched = wanted.clone();
    match live {
        None => patched["metadata"]["resourceVersion"] = json!(VERSION_OF_NOTHING),
        Some(live)
            if child.given_up.is_none()
                && live["metadata"]["annotations"][HASH_ANNOTATION].is_string()
                && !keeps_owner(live, wanted)
                && owner.ownership_of_value(live) == Ownership::Ours =>
        {
            for field in ["uid", "resourceVersion"] {
                patched["metadata"][field] = live["metadata"][field].clone();
            }
        }
        Some(_) => return Ok(None),
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    // Nobody reads the answer: the shortest one will do.
    let patched = api
        .patch_metadata(child.name(), &params, &Patch::Apply(&patched))
        .await;
    match patched {
        Ok(_) => Ok(Some(Applied::Changed)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        // There is another way to change what is there.
        Err(kube::Error::Api(status)) if status.code == 422 && live.is_some() => Ok(None),
        Err(source) => Err(error(child, source)),
    }
}

/// Looks at what has the name before it is changed: the cache may lag behind, and holds only objects with our label.
async fn apply_to_present(
    client: &Client,
    namespace: &str,
    api: &Api<DynamicObject>,
    owner: &Owner<'_>,
    child: &Child,
    wanted: &Value,
) -> Result<Applied, ApplyError> {
    let present = api.get_opt(child.name()).await;
    let present = present.map_err(|source| error(child, source))?;
    let mut patched = wanted.clone();
    let mut applied = Applied::Changed;
    if let Some(present) = present {
        let present = json!(present);
        let (kind, name) = (child.kind().to_owned(), child.name().to_owned());
        match owner.ownership_of_value(&present) {
            Ownership::Ours if is_as_wanted(&present, wanted, owner) => {
                return Ok(Applied::Unchanged);
            }
            Ownership::Ours if !has_app_label(&present, wanted) => {
                // The watches don't see it, and the plan knows nothing of it: it is planned anew once they do.
                let label = json!({ APP_LABEL: wanted["metadata"]["labels"][APP_LABEL] });
                let change = json!({"metadata": {"labels": label}});
                merge(client, namespace, &present, change).await?;
                return Ok(Applied::Changed);
            }
            Ownership::Ours => disown_updates(client, namespace, &present).await?,
            Ownership::LeftBehind if ownership::is_marked(&present) => {
                // First this, at one stroke: of two that want it one gets it.
                merge(
                    client,
                    namespace,
                    &present,
                    ownership::adopted(&present, owner),
                )
                .await?;
                applied = Applied::Adopted;
            }
            Ownership::LeftBehind => applied = Applied::Adopted,
            Ownership::Leaving => return Err(ApplyError::Leaving { kind, name }),
            Ownership::Foreign => return Err(ApplyError::Foreign { kind, name }),
        }
        if let Some(pointer) = given_up(child, &present) {
            hand_over(api, child, &present, pointer)
                .await
                .map_err(|source| error(child, source))?;
        }
        // Should it be deleted and made anew by somebody else right now, the API server refuses.
        patched["metadata"]["uid"] = present["metadata"]["uid"].clone();
    }
    let apply = async || {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(child.name(), &params, &Patch::Apply(&patched))
            .await
    };
    let result = match apply().await {
        Err(kube::Error::Api(status))
            if status.code == 422 && patched["metadata"]["uid"].is_string() =>
        {
            let merged = overwrite(api, child, patched.clone()).await?;
            disown_updates(client, namespace, &merged).await?;
            apply().await
        }
        other => other,
    };
    let result = json!(result.map_err(|source| error(child, source))?);
    if keeps_owner(&result, wanted) {
        merge(
            client,
            namespace,
            &result,
            ownership::adopted(&result, owner),
        )
        .await?;
    }
    Ok(applied)
}

/// Whether an object has the label that the watches select by.
fn has_app_label(object: &Value, wanted: &Value) -> bool {
    object["metadata"]["labels"][APP_LABEL] == wanted["metadata"]["labels"][APP_LABEL]
}

/// Server-side apply adds our entry of a list to one that somebody has changed the key of (the port of a Service), and our value to
/// what somebody has put in its place (that of a variable), and the two of them are refused for ever. A merge patch writes lists as
/// a whole. What it writes is an update's, not yet [`apply`]'s: until it is, the object has no hash.
async fn overwrite(
    api: &Api<DynamicObject>,
    child: &Child,
    mut patched: Value,
) -> Result<Value, ApplyError> {
    patched["metadata"]["annotations"][HASH_ANNOTATION] = Value::Null;
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let merged = api
        .patch(child.name(), &params, &Patch::Merge(&patched))
        .await;
    Ok(json!(merged.map_err(|source| error(child, source))?))
}

/// Takes us out of the owners of what we have written by an update: an apply that leaves such a field out would leave it in place.
async fn disown_updates(
    client: &Client,
    namespace: &str,
    object: &Value,
) -> Result<(), ApplyError> {
    let is_update = |entry: &Value| {
        entry["manager"] == FIELD_MANAGER
            && entry["operation"] == "Update"
            && entry["subresource"].is_null()
    };
    let managers = object.pointer("/metadata/managedFields");
    let managers = managers.and_then(Value::as_array);
    let (ours, others): (Vec<&Value>, Vec<&Value>) = managers
        .into_iter()
        .flatten()
        .partition(|entry| is_update(entry));
    if ours.is_empty() {
        return Ok(());
    }
    let change = json!({"metadata": {"managedFields": others}});
    merge(client, namespace, object, change).await
}

/// The garbage collector must not find an owner where we want none.
fn keeps_owner(object: &Value, wanted: &Value) -> bool {
    ownership::has_owner(object) && !ownership::has_owner(wanted)
}

/// Whether there is nothing to do about a live object; `wanted` is a child [`with_hash`].
pub(crate) fn is_as_wanted(live: &Value, wanted: &Value, owner: &Owner<'_>) -> bool {
    owner.ownership_of_value(live) == Ownership::Ours
        && covers(live, wanted)
        && !keeps_owner(live, wanted)
}

fn error(child: &Child, source: kube::Error) -> ApplyError {
    ApplyError::Api {
        kind: child.kind().to_owned(),
        name: child.name().to_owned(),
        source,
    }
}

/// Merges `change` into `object`, if it still is as it was read.
pub(crate) async fn merge(
    client: &Client,
    namespace: &str,
    object: &Value,
    mut change: Value,
) -> Result<(), ApplyError> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    for field in ["uid", "resourceVersion"] {
        change["metadata"][field] = object["metadata"][field].clone();
    }
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api = api(client, namespace, text("/apiVersion"), kind);
    let merged = api.patch(name, &params, &Patch::Merge(&change)).await;
    merged.map(drop).map_err(|source| ApplyError::Api {
        kind: kind.to_owned(),
        name: name.to_owned(),
        source,
    })
}

/// The field that we decided until now and don't any more.
fn given_up(child: &Child, present: &Value) -> Option<&'static str> {
    let pointer = child.given_up?;
    let field = pointer.replace('/', "/f:");
    let managers = present
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let is_ours = managers.into_iter().flatten().any(|entry| {
        entry["manager"] == FIELD_MANAGER
            && entry["operation"] == "Apply"
            && entry["fieldsV1"].pointer(&field).is_some()
    });
    (is_ours && child.object.pointer(pointer).is_none()).then_some(pointer)
}

/// Has the other field manager own the field with the value that it has.
async fn hand_over(
    api: &Api<DynamicObject>,
    child: &Child,
    present: &Value,
    pointer: &str,
) -> Result<(), kube::Error> {
    let mut fields = pointer.rsplit('/').filter(|field| !field.is_empty());
    let value = present.pointer(pointer).cloned().unwrap_or_default();
    let mut kept = fields.try_fold(value, |value, field| Some(json!({ field: value })));
    let Some(Value::Object(kept)) = &mut kept else {
        return Ok(());
    };
    kept.insert("apiVersion".to_owned(), json!(child.api_version()));
    kept.insert("kind".to_owned(), json!(child.kind()));
    let metadata = json!({"name": child.name(), "uid": present["metadata"]["uid"]});
    kept.insert("metadata".to_owned(), metadata);
    let params = PatchParams::apply(FORMER_MANAGER).force();
    api.patch(child.name(), &params, &Patch::Apply(&kept))
        .await?;
    Ok(())
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

/// What of a child is sent: with the hash of it all.
pub(crate) fn with_hash(object: &Value) -> Value {
    let mut object = object.clone();
    // An operator that is built otherwise, or sets the same fields in another order, finds its own objects again.
    object.sort_all_objects();
    let hash = short_hash([object.to_string().as_str()]);
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
    fn the_order_of_fields_does_not_change_the_hash() {
        let one = json!({"metadata": {"name": "a"}, "spec": {"a": 1, "b": [{"c": 2, "d": 3}]}});
        let other = json!({"spec": {"b": [{"d": 3, "c": 2}], "a": 1}, "metadata": {"name": "a"}});
        assert_eq!(with_hash(&one), with_hash(&other));
    }

    #[test]
    fn a_field_is_given_up_if_we_decided_it_and_do_not_any_more() {
        let child = |spec: Value| Child {
            condition: chatapp_crds::ConditionType::ServerAvailable,
            object: json!({ "spec": spec }),
            given_up: Some("/spec/replicas"),
        };
        let live = |manager: &str, operation: &str| {
            json!({"metadata": {"managedFields": [{"manager": manager, "operation": operation,
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}, "spec": {"replicas": 3}})
        };
        let ours = live(FIELD_MANAGER, "Apply");
        assert_eq!(given_up(&child(json!({})), &ours), Some("/spec/replicas"));
        assert_eq!(given_up(&child(json!({"replicas": 2})), &ours), None);
        let theirs = live("kube-controller-manager", "Update");
        assert_eq!(given_up(&child(json!({})), &theirs), None);
    }
}
