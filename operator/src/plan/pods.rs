//! Why pods don't run: reads what the kubelet and the scheduler report, and says it in one line that names the pod.

use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, Pod};
use kube::ResourceExt;

use super::verdict::{Reason, Verdict};

/// Waiting reasons of a container that no time will heal.
const FATAL: [&str; 9] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// Those of them that are about getting the image.
const IMAGE_TROUBLE: [&str; 4] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
];

/// Events that tell of an object that a pod needs and doesn't find (one to mount, and one to pull its image with), and of a pod that
/// may not be created.
pub(crate) const TELLING_REASONS: [&str; 3] = [FAILED_MOUNT, NO_PULL_SECRET, FAILED_CREATE];
const FAILED_MOUNT: &str = "FailedMount";
const NO_PULL_SECRET: &str = "FailedToRetrieveImagePullSecret";

/// The event of a Job whose pod may not be created: a quota, or somebody's admission webhook.
pub(crate) const FAILED_CREATE: &str = "FailedCreate";

/// Condition that an observed pod or Job has for such an event. None of the API server has it.
pub(crate) const EVENT_CONDITION: &str = "sillychat.io/Event";

/// The first trouble among the pods, if there is any; in the order of the pods' names, so that the message doesn't flap.
pub(crate) fn trouble<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<Verdict> {
    let mut pods: Vec<&Pod> = pods
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect();
    pods.sort_by_key(|pod| pod.name_any());
    let verdicts: Vec<Verdict> = pods.iter().filter_map(|pod| pod_trouble(pod)).collect();
    let failed = verdicts
        .iter()
        .find(|verdict| matches!(verdict, Verdict::Failed(_)))
        .cloned();
    failed.or_else(|| verdicts.into_iter().next())
}

fn pod_trouble(pod: &Pod) -> Option<Verdict> {
    let name = pod.name_any();
    let status = pod.status.as_ref()?;
    for container in container_statuses(pod) {
        if let Some(verdict) = container_trouble(&name, container, wanted_image(pod, container)) {
            let remark = unpullable_image(pod).and_then(|_| pull_secrets(pod));
            let Reason { reason, message } = verdict.reason();
            return Some(match remark {
                Some(remark) => Verdict::failed(reason, format!("{message}; {remark}")),
                None => verdict,
            });
        }
    }
    if let Some(note) = told(pod, FAILED_MOUNT) {
        let remedy = mounted_object(pod, note).map_or_else(String::new, |object| {
            format!("; create {object} in this namespace, or name another one in the ChatApp")
        });
        let message = format!("pod {name} can't start: {}{remedy}", shorten(note));
        return Some(Verdict::failed(FAILED_MOUNT, message));
    }
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    })?;
    let message = unschedulable.message.as_deref().unwrap_or("no node fits");
    Some(Verdict::failed(
        "Unschedulable",
        format!("pod {name} can't be scheduled: {message}"),
    ))
}

/// Whether the pod serves.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && has_condition(pod, "Ready")
}

fn has_condition(pod: &Pod, type_: &str) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

/// The image that keeps a pod from its start because the kubelet can't get it.
pub(crate) fn unpullable_image(pod: &Pod) -> Option<&str> {
    container_statuses(pod)
        .find(|container| {
            waiting_reason(container).is_some_and(|reason| IMAGE_TROUBLE.contains(&reason))
        })
        .map(|container| wanted_image(pod, container))
}

pub(crate) fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

/// What to do about a pod whose end nobody reports.
pub(crate) fn if_its_node_is_gone(pod: &Pod) -> String {
    let name = pod.name_any();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let node = node.unwrap_or("none yet");
    format!("if its node, {node}, is gone for good: kubectl delete pod {name} --force")
}

/// Whether it was ended for its node's sake. It is no failure of the Job's.
pub(crate) fn is_disrupted(pod: &Pod) -> bool {
    has_condition(pod, "DisruptionTarget")
}

pub(crate) fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether one of its containers runs: neither one that waits for its image or its volumes, nor one that nobody has a node for.
pub(crate) fn is_at_work(pod: &Pod) -> bool {
    let runs = |container: &ContainerStatus| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.running.is_some())
    };
    !has_ended(pod) && (phase(pod) == "Running" || container_statuses(pod).any(runs))
}

/// What an event of this reason says of the pod.
fn told<'a>(pod: &'a Pod, reason: &str) -> Option<&'a str> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let told = conditions.iter().find(|condition| {
        condition.type_ == EVENT_CONDITION && condition.reason.as_deref() == Some(reason)
    });
    told?.message.as_deref()
}

/// Whether an object that isn't there may be what keeps the pod from its start.
pub(crate) fn may_miss_something(pod: &Pod) -> bool {
    let is_pulled_with = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.image_pull_secrets.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && (is_being_created(pod)
            || unpullable_image(pod).is_some_and(|_| is_pulled_with.is_some()))
}

/// What is in the volume that the kubelet speaks of, with the keys that are wanted of it.
fn mounted_object(pod: &Pod, note: &str) -> Option<String> {
    let volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    let (kind, name, items) = volumes
        .filter(|volume| note.contains(&format!("\"{}\"", volume.name)))
        .find_map(|volume| match (&volume.secret, &volume.config_map) {
            (Some(secret), _) => Some(("Secret", secret.secret_name.as_deref()?, &secret.items)),
            (None, Some(map)) => Some(("ConfigMap", map.name.as_str(), &map.items)),
            (None, None) => None,
        })?;
    let keys: Vec<&str> = items
        .iter()
        .flatten()
        .map(|item| item.key.as_str())
        .collect();
    Some(if keys.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {name} with key {}", keys.join(", "))
    })
}

