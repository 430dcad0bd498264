//! Watches, and what happens when a ChatApp or one of its children changes: observe, plan, apply, report. What fails is tried
//! again, the later the more often it has failed; what a human has to correct is tried seldom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chatapp_crds::{ChatApp, ChatAppStatus, ConditionType};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{PartialObjectMeta, Patch, PatchParams},
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config},
        events::{Event, EventType, Recorder, Reporter},
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde_json::json;

use crate::{
    apply::{self, ApplyError, FIELD_MANAGER},
    caches::{self, Caches, Scope},
    health::Health,
    plan::{self, APP_LABEL, Plan, Verdict},
    status,
};

/// How many of them are worked on at the same time; kube's default is no bound at all.
const CONCURRENCY: u16 = 8;
/// A pass that takes longer is given up and tried again.
const PASS_LIMIT: Duration = Duration::from_mins(1);
/// When to look again at a ChatApp that waits: a safety net, events come sooner.
const WAITING: Duration = Duration::from_secs(15);
/// When to look again at a ChatApp that is as wanted.
const AT_REST: Duration = Duration::from_mins(5);

struct Context {
    client: Client,
    caches: Caches,
    recorder: Recorder,
    /// Failed passes in a row, by ChatApp.
    failures: Mutex<HashMap<ObjectRef<ChatApp>, u32>>,
}

/// Why a pass did not get to its end.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error("this ChatApp can't be read ({0}): is the CRD older than the operator?")]
    Unreadable(Box<kube::core::error_boundary::InvalidObject>),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("status of the ChatApp: {0}")]
    Status(#[source] kube::Error),
    #[error("ConfigMap {name}: {source}")]
    Content {
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("the pass took longer than {} s", PASS_LIMIT.as_secs())]
    TimedOut,
}

impl PassError {
    /// Whether it needs somebody to change something.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Apply(error) => error.is_refusal(),
            Self::Status(_) | Self::Content { .. } | Self::TimedOut => false,
        }
    }
}

/// Reconciles every ChatApp in `scope` until `stop` completes; passes under way are finished.
pub(crate) async fn run(
    client: Client,
    scope: Scope,
    health: Health,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let writer = Writer::<DeserializeGuard<ChatApp>>::default();
    let apps = writer.as_reader();
    let app_stream = watcher(scope.api(client.clone()), watcher::Config::default())
        .default_backoff()
        .modify(apply::trim)
        .reflect(writer)
        .touched_objects();
    let content_stream = watcher(
        scope.api::<PartialObjectMeta<ConfigMap>>(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .touched_objects();
    let (caches, streams) = caches::caches(&client, &scope);
    let reporter = Reporter {
        controller: FIELD_MANAGER.into(),
        instance: None,
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        caches,
        failures: Mutex::default(),
    });
    let (watched, checked) = (apps.clone(), context.clone());
    health.ready_when(move || checked.caches.are_filled());

    Controller::for_stream(app_stream, apps)
        .with_config(
            Config::default()
                .concurrency(CONCURRENCY)
                .debounce(Duration::from_millis(100)),
        )
        .owns_stream_with(streams.clusters, caches::cluster_resource())
        .owns_stream(streams.jobs)
        .owns_stream(streams.deployments)
        .owns_stream(streams.services)
        .owns_stream(streams.service_accounts)
        .watches_stream(streams.pods, |pod| {
            let name = pod.labels().get(APP_LABEL).cloned();
            name.map(|name| ObjectRef::new(&name).within(&pod.namespace().unwrap_or_default()))
        })
        .watches_stream(content_stream, move |config_map| {
            users_of(&watched, &config_map)
        })
        .graceful_shutdown_on(stop)
        .run(pass, error_policy, context)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, "controller");
            }
        })
        .await;
}

/// The ChatApps whose content is in this ConfigMap.
fn users_of(
    apps: &Store<DeserializeGuard<ChatApp>>,
    config_map: &PartialObjectMeta<ConfigMap>,
) -> Vec<ObjectRef<DeserializeGuard<ChatApp>>> {
    let (namespace, name) = (config_map.namespace(), config_map.name_any());
    let uses = |app: &DeserializeGuard<ChatApp>| {
        let spec = app.0.as_ref().ok().map(|app| &app.spec);
        let content = spec.and_then(|spec| spec.content.as_ref());
        app.namespace() == namespace
            && content.is_some_and(|content| content.config_map_ref.name == name)
    };
    apps.state()
        .iter()
        .filter(|app| uses(app))
        .map(|app| ObjectRef::from_obj(&**app))
        .collect()
}

async fn pass(
    guard: Arc<DeserializeGuard<ChatApp>>,
    context: Arc<Context>,
) -> Result<Action, PassError> {
    let app = guard
        .0
        .as_ref()
        .map_err(|error| PassError::Unreadable(Box::new(error.clone())))?;
    // Owner references do the rest.
    if app.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    context.caches.filled().await;
    let ready = tokio::time::timeout(PASS_LIMIT, reconcile(app, &context))
        .await
        .map_err(|_| PassError::TimedOut)??;
    context
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&ObjectRef::from_obj(app));
    Ok(Action::requeue(if ready { AT_REST } else { WAITING }))
}

