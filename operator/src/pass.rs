//! One pass over one ChatApp: observe, plan, apply, report. What starts a pass, and what follows one that fails, is
//! `controller`'s business.

use chatapp_crds::{ChatApp, ChatAppStatus, ConditionType, Phase};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::events::{Event, EventType, Recorder},
};
use serde_json::{Value, json};

use crate::{
    apply::{self, Applied, ApplyError, FIELD_MANAGER},
    backoff::ErrorClass,
    caches::Caches,
    events, finalize,
    kinds::Kind,
    neighbours,
    plan::{self, APP_LABEL, Child, Observed, Verdict, ownership::Owner},
    status,
};

/// How many objects of one ChatApp are applied at the same time.
const AT_ONCE: usize = 4;
/// How many passes in a row may leave the status to the next one.
const UNREPORTED_LIMIT: u32 = 8;

/// Why a pass did not get to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("status of the ChatApp: {0}")]
    Status(#[source] kube::Error),
    #[error("finalizer of the ChatApp: {0}")]
    Finalizer(#[source] kube::Error),
    #[error("{what}: {source}")]
    Read {
        what: String,
        #[source]
        source: kube::Error,
    },
}

impl PassError {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Apply(error) => error.class(),
            Self::Status(error) | Self::Finalizer(error) | Self::Read { source: error, .. } => {
                ErrorClass::of(error)
            }
        }
    }
}

/// How things stand after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// As the spec wants them: only a change needs another pass.
    AtRest,
    /// For something that is to come.
    Waiting,
    /// On the way, and the status is left to a later pass.
    Unreported,
}

/// What a pass leaves to the next one over the same ChatApp. Nothing goes wrong when it gets lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    unreported: Unreported,
    /// This process has put the finalizer on, and no Job was begun since: there is none that a cache may not have seen yet.
    has_no_job: bool,
}

/// Passes in a row that have left what is under way to the next one: of steps that follow each other within a second nobody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unreported {
    passes: u32,
    /// The last of them has found nothing to do.
    has_waited: bool,
}

impl Unreported {
    /// With another pass; `None` if it has to report. Something is waited for if there was nothing to do twice; and if there always
    /// is something to do, somebody undoes it.
    fn and(self, has_changed: bool) -> Option<Self> {
        let is_waiting = self.has_waited && !has_changed;
        (!is_waiting && self.passes < UNREPORTED_LIMIT).then_some(Self {
            passes: self.passes + 1,
            has_waited: !has_changed,
        })
    }
}

impl Outlook {
    /// What the status says of it. Who has failed waits too: for somebody to correct something that may not be watched.
    fn of(status: &ChatAppStatus) -> Self {
        match status.phase {
            Some(Phase::Ready | Phase::Suspended) => Self::AtRest,
            Some(Phase::Progressing | Phase::Degraded) | None => Self::Waiting,
        }
    }
}

/// Brings the children of `app` a step further.
pub(crate) async fn pass(
    app: &ChatApp,
    client: &Client,
    caches: &Caches,
    recorder: &Recorder,
    memory: &mut Memory,
) -> Result<Outlook, PassError> {
    let held = finalize::hold(app, client).await?;
    memory.has_no_job |= held.is_some();
    let app = held.as_ref().unwrap_or(app);
    let namespace = app.namespace().unwrap_or_default();
    let mut observed = caches.observe(app);
    observed.content = content(app, client, &namespace).await?;
    neighbours::observe(client, plan::neighbours(app), &mut observed).await?;
    events::observe(client, &namespace, &mut observed, Timestamp::now()).await;
    let mut plan = plan::plan(app, &observed);
    if plan.starts_job(&observed) && !std::mem::take(&mut memory.has_no_job) {
        // A cache may not have seen yet what the pass before has created: two of them at once must not come of that.
        let (jobs, pods) = futures::try_join!(
            list(app, client, &namespace, Kind::Job),
            list(app, client, &namespace, Kind::Pod)
        )?;
        observed.refresh(Kind::Job, jobs);
        observed.refresh(Kind::Pod, pods);
        plan = plan::plan(app, &observed);
    }

    let mut failure = None;
    for deletion in &plan.deletions {
        if let Err(error) = apply::delete(client, &namespace, deletion).await {
            failure.get_or_insert(error);
        }
    }
    let mut has_changed = !plan.deletions.is_empty();
    for (child, result) in apply_all(app, client, &observed, &plan.children).await {
        match result {
            Ok(Applied::Unchanged) => {}
            Ok(Applied::Changed) => has_changed = true,
            Ok(Applied::Adopted) => {
                has_changed = true;
                tell_of_adoption(app, child, recorder).await;
            }
            Err(error) => {
                report(&mut plan.verdicts, child.condition, &error);
                failure.get_or_insert(error);
            }
        }
    }
    let present = status::status(app, &plan, Timestamp::now());
    let is_news = app.status.as_ref() != Some(&present);
    if is_news
        && failure.is_none()
        && status::is_under_way(app.status.as_ref(), &present)
        && let Some(unreported) = memory.unreported.and(has_changed)
    {
        memory.unreported = unreported;
        return Ok(Outlook::Unreported);
    }
    if is_news && write_status(app, &present, client).await? {
        announce(app, &present, recorder).await;
    }
    failure.map_or(Ok(()), Err)?;
    memory.unreported = Unreported::default();
    Ok(Outlook::of(&present))
}