/// What a registry says to a Secret that is missing is the same as to none.
fn pull_secrets(pod: &Pod) -> Option<String> {
    if let Some((_, rest)) = told(pod, NO_PULL_SECRET).and_then(|note| note.split_once('('))
        && let Some((missing, _)) = rest.split_once(')')
    {
        return Some(format!(
            "Secret {missing}, which it is to be pulled with, does not exist: create it in this namespace, or correct spec.imagePullSecrets"
        ));
    }
    let secrets = pod.spec.as_ref()?.image_pull_secrets.as_ref()?;
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "it is pulled with Secret {}: is it there, and does it open the registry?",
            names.join(", ")
        )
    })
}

/// Init containers first, as they run.
pub(crate) fn container_statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    })
}

fn waiting(container: &ContainerStatus) -> Option<&ContainerStateWaiting> {
    container.state.as_ref()?.waiting.as_ref()
}

fn waiting_reason(container: &ContainerStatus) -> Option<&str> {
    waiting(container)?.reason.as_deref()
}

/// The image as it was asked for: the status may have its id only.
fn wanted_image<'a>(pod: &'a Pod, status: &'a ContainerStatus) -> &'a str {
    let spec = pod.spec.as_ref();
    spec.into_iter()
        .flat_map(|spec| {
            spec.containers
                .iter()
                .chain(spec.init_containers.iter().flatten())
        })
        .find(|container| container.name == status.name)
        .and_then(|container| container.image.as_deref())
        .unwrap_or(&status.image)
}

fn container_trouble(pod: &str, container: &ContainerStatus, image: &str) -> Option<Verdict> {
    let waiting = waiting(container);
    let fatal = FATAL
        .into_iter()
        .find(|fatal| waiting_reason(container) == Some(*fatal));
    let (reason, detail) = match fatal {
        Some("CrashLoopBackOff") => ("CrashLoopBackOff", last_words(container)),
        // The kubelet changes between the two at every try.
        Some("ErrImagePull") => (
            "ImagePullBackOff",
            waiting?.message.clone().unwrap_or_default(),
        ),
        Some(fatal @ "CreateContainerConfigError") => {
            let told = waiting?.message.clone().unwrap_or_default();
            // Variables of ours have values.
            let remedy = "create it in this namespace, or correct spec.server.env";
            (fatal, format!("{told}; {remedy}"))
        }
        Some(fatal) => (fatal, waiting?.message.clone().unwrap_or_default()),
        // Between two crashes it runs for a moment.
        None if keeps_crashing(container) => ("CrashLoopBackOff", last_words(container)),
        None => return None,
    };
    // An image error doesn't always name the image.
    let image = if detail.contains(image) {
        String::new()
    } else {
        format!(" ({image})")
    };
    Some(Verdict::failed(
        reason,
        format!(
            "pod {pod}, container {}{image}: {reason}: {}",
            container.name,
            shorten(&detail)
        ),
    ))
}

/// Once is an accident. One that has started (its startup probe has succeeded) and isn't ready now has other trouble than the
/// restarts of long ago.
fn keeps_crashing(container: &ContainerStatus) -> bool {
    let ended = container
        .last_state
        .as_ref()
        .is_some_and(|state| state.terminated.is_some());
    container.started != Some(true) && container.restart_count > 1 && ended
}

/// A pod that is stuck before its first container mostly misses a Secret or a ConfigMap. The kubelet tells of it only in events,
/// and the operator may not read Secrets: so it names what the pod mounts.
pub(crate) fn mount_hint<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<String> {
    let pod = pods
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .find(|pod| is_being_created(pod))?;
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    let mounted: Vec<String> = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| {
            let secret = volume
                .secret
                .as_ref()
                .and_then(|secret| secret.secret_name.as_ref());
            let config_map = volume
                .config_map
                .as_ref()
                .map(|config_map| &config_map.name);
            let secret = secret.map(|name| format!("Secret {name}"));
            secret.or_else(|| config_map.map(|name| format!("ConfigMap {name}")))
        })
        .collect();
    (!mounted.is_empty()).then(|| {
        format!(
            "pod {} is being created; if it stays so, does it find what it mounts ({}), with the right keys?",
            pod.name_any(),
            mounted.join(", ")
        )
    })
}

/// Not even its first container runs. With init containers, Kubernetes has another word for it.
pub(crate) fn is_being_created(pod: &Pod) -> bool {
    container_statuses(pod).next().is_some_and(|first| {
        matches!(
            waiting_reason(first),
            Some("ContainerCreating" | "PodInitializing")
        )
    })
}

/// What a container said last before it ended.
pub(crate) fn last_words(container: &ContainerStatus) -> String {
    let ended = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        state.as_ref().and_then(|state| state.terminated.clone())
    };
    let Some(terminated) = ended(&container.last_state).or_else(|| ended(&container.state)) else {
        return "no message".to_owned();
    };
    let message = terminated.message.unwrap_or_default();
    format!("exit code {}: {}", terminated.exit_code, message.trim())
}

/// At most 400 characters, the end of it: the last lines of a log say the most.
pub(crate) fn shorten(text: &str) -> String {
    const LIMIT: usize = 400;
    let text = text.trim();
    let length = text.chars().count();
    if length <= LIMIT {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - LIMIT).collect();
    format!("...{end}")
}
