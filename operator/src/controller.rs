//! Watches: a change of a ChatApp, of one of its children or of its content starts a pass (`pass`). What fails is tried again, the
//! later the more often it has failed; what a human has to correct is tried seldom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chatapp_crds::ChatApp;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action, Config},
        events::{Recorder, Reporter},
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::Instrument as _;

use crate::{
    apply::{self, FIELD_MANAGER},
    backoff::{ErrorClass, Pauses},
    caches::{self, Caches, Scope},
    finalize,
    pass::{self, Memory, Outlook, PassError},
    process::{self, CONCURRENCY, Check, Metrics, Process, Pulse, Told, telemetry::TRACE},
};

/// A pass that takes longer is given up and tried again.
const PASS_LIMIT: Duration = Duration::from_mins(1);
/// When to look again at a ChatApp that waits: a safety net, events come sooner.
const WAITING: Duration = Duration::from_secs(15);
/// When to look again at a ChatApp whose status is to follow.
const UNREPORTED: Duration = Duration::from_secs(1);
/// When to look again at a ChatApp that is as wanted, more or less a quarter: many of them are not looked at in the same moment.
const AT_REST: Duration = Duration::from_mins(10);

type Apps = Store<DeserializeGuard<ChatApp>>;

struct Context {
    client: Client,
    apps: Apps,
    caches: Arc<Caches>,
    recorder: Recorder,
    metrics: Metrics,
    pulse: Pulse,
    permits: Arc<Semaphore>,
    /// Failed passes in a row.
    failures: ByApp<u32>,
    memories: ByApp<Memory>,
}

impl Context {
    /// Of what was, nothing counts any more.
    fn forget(&self, key: &Key) {
        self.failures.reset(key);
        self.memories.reset(key);
    }
}

/// Namespace and name of a ChatApp.
type Key = (String, String);

/// What is remembered of ChatApps from one pass to the next.
#[derive(Default)]
struct ByApp<T>(Mutex<HashMap<Key, T>>);

impl<T: Copy + Default + PartialEq> ByApp<T> {
    fn known(&self) -> MutexGuard<'_, HashMap<Key, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &Key) -> T {
        self.known().get(key).copied().unwrap_or_default()
    }

    /// What is nothing special is not kept.
    fn set(&self, key: &Key, value: T) {
        if value == T::default() {
            self.reset(key);
        } else {
            self.known().insert(key.clone(), value);
        }
    }

    fn reset(&self, key: &Key) {
        self.known().remove(key);
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
    fn class(&self) -> ErrorClass {
        match self {
            Self::Unreadable(_) => ErrorClass::Refused,
            Self::Pass(error) => error.class(),
            Self::TimedOut => ErrorClass::TimedOut,
        }
    }
}

/// Reconciles every ChatApp in `scope` until `stop` completes; passes under way are finished. When this is dropped instead, they are
/// given up at once.
pub(crate) async fn run(
    process: Process,
    scope: Scope,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let Process {
        client,
        metrics,
        pulse,
        health,
        permits,
        identity,
    } = process;
    let writer = Writer::<DeserializeGuard<ChatApp>>::default();
    let apps = writer.as_reader();
    let _expected = [
        scope.expect::<ChatApp>(&pulse, &(), false, "ChatApp"),
        scope.expect::<ConfigMap>(&pulse, &(), false, "ConfigMap (content)"),
    ];
    let app_stream = watcher(scope.api(client.clone()), caches::watch_config())
        .backoff(Pauses::default())
        .modify(apply::trim)
        .reflect(writer)
        .touched_objects();
    let asked = pulse.clone();
    let app_stream = caches::undisturbed(app_stream, ChatApp::kind(&()).into_owned()).inspect_ok(
        move |app: &DeserializeGuard<ChatApp>| {
            asked.asked(key(app));
        },
    );
    let content_stream = watcher(
        scope.api::<PartialObjectMeta<ConfigMap>>(client.clone()),
        caches::watch_config(),
    )
    .backoff(Pauses::default())
    .modify(apply::trim)
    .touched_objects();
    let content_stream = caches::undisturbed(content_stream, ConfigMap::kind(&()).into_owned());
    let (caches, _watches, touched) = caches::start(&client, &scope, &pulse);
    let asked = pulse.clone();
    let touched = touched.map(move |(namespace, name)| {
        asked.asked((namespace.clone(), name.clone()));
        ObjectRef::new(&name).within(&namespace)
    });
    let reporter = Reporter {
        controller: FIELD_MANAGER.into(),
        instance: Some(identity),
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        apps: apps.clone(),
        caches,
        metrics: metrics.clone(),
        pulse: pulse.clone(),
        permits,
        failures: ByApp::default(),
        memories: ByApp::default(),
    });
    let known = context.clone();
    let check = missing(&context);
    health.wait_for(&check);
    let told = told(apps.clone());
    metrics.tell_of(&told);
    let watched = apps.clone();
    let asked = pulse.clone();

    Controller::for_stream(app_stream, apps)
        .with_config(
            Config::default()
                .concurrency(CONCURRENCY)
                .debounce(Duration::from_millis(100)),
        )
        .reconcile_on(touched)
        .reconcile_all_on(filled(context.clone()))
        .watches_stream(content_stream, move |config_map| {
            let users = users_of(&watched, &config_map);
            for user in &users {
                asked.asked((
                    user.namespace.clone().unwrap_or_default(),
                    user.name.clone(),
                ));
            }
            users
        })
        .graceful_shutdown_on(stop)
        .run(reconcile, error_policy, context)
        .for_each(|result| {
            if let Err(controller::Error::ObjectNotFound(gone)) = &result {
                let gone = (
                    gone.namespace.clone().unwrap_or_default(),
                    gone.name.clone(),
                );
                pulse.served(&gone);
                known.forget(&gone);
            }
            if let Err(error) = result {
                tracing::debug!(%error, "controller");
            }
            std::future::ready(())
        })
        .await;
}

