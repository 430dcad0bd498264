//! The finalizer: put on before anything is made, and taken off a deleted ChatApp when `plan::deletion` has nothing left to do.
//! While the operator is down, a deleted ChatApp waits for it. One that this operator can't read, since another version has written
//! it, waits for no other: its database stays.

use chatapp_crds::{ChatApp, DeletionPolicy};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams},
    core::DeserializeGuard,
    runtime::events::{Event, EventType, Recorder},
};
use serde_json::json;

use crate::{
    apply::{self, FIELD_MANAGER},
    kinds::Kind,
    pass::{self, PassError},
    plan::{
        Observed, database_name,
        deletion::{self, Step},
        ownership::{self, Owner},
    },
    status,
};

/// Puts the finalizer on, if the ChatApp needs it and hasn't got it. Returns the ChatApp as it is then.
pub(crate) async fn hold(app: &ChatApp, client: &Client) -> Result<Option<ChatApp>, PassError> {
    if !deletion::needs_finalizer(app) || deletion::has_finalizer(app) {
        return Ok(None);
    }
    let metadata = set_finalizers(app, client, true).await?;
    Ok(Some(ChatApp {
        metadata,
        ..app.clone()
    }))
}

/// Does the next step for a ChatApp that is being deleted. Returns whether it has let go of it.
pub(crate) async fn release(
    app: &DeserializeGuard<ChatApp>,
    client: &Client,
    recorder: &Recorder,
) -> Result<bool, PassError> {
    if !deletion::has_finalizer(app) {
        return Ok(true);
    }
    let namespace = app.namespace().unwrap_or_default();
    let readable = app.0.as_ref().ok();
    let policy = readable.map_or(DeletionPolicy::Retain, |app| {
        app.spec.database.deletion_policy
    });
    let step = if is_terminating(client, &namespace).await {
        Step::Release
    } else {
        deletion::plan(app, policy, &remains(app, client, &namespace).await?)
    };
    match step {
        Step::Wait { deletions, message } => {
            for deletion in &deletions {
                apply::delete(client, &namespace, deletion).await?;
            }
            if let Some(app) = readable {
                let present = status::deleting(app, message, Timestamp::now());
                if app.status.as_ref() != Some(&present) {
                    pass::write_status(app, &present, client).await?;
                }
            } else {
                tracing::info!(name = app.name_any(), namespace, message, "unreadable");
            }
            return Ok(false);
        }
        Step::Retain(cluster) => {
            let marks = ownership::retained(&cluster, &Owner::of(app), Timestamp::now());
            apply::merge(client, &namespace, &cluster, marks).await?;
            let event = Event {
                type_: EventType::Normal,
                reason: "DatabaseRetained".to_owned(),
                note: Some(deletion::retained_note(app)),
                action: "Delete".to_owned(),
                secondary: None,
            };
            pass::publish(app, recorder, &event).await;
        }
        Step::Release => {}
    }
    match set_finalizers(app, client, false).await {
        Ok(_) => {}
        // Gone already: somebody else has taken it off.
        Err(PassError::Finalizer(kube::Error::Api(status))) if status.code == 404 => {}
        Err(error) => return Err(error),
    }
    tracing::info!(name = app.name_any(), namespace, "released");
    Ok(true)
}

/// In a namespace that is being deleted everything goes, and nothing can be created: there is nothing to decide, and an API that
/// fails there must not hold up the rest. An operator that may not read namespaces takes the long way.
async fn is_terminating(client: &Client, namespace: &str) -> bool {
    let namespace = Api::<Namespace>::all(client.clone())
        .get_metadata(namespace)
        .await;
    namespace.is_ok_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
}

/// From the API server, not from the caches: it is decided once. The Cluster by its name: somebody may have changed its labels.
async fn remains(
    app: &impl ResourceExt,
    client: &Client,
    namespace: &str,
) -> Result<Observed, PassError> {
    let mut observed = Observed::of(app);
    let name = database_name(app);
    let (api_version, kind) = (Kind::Cluster.api_version(), Kind::Cluster.name());
    let clusters = apply::api(client, namespace, api_version, kind);
    match clusters.get(&name).await {
        Ok(cluster) => observed.put(Kind::Cluster, json!(cluster)),
        // There is none, or CloudNativePG isn't there any more.
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(source) => {
            let what = format!("{kind} {name}");
            return Err(PassError::Read { what, source });
        }
    }
    for kind in [Kind::Job, Kind::CronJob, Kind::Pod] {
        observed.refresh(kind, pass::list(app, client, namespace, kind).await?);
    }
    Ok(observed)
}

/// Only if the ChatApp is still as it was read: others have finalizers too. Returns its metadata as they are then.
async fn set_finalizers(
    app: &impl ResourceExt,
    client: &Client,
    ours: bool,
) -> Result<ObjectMeta, PassError> {
    let api: Api<ChatApp> = Api::namespaced(client.clone(), &app.namespace().unwrap_or_default());
    let patch = json!({"metadata": {
        "uid": app.uid(), "resourceVersion": app.resource_version(), "finalizers": deletion::finalizers(app, ours),
    }});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api
        .patch_metadata(&app.name_any(), &params, &Patch::Merge(&patch))
        .await;
    let patched = patched.map_err(PassError::Finalizer)?;
    Ok(patched.metadata)
}
