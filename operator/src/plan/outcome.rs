//! What a command of the server's image says of its end: it leaves a JSON object as its container's termination message. An
//! image that is older than that leaves nothing, or the last lines of its log.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use serde::Deserialize;

use super::pods;

/// As `chat-server --outcome` writes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Outcome {
    pub(crate) message: String,
    pub(crate) migrations: Option<Vec<String>>,
    pub(crate) schema_version: Option<i64>,
    pub(crate) import: Option<chatapp_crds::ImportResult>,
}

/// What the container of this name left, if it has ended.
pub(crate) fn of_container(pod: &Pod, name: &str) -> Option<Outcome> {
    let container = pods::container_statuses(pod).find(|container| container.name == name)?;
    let message = terminated(container)?.message.as_deref()?;
    serde_json::from_str(message).ok()
}

/// The end of a pod: of the container that failed, or else of the last one.
pub(crate) fn end(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let ends = || pods::container_statuses(pod).filter_map(terminated);
    ends()
        .find(|end| end.exit_code != 0)
        .or_else(|| ends().last())
}

/// What a pod said at its end, in one line.
pub(crate) fn last_words(pod: &Pod) -> String {
    let Some(end) = end(pod) else {
        return "no message".to_owned();
    };
    let message = end.message.as_deref().unwrap_or_default();
    match serde_json::from_str::<Outcome>(message) {
        Ok(outcome) if !outcome.message.is_empty() => outcome.message,
        _ => format!("exit code {}: {}", end.exit_code, pods::shorten(message)),
    }
}

pub(crate) fn terminated(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}