/// Applies them, several at the same time, but what makes pods after all that is there for them: accounts and policies. One that can't
/// be applied doesn't keep the others from it.
async fn apply_all<'a>(
    app: &ChatApp,
    client: &Client,
    observed: &Observed,
    children: &'a [Child],
) -> Vec<(&'a Child, Result<Applied, ApplyError>)> {
    let namespace = app.namespace().unwrap_or_default();
    let owner = Owner::of(app);
    let kind = |child: &Child| Kind::named(child.kind());
    let (last, first): (Vec<&Child>, Vec<&Child>) = children
        .iter()
        .partition(|child| kind(child).is_some_and(Kind::makes_pods));
    let mut results = Vec::with_capacity(children.len());
    for stage in [first, last] {
        let applied = stage.into_iter().map(|child| {
            let live = kind(child).and_then(|kind| observed.named(kind, child.name()));
            let applied = apply::apply(client, &namespace, &owner, child, live);
            async move { (child, applied.await) }
        });
        // A list first: the compiler can't follow a stream of closures that borrow.
        let applied: Vec<_> = applied.collect();
        let mut applied = stream::iter(applied).buffered(AT_ONCE);
        while let Some(result) = applied.next().await {
            results.push(result);
        }
    }
    results
}

async fn content(
    app: &ChatApp,
    client: &Client,
    namespace: &str,
) -> Result<Option<ConfigMap>, PassError> {
    let Some(content) = &app.spec.content else {
        return Ok(None);
    };
    let name = &content.config_map_ref.name;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    api.get_opt(name).await.map_err(|source| PassError::Read {
        what: format!("ConfigMap {name}"),
        source,
    })
}

/// The ChatApp's children of a kind, from the API server instead of the caches.
pub(crate) async fn list(
    app: &impl ResourceExt,
    client: &Client,
    namespace: &str,
    kind: Kind,
) -> Result<Vec<Value>, PassError> {
    let params = ListParams::default().labels(&format!("{APP_LABEL}={}", app.name_any()));
    let api = apply::api(client, namespace, kind.api_version(), kind.name());
    let list = api.list(&params).await.map_err(|source| PassError::Read {
        what: format!("list of {}", kind.plural()),
        source,
    })?;
    Ok(list.items.iter().map(|object| json!(object)).collect())
}

/// An object that can't be applied is what the condition has to tell of.
fn report(verdicts: &mut [(ConditionType, Verdict)], condition: ConditionType, error: &ApplyError) {
    let verdict = match error {
        ApplyError::Leaving { .. } => Verdict::waiting("WaitingForDeletion", error.to_string()),
        _ if error.class() == ErrorClass::Refused => {
            Verdict::failed("ApplyRefused", error.to_string())
        }
        _ => Verdict::waiting("ApplyFailed", format!("{error}; trying again")),
    };
    for (type_, present) in verdicts {
        if *type_ == condition {
            *present = verdict.clone();
        }
    }
}

/// Returns whether it was written: not if the ChatApp has changed since it was read, its watch starts another pass then. So a
/// status that is computed from an outdated one never moves a transition time.
pub(crate) async fn write_status(
    app: &ChatApp,
    present: &ChatAppStatus,
    client: &Client,
) -> Result<bool, PassError> {
    let name = app.name_any();
    let api: Api<ChatApp> = Api::namespaced(client.clone(), &app.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": ChatApp::api_version(&()),
        "kind": ChatApp::kind(&()),
        "metadata": { "name": name, "uid": app.uid(), "resourceVersion": app.resource_version() },
        "status": present,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api
        .patch_status(&name, &params, &Patch::Apply(&patch))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => Err(PassError::Status(error)),
    }
}