/// One pass. Returns whether the ChatApp is ready.
async fn reconcile(app: &ChatApp, context: &Context) -> Result<bool, PassError> {
    let namespace = app.namespace().unwrap_or_default();
    let uid = app.uid().unwrap_or_default();
    let mut observed = context.caches.observe(app);
    observed.content = content(app, &context.client, &namespace).await?;
    let mut plan = plan::plan(app, &observed);

    let mut failure = None;
    for deletion in &plan.deletions {
        if let Err(error) = apply::delete(&context.client, &namespace, deletion).await {
            failure.get_or_insert(error);
        }
    }
    // One object that can't be applied doesn't keep the others from it.
    for index in 0..plan.children.len() {
        let child = &plan.children[index];
        let live = context.caches.live(&namespace, child);
        if let Err(error) =
            apply::apply(&context.client, &namespace, &uid, child, live.as_ref()).await
        {
            let condition = child.condition;
            report(&mut plan, condition, &error);
            failure.get_or_insert(error);
        }
    }
    let present = status::status(app, &plan, Timestamp::now());
    if app.status.as_ref() != Some(&present) {
        write_status(app, &present, context, &namespace).await?;
    }
    failure.map_or(Ok(()), Err)?;
    Ok(plan.verdicts.iter().all(|(_, verdict)| verdict.is_done()))
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
    api.get_opt(name)
        .await
        .map_err(|source| PassError::Content {
            name: name.clone(),
            source,
        })
}

/// An object that can't be applied is what the condition has to tell of.
fn report(plan: &mut Plan, condition: ConditionType, error: &ApplyError) {
    let verdict = if error.is_refusal() {
        Verdict::failed("ApplyRefused", error.to_string())
    } else {
        Verdict::waiting("ApplyFailed", format!("{error}; trying again"))
    };
    for (type_, present) in &mut plan.verdicts {
        if *type_ == condition {
            *present = verdict.clone();
        }
    }
}

async fn write_status(
    app: &ChatApp,
    present: &ChatAppStatus,
    context: &Context,
    namespace: &str,
) -> Result<(), PassError> {
    let api: Api<ChatApp> = Api::namespaced(context.client.clone(), namespace);
    let name = app.name_any();
    let patch = json!({
        "apiVersion": ChatApp::api_version(&()),
        "kind": ChatApp::kind(&()),
        "metadata": { "name": name, "uid": app.uid() },
        "status": present,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api
        .patch_status(&name, &params, &Patch::Apply(&patch))
        .await
    {
        Ok(_) => {}
        // Deleted meanwhile, or deleted and made anew.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
        Err(error) => return Err(PassError::Status(error)),
    }
    for condition in status::transitions(app.status.as_ref(), present) {
        tracing::info!(
            name,
            namespace,
            condition = condition.type_,
            status = condition.status,
            reason = condition.reason,
            message = condition.message
        );
        let event = Event {
            type_: if present.phase == Some(chatapp_crds::Phase::Degraded)
                && condition.status == "False"
            {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: condition.reason.clone(),
            // The API server refuses notes over 1 kB.
            note: Some(
                format!(
                    "{}={}: {}",
                    condition.type_, condition.status, condition.message
                )
                .chars()
                .take(250)
                .collect(),
            ),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // An event that gets lost is no reason to do the pass again.
        if let Err(error) = context.recorder.publish(&event, &app.object_ref(&())).await {
            tracing::warn!(%error, "event");
        }
    }
    Ok(())
}

// The signature is kube's.
#[allow(clippy::needless_pass_by_value)]
fn error_policy(
    guard: Arc<DeserializeGuard<ChatApp>>,
    error: &PassError,
    context: Arc<Context>,
) -> Action {
    let key =
        ObjectRef::<ChatApp>::new(&guard.name_any()).within(&guard.namespace().unwrap_or_default());
    let mut failures = context
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(key).or_default();
    *count = count.saturating_add(1);
    let delay = backoff(*count, error.is_refusal(), fastrand::f64());
    tracing::warn!(name = guard.name_any(), namespace = guard.namespace(), %error, retry_s = delay.as_secs(), "pass failed");
    Action::requeue(delay)
}

/// 1 s, 2 s, 4 s, ... up to a minute; for what a human has to correct at once a minute. `random` (0 to 1) spreads it by a half, so that
/// many ChatApps that failed together don't come back together.
fn backoff(failures: u32, is_refusal: bool, random: f64) -> Duration {
    let base = if is_refusal {
        60.0
    } else {
        2_f64
            .powi(failures.saturating_sub(1).min(6).cast_signed())
            .min(60.0)
    };
    Duration::from_secs_f64(base * (0.75 + 0.5 * random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_get_rarer_up_to_a_minute() {
        let delays: Vec<f64> = (1..=8)
            .map(|failures| backoff(failures, false, 0.5).as_secs_f64())
            .collect();
        assert_eq!(delays, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(backoff(1, true, 0.5), Duration::from_mins(1));
    }

    #[test]
    fn tries_are_spread() {
        assert_eq!(backoff(3, false, 0.0), Duration::from_secs(3));
        assert_eq!(backoff(3, false, 1.0), Duration::from_secs(5));
    }
}
