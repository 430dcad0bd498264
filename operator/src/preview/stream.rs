//! A rehearsal as a YAML stream, each object with the step of the gate that it waits for.

use chatapp_crds::{ChatApp, ConditionType};
use kube::ResourceExt;

use super::{
    rehearsal::{Rehearsal, Rehearsed},
    yaml::{essence, render},
};

/// Stands for the uid that the cluster gives the ChatApp.
pub(crate) const UNKNOWN_UID: &str = "00000000-0000-0000-0000-000000000000";

/// The stream.
pub(crate) fn stream(
    app: &ChatApp,
    rehearsal: &Rehearsal,
) -> Result<String, serde_saphyr::SerializeError> {
    let mut text = vec![format!(
        "# ChatApp {} in namespace {}: {} objects, in the order in which they come.\n",
        app.name_any(),
        app.namespace().unwrap_or_default(),
        rehearsal.objects.len(),
    )];
    text.push(format!(
        "# Only a cluster knows the ChatApp's uid, here {UNKNOWN_UID}"
    ));
    let hashes = if app.spec.database.cluster.is_some() {
        ", and the hashes\n# in names of Jobs, which depend on the uid of the database's Cluster.\n"
    } else {
        ".\n"
    };
    text.push(hashes.to_owned());
    if let Some((step, verdict)) = &rehearsal.stuck {
        let reason = verdict.reason();
        text.push(format!(
            "# It goes no further than {}: {}\n",
            step.as_str(),
            reason.message
        ));
    }
    for Rehearsed {
        comes_after,
        is_passing,
        child,
        ..
    } in &rehearsal.objects
    {
        let (kind, name) = (child.kind(), child.name());
        let (when, until) = (when(*comes_after), until(*is_passing));
        text.push(format!("---\n# {kind} {name}, {when}{until}\n"));
        text.push(render(&essence(&child.object))?);
    }
    Ok(text.concat())
}

/// How long something stays.
pub(crate) fn until(is_passing: bool) -> &'static str {
    if is_passing {
        ", until it has served its purpose"
    } else {
        ""
    }
}

/// When something happens that comes after a step of the gate.
pub(crate) fn when(step: Option<ConditionType>) -> &'static str {
    match step {
        None => "at once",
        Some(ConditionType::DatabaseReady) => "when the database is ready (DatabaseReady)",
        Some(ConditionType::Migrated | ConditionType::Imported) => {
            "when the schema is migrated (Migrated)"
        }
        Some(ConditionType::ContentLoaded) => "when the content is loaded (ContentLoaded)",
        Some(ConditionType::ServerAvailable) => "when the servers serve (ServerAvailable)",
        Some(
            ConditionType::FrontendAvailable | ConditionType::RouteReady | ConditionType::Ready,
        ) => "when the page is served (FrontendAvailable)",
    }
}