/// Comes when the caches are filled: all ChatApps are to be looked at then.
fn filled(context: Arc<Context>) -> impl Stream<Item = ()> {
    stream::once(async move {
        context.caches.filled().await;
        for app in context.apps.state() {
            context.pulse.asked(key(&*app));
        }
    })
}

/// What is not known yet.
fn missing(context: &Arc<Context>) -> Arc<Check> {
    let context = Arc::downgrade(context);
    Arc::new(move || {
        let Some(context) = context.upgrade() else {
            return Vec::new();
        };
        let apps_are_known = context.apps.wait_until_ready().now_or_never().is_some();
        let apps = (!apps_are_known).then_some("ChatApp");
        let kinds = apps.into_iter().chain(context.caches.missing());
        kinds
            .map(|kind| {
                format!(
                    "{kind} objects are not known yet: may the ServiceAccount list and watch them?"
                )
            })
            .collect()
    })
}

/// The ChatApps' conditions, for the metrics.
fn told(apps: Apps) -> Arc<process::Apps> {
    Arc::new(move || {
        let apps = apps.state();
        let readable = apps.iter().filter_map(|app| app.0.as_ref().ok());
        readable.map(Told::of).collect()
    })
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
    let key = key(&*guard);
    let span = tracing::info_span!(
        target: TRACE,
        parent: None,
        "reconcile",
        otel.name = "reconcile ChatApp",
        otel.status_code = tracing::field::Empty,
        k8s.namespace.name = key.0,
        chatapp.name = key.1,
        error.r#type = tracing::field::Empty,
    );
    if !context.caches.are_filled() && !is_deleted(&*guard) {
        // Nobody waits here, where others could work: all are looked at when the caches are filled. That may be never: who may not
        // list a kind is told by /readyz.
        context.pulse.served(&key);
        return Ok(Action::await_change());
    }
    // Its sender is the process': there always is one, sooner or later.
    let _permit = context.permits.acquire().await;
    context.pulse.served(&key);
    let start = Instant::now();
    let result = pass(&guard, &key, &context).instrument(span.clone()).await;
    let class = result.as_ref().err().map(|error| error.class().as_str());
    if class.is_some() {
        span.record("otel.status_code", "ERROR")
            .record("error.type", class);
    }
    context.metrics.passed(start.elapsed(), class);
    context.pulse.passed();
    result
}

async fn pass(
    guard: &DeserializeGuard<ChatApp>,
    key: &Key,
    context: &Context,
) -> Result<Action, ReconcileError> {
    if is_deleted(guard) {
        let release = finalize::release(guard, &context.client, &context.recorder);
        let released = in_time(release).await?;
        context.forget(key);
        return Ok(if released {
            Action::await_change()
        } else {
            Action::requeue(WAITING)
        });
    }
    let app = guard
        .0
        .as_ref()
        .map_err(|error| ReconcileError::Unreadable(Box::new(error.clone())))?;
    let mut memory = context.memories.get(key);
    let pass = pass::pass(
        app,
        &context.client,
        &context.caches,
        &context.recorder,
        &mut memory,
    );
    let outlook = in_time(pass).await;
    context.memories.set(key, memory);
    let outlook = outlook?;
    context.failures.reset(key);
    Ok(Action::requeue(match outlook {
        Outlook::AtRest => AT_REST.mul_f64(0.75 + 0.5 * fastrand::f64()),
        Outlook::Waiting => WAITING,
        Outlook::Unreported => UNREPORTED,
    }))
}

fn is_deleted(object: &impl ResourceExt) -> bool {
    object.meta().deletion_timestamp.is_some()
}

async fn in_time<T>(pass: impl Future<Output = Result<T, PassError>>) -> Result<T, ReconcileError> {
    let result = tokio::time::timeout(PASS_LIMIT, pass).await;
    Ok(result.map_err(|_| ReconcileError::TimedOut)??)
}

// The signature is kube's.
#[allow(clippy::needless_pass_by_value)]
fn error_policy(
    guard: Arc<DeserializeGuard<ChatApp>>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    let key = key(&*guard);
    let count = context.failures.get(&key).saturating_add(1);
    context.failures.set(&key, count);
    let delay = error.class().delay(count, fastrand::f64());
    tracing::warn!(name = guard.name_any(), namespace = guard.namespace(), %error, retry_s = delay.as_secs(), "pass failed");
    Action::requeue(delay)
}

fn key(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}
