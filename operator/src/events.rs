//! What is said of a pod or a Job in events only: by the kubelet, which Secret or ConfigMap it can't mount, or pull an image with (the
//! operator may not read Secrets, so it can't look for itself whether they are there); and why a Job may not create its pod.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, Client, api::ListParams};

use crate::{
    kinds::Kind,
    plan::{Observed, TELLING_REASONS},
};

/// What is younger is on its way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts it where the plan finds it. Only what waits for long is asked about. An operator that may not list events goes
/// without: it says what the pod mounts then.
pub(crate) async fn observe(
    client: &Client,
    namespace: &str,
    observed: &mut Observed,
    now: Timestamp,
) {
    let Ok(before) = now.checked_sub(PATIENCE) else {
        return;
    };
    let pods = observed.pods_that_may_miss_something(before).into_iter();
    let jobs = observed.jobs_without_pods(before).into_iter();
    let asked: Vec<_> = pods
        .map(|pod| (Kind::Pod, pod))
        .chain(jobs.map(|job| (Kind::Job, job)))
        .collect();
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    for (kind, (name, uid)) in asked {
        let fields = format!(
            "regarding.kind={},regarding.name={name},type=Warning",
            kind.name()
        );
        match api.list(&ListParams::default().fields(&fields)).await {
            Ok(events) => {
                if let Some((reason, note)) = most_telling(&uid, &events.items) {
                    observed.tell_of(kind, &name, reason, without_pod(note));
                }
            }
            Err(error) => tracing::debug!(name, namespace, %error, "events"),
        }
    }
}

/// Of events about the object the newest, those before others that name what is missing.
fn most_telling<'a>(uid: &str, events: &'a [Event]) -> Option<(&'a str, &'a str)> {
    let about_it = events.iter().filter_map(|event| {
        let reason = event.reason.as_deref()?;
        let is_about = event.regarding.as_ref()?.uid.as_deref() == Some(uid);
        let note = event.note.as_deref()?;
        let names_it = note.contains("not found") || note.contains("non-existent");
        let last = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
        let time = last.or(event.event_time.as_ref().map(|time| time.0));
        (is_about && TELLING_REASONS.contains(&reason))
            .then_some(((names_it, time), (reason, note)))
    });
    let newest = about_it.max_by_key(|(key, _)| *key);
    newest.map(|(_, told)| told)
}

/// The pod that may not be created has another name at each try.
fn without_pod(note: &str) -> &str {
    note.split_once("\" is forbidden: ")
        .map_or(note, |(_, why)| why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_event_that_names_the_object_is_the_most_telling() {
        let event = |uid: &str, second: u32, reason: &str, note: &str| -> Event {
            serde_json::from_value(json!({"metadata": {}, "eventTime": null, "reason": reason, "note": note, "regarding": {"uid": uid},
                "deprecatedLastTimestamp": format!("2026-01-01T00:00:{second:02}Z")}))
            .expect("an Event")
        };
        let events = [
            event("a", 1, "FailedMount", "secret \"old\" not found"),
            event("a", 2, "FailedMount", "secret \"db\" not found"),
            event("a", 3, "FailedMount", "timed out waiting for the condition"),
            event("a", 4, "BackOff", "secret \"x\" not found"),
            event("b", 5, "FailedMount", "secret \"theirs\" not found"),
        ];
        let told = most_telling("a", &events);
        assert_eq!(told, Some(("FailedMount", "secret \"db\" not found")));
        assert_eq!(most_telling("c", &events), None);
    }

    #[test]
    fn a_name_that_is_another_at_each_try_is_left_out() {
        let note = "Error creating: pods \"demo-migrate-1-x7k2p\" is forbidden: exceeded quota: small, requested: pods=1";
        assert_eq!(
            without_pod(note),
            "exceeded quota: small, requested: pods=1"
        );
        assert_eq!(without_pod("no match"), "no match");
    }
}
