//! Watches: a change of a ChatApp, of one of its children or of its content starts a pass (`pass`). What fails is tried again, the
//! later the more often it has failed; what a human has to correct is tried seldom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chatapp_crds::ChatApp;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config},
        events::{Recorder, Reporter},
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};

use crate::{
    apply::{self, FIELD_MANAGER},
    caches::{self, Caches, PAGE_SIZE, Scope},
    health::Health,
    pass::{self, PassError},
};

/// How many of them are worked on at the same time; kube's default is no bound at all.
const CONCURRENCY: u16 = 8;
/// A pass that takes longer is given up and tried again.
const PASS_LIMIT: Duration = Duration::from_mins(1);
/// When to look again at a ChatApp that waits: a safety net, events come sooner.
const WAITING: Duration = Duration::from_secs(15);
/// When to look again at a ChatApp that is as wanted.
const AT_REST: Duration = Duration::from_mins(5);

type Apps = Store<DeserializeGuard<ChatApp>>;

struct Context {
    client: Client,
    apps: Apps,
    caches: Arc<Caches>,
    recorder: Recorder,
    /// Failed passes in a row, by ChatApp.
    failures: Mutex<HashMap<ObjectRef<ChatApp>, u32>>,
}

impl Context {
    fn failures(&self) -> MutexGuard<'_, HashMap<ObjectRef<ChatApp>, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a ChatApp is not as wanted after a try.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error("this ChatApp can't be read ({0}): is the CRD older than the operator?")]
    Unreadable(Box<kube::core::error_boundary::InvalidObject>),
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error("the pass took longer than {} s", PASS_LIMIT.as_secs())]
    TimedOut,
}

impl ReconcileError {
    /// Whether it needs somebody to change something.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Pass(PassError::Apply(error)) => error.is_refusal(),
            Self::Pass(PassError::Status(_) | PassError::Read { .. }) | Self::TimedOut => false,
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
    let app_stream = watcher(
        scope.api(client.clone()),
        watcher::Config::default().page_size(PAGE_SIZE),
    )
    .default_backoff()
    .modify(apply::trim)
    .reflect(writer)
    .touched_objects();
    let app_stream = caches::undisturbed(app_stream, ChatApp::kind(&()).into_owned());
    let content_stream = watcher(
        scope.api::<PartialObjectMeta<ConfigMap>>(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(apply::trim)
    .touched_objects();
    let content_stream = caches::undisturbed(content_stream, ConfigMap::kind(&()).into_owned());
    let (caches, _watches, touched) = caches::start(&client, &scope);
    let reporter = Reporter {
        controller: FIELD_MANAGER.into(),
        instance: None,
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        apps: apps.clone(),
        caches,
        failures: Mutex::default(),
    });
    let (watched, checked) = (apps.clone(), context.clone());
    health.ready_when(move || {
        let apps_are_known = checked.apps.wait_until_ready().now_or_never().is_some();
        apps_are_known && checked.caches.are_filled()
    });

    Controller::for_stream(app_stream, apps)
        .with_config(
            Config::default()
                .concurrency(CONCURRENCY)
                .debounce(Duration::from_millis(100)),
        )
        .reconcile_on(touched.map(|(namespace, name)| ObjectRef::new(&name).within(&namespace)))
        .watches_stream(content_stream, move |config_map| {
            users_of(&watched, &config_map)
        })
        .graceful_shutdown_on(stop)
        .run(reconcile, error_policy, context)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, "controller");
            }
        })
        .await;
}

/// The ChatApps whose content is in this ConfigMap.
fn users_of(
    apps: &Apps,
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

async fn reconcile(
    guard: Arc<DeserializeGuard<ChatApp>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let app = guard
        .0
        .as_ref()
        .map_err(|error| ReconcileError::Unreadable(Box::new(error.clone())))?;
    // Owner references do the rest.
    if app.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    context.caches.filled().await;
    let pass = pass::pass(app, &context.client, &context.caches, &context.recorder);
    let ready = tokio::time::timeout(PASS_LIMIT, pass)
        .await
        .map_err(|_| ReconcileError::TimedOut)??;
    context.failures().remove(&ObjectRef::from_obj(app));
    Ok(Action::requeue(if ready { AT_REST } else { WAITING }))
}

// The signature is kube's.
#[allow(clippy::needless_pass_by_value)]
fn error_policy(
    guard: Arc<DeserializeGuard<ChatApp>>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    let key =
        ObjectRef::<ChatApp>::new(&guard.name_any()).within(&guard.namespace().unwrap_or_default());
    let mut failures = context.failures();
    // One that was deleted while it failed is never tried again.
    failures.retain(|failing, _| is_known(&context.apps, failing));
    let count = failures.entry(key).or_default();
    *count = count.saturating_add(1);
    let delay = backoff(*count, error.is_refusal(), fastrand::f64());
    drop(failures);
    tracing::warn!(name = guard.name_any(), namespace = guard.namespace(), %error, retry_s = delay.as_secs(), "pass failed");
    Action::requeue(delay)
}

fn is_known(apps: &Apps, app: &ObjectRef<ChatApp>) -> bool {
    let guard = ObjectRef::<DeserializeGuard<ChatApp>>::new(&app.name)
        .within(app.namespace.as_deref().unwrap_or_default());
    apps.get(&guard).is_some()
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
