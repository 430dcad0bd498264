//! `migrate retry`: asks the operator to run again what has failed.

use chatapp_crds::{ChatApp, ConditionType, RETRY_MIGRATION_ANNOTATION};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::why::find;

/// Reasons of conditions that tell of a Job that isn't tried again by itself, or not now.
const FAILED: [&str; 9] = [
    "MigrationFailed",
    "MigrationRefused",
    "MigrationRetrying",
    "ContentFailed",
    "ContentRefused",
    "ContentRetrying",
    "ImportFailed",
    "ImportRefused",
    "ImportRetrying",
];

/// The conditions whose Job has failed.
pub(crate) fn failed(app: &ChatApp) -> Vec<ConditionType> {
    let conditions = app.status.as_ref().map(|status| &status.conditions[..]);
    let conditions = conditions.unwrap_or_default();
    let has_failed = |type_: &ConditionType| {
        find(conditions, *type_).is_some_and(|condition| {
            condition.status == "False" && FAILED.contains(&condition.reason.as_str())
        })
    };
    ConditionType::ALL
        .into_iter()
        .filter(|type_| *type_ != ConditionType::Ready && has_failed(type_))
        .collect()
}

/// What is to be merged into the ChatApp. If it was deleted and made anew meanwhile, the API server refuses.
pub(crate) fn patch(app: &ChatApp, now: Timestamp) -> Value {
    json!({"metadata": {
        "uid": app.uid(),
        "annotations": { RETRY_MIGRATION_ANNOTATION: now.to_string() },
    }})
}