/// Logs the transitions, and makes events of them.
async fn announce(app: &ChatApp, present: &ChatAppStatus, recorder: &Recorder) {
    for condition in status::transitions(app.status.as_ref(), present) {
        tracing::info!(
            name = app.name_any(),
            namespace = app.namespace(),
            condition = condition.type_,
            status = condition.status,
            reason = condition.reason,
            message = condition.message
        );
        let needs_help = present.phase == Some(Phase::Degraded) && condition.status == "False";
        let event = Event {
            type_: if needs_help {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: condition.reason.clone(),
            note: Some(note(&format!(
                "{}={}: {}",
                condition.type_, condition.status, condition.message
            ))),
            // Events that differ in their notes only are counted as one; the same reason in two conditions is two events.
            action: condition.type_.clone(),
            secondary: None,
        };
        publish(app, recorder, &event).await;
    }
}

/// Of a database that was left behind people want to know where it went.
async fn tell_of_adoption(app: &ChatApp, child: &Child, recorder: &Recorder) {
    let (kind, name) = (child.kind(), child.name());
    let event = Event {
        type_: EventType::Normal,
        reason: "Adopted".to_owned(),
        note: Some(note(&format!(
            "{kind} {name}, which a former ChatApp {} has left behind, is this one's now",
            app.name_any()
        ))),
        action: kind.to_owned(),
        secondary: None,
    };
    publish(app, recorder, &event).await;
}

/// An event that gets lost is no reason to do the pass again.
pub(crate) async fn publish(
    app: &impl Resource<DynamicType = ()>,
    recorder: &Recorder,
    event: &Event,
) {
    if let Err(error) = recorder.publish(event, &app.object_ref(&())).await {
        tracing::warn!(%error, "event");
    }
}

/// The API server refuses notes over 1 kB.
fn note(text: &str) -> String {
    text[..text.floor_char_boundary(1000)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(note("short"), "short");
        let long = note(&"ö".repeat(900));
        assert!(long.len() <= 1000 && long.chars().all(|character| character == 'ö'));
    }

    #[test]
    fn a_chat_app_that_is_stopped_is_at_rest_as_one_that_serves() {
        let outlook = |phase| {
            Outlook::of(&ChatAppStatus {
                phase: Some(phase),
                ..ChatAppStatus::default()
            })
        };
        assert_eq!(outlook(Phase::Suspended), Outlook::AtRest);
        assert_eq!(outlook(Phase::Ready), Outlook::AtRest);
        assert_eq!(outlook(Phase::Progressing), Outlook::Waiting);
        assert_eq!(outlook(Phase::Degraded), Outlook::Waiting);
    }

    #[test]
    fn what_is_waited_for_is_reported_by_the_second_pass_that_finds_nothing_to_do() {
        let first = Unreported::default().and(true).expect("it has begun");
        let second = first.and(false).expect("it may go on at once");
        assert_eq!(second.and(false), None);
        let third = second.and(true).expect("it has gone on");
        assert!(third.and(false).is_some());
    }

    #[test]
    fn a_fight_is_reported() {
        let mut unreported = Some(Unreported::default());
        let mut passes = 0;
        while let Some(before) = unreported {
            unreported = before.and(true);
            passes += 1;
        }
        assert_eq!(passes, UNREPORTED_LIMIT + 1);
    }

    #[test]
    fn trouble_with_an_object_goes_into_its_condition_only() {
        let mut verdicts = vec![
            (
                ConditionType::DatabaseReady,
                Verdict::done("ClusterReady", ""),
            ),
            (
                ConditionType::ServerAvailable,
                Verdict::done("Available", ""),
            ),
        ];
        let foreign = ApplyError::Foreign {
            kind: "Service".to_owned(),
            name: "demo-server".to_owned(),
        };
        report(&mut verdicts, ConditionType::ServerAvailable, &foreign);
        assert!(verdicts[0].1.is_done());
        let Verdict::Failed(reason) = &verdicts[1].1 else {
            panic!("{:?}", verdicts[1])
        };
        assert!(
            reason.message.contains("Service demo-server"),
            "{}",
            reason.message
        );
    }
}
