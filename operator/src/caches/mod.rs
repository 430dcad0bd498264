//! The watch caches: one watch for each kind of child, over only what has the label of a ChatApp, each with a pause of its own after
//! an error, so that a kind that is missing slows no other down. Asked for one ChatApp's children at a time.

mod found;
mod index;
mod packed;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chatapp_crds::ChatApp;
use futures::{
    Stream, StreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    stream::BoxStream,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{
        utils::Backoff as _,
        watcher::{self, Event, watcher},
    },
};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    backoff::Pauses,
    kinds::Kind,
    plan::{APP_LABEL, Observed},
    process::{Expected, Pulse},
};
use found::Found;
use index::{Index, Key};

/// Objects in a page of a list: a page is in memory as a whole.
const PAGE_SIZE: u32 = 100;
/// How long a watch may last, in seconds; it is asked for anew then. A connection that is dead is noticed by it.
const WATCH_DURATION: u32 = 120;
/// Pause after the API server has said that it doesn't know the kind.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(15);

/// How everything is watched.
pub(crate) fn watch_config() -> watcher::Config {
    watcher::Config::default()
        .page_size(PAGE_SIZE)
        .timeout(WATCH_DURATION)
}

/// Which namespaces are watched.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    All,
    Namespace(String),
}

impl Scope {
    /// An `Api` over the scope.
    pub(crate) fn api<K>(&self, client: Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::All => Api::all(client),
            Self::Namespace(namespace) => Api::namespaced(client, namespace),
        }
    }

    /// The watch over the scope should be heard of.
    pub(crate) fn expect<K: Resource>(
        &self,
        pulse: &Pulse,
        kind: &K::DynamicType,
        has_selector: bool,
        name: &str,
    ) -> Expected {
        let (namespace, name) = match self {
            Self::All => (None, name.to_owned()),
            Self::Namespace(namespace) => {
                (Some(namespace.as_str()), format!("{name} in {namespace}"))
            }
        };
        pulse.expect(&K::url_path(kind, namespace), has_selector, &name)
    }

    fn found_api(&self, client: Client, kind: Kind) -> Api<Found> {
        match self {
            Self::All => Api::all_with(client, &kind),
            Self::Namespace(namespace) => Api::namespaced_with(client, namespace, &kind),
        }
    }
}

/// What is known of a kind; nothing before the first answer to a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Filled,
    /// The API server doesn't know the kind.
    Unknown,
}

/// The children of all ChatApps.
pub(crate) struct Caches {
    index: Mutex<Index>,
    states: watch::Sender<HashMap<Kind, State>>,
    /// Namespaces and names of ChatApps whose children have changed.
    touched: UnboundedSender<Key>,
}

/// The watches end with this.
pub(crate) struct Watches(#[expect(dead_code, reason = "held for its end")] JoinSet<()>);

/// Starts the watches of all kinds. The stream has the namespaces and names of ChatApps to look at.
pub(crate) fn start(
    client: &Client,
    scope: &Scope,
    pulse: &Pulse,
) -> (Arc<Caches>, Watches, UnboundedReceiver<Key>) {
    let (touched, stream) = unbounded();
    let caches = Arc::new(Caches {
        index: Mutex::default(),
        states: watch::Sender::default(),
        touched,
    });
    let watches = Kind::ALL.iter().map(|kind| {
        fill(
            caches.clone(),
            scope.found_api(client.clone(), *kind),
            *kind,
            scope.expect::<Found>(pulse, kind, true, kind.name()),
        )
    });
    let watches = Watches(watches.collect());
    (caches, watches, stream)
}

/// Keeps the cache of one kind.
async fn fill(caches: Arc<Caches>, api: Api<Found>, kind: Kind, _expected: Expected) {
    let config = watcher::Config::default()
        .labels(APP_LABEL)
        .page_size(PAGE_SIZE);
    let mut events = pin!(watcher(api, config));
    let mut pauses = Pauses::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // `Init` comes before the API server is asked.
                if !matches!(event, Event::Init) {
                    pauses.reset();
                }
                caches.take(kind, event);
            }
            Err(error) => {
                let pause = if kind.is_optional() && is_unknown_kind(&error) {
                    caches.set(kind, State::Unknown);
                    UNKNOWN_PAUSE
                } else {
                    tracing::warn!(kind = kind.name(), %error, "watch");
                    pauses.next().unwrap_or(UNKNOWN_PAUSE)
                };
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// The kinds of which nothing is known yet.
fn missing(states: &HashMap<Kind, State>) -> impl Iterator<Item = &'static str> {
    let missing = Kind::ALL.iter().filter(|kind| !states.contains_key(kind));
    missing.map(|kind| kind.name())
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

/// Logs the errors of a watch, which goes on by itself, and keeps them from the controller: that would stop reading *all* watches
/// for a while after an error in any one of them.
pub(crate) fn undisturbed<K: Send + 'static>(
    stream: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
    kind: String,
) -> BoxStream<'static, Result<K, watcher::Error>> {
    stream
        .filter_map(move |item| {
            if let Err(error) = &item {
                tracing::warn!(kind, %error, "watch");
            }
            std::future::ready(item.ok().map(Ok))
        })
        .boxed()
}

impl Caches {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, kind: Kind, event: Event<Found>) {
        let is_complete = matches!(event, Event::InitDone);
        // There is no pass before the first lists of all kinds, and one over each ChatApp after them.
        let is_first = self.states.borrow().get(&kind) != Some(&State::Filled);
        let mut index = self.index();
        let touched = match event {
            Event::Init => {
                index.start_list(kind);
                Vec::new()
            }
            Event::InitApply(found) | Event::Apply(found) => index.put(kind, found),
            Event::Delete(found) => {
                let key = (found.namespace().to_owned(), found.name().to_owned());
                index.remove(kind, &key).into_iter().collect()
            }
            Event::InitDone => index.end_list(kind),
        };
        drop(index);
        if is_complete {
            self.set(kind, State::Filled);
        }
        for app in touched.into_iter().filter(|_| !is_first) {
            // Nobody listens any more: the process is ending.
            let _ = self.touched.unbounded_send(app);
        }
    }

    fn set(&self, kind: Kind, state: State) {
        let was = |states: &mut HashMap<Kind, State>| states.insert(kind, state) != Some(state);
        if self.states.send_if_modified(was) && state == State::Unknown {
            tracing::info!(
                kind = kind.name(),
                api_version = kind.api_version(),
                "the cluster doesn't know this kind"
            );
        }
    }

    /// Waits until every cache has been filled once; those of optional kinds only if the API server knows them.
    pub(crate) async fn filled(&self) {
        let are_filled = |states: &HashMap<Kind, State>| missing(states).next().is_none();
        // The sender is `self`'s: it can't be gone.
        let _ = self.states.subscribe().wait_for(are_filled).await;
    }

    /// Whether [`Self::filled`] would not wait.
    pub(crate) fn are_filled(&self) -> bool {
        missing(&self.states.borrow()).next().is_none()
    }

    /// The kinds that [`Self::filled`] waits for.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        missing(&self.states.borrow()).collect()
    }

    /// What there is of `app`'s children. The content isn't cached; the caller puts it in.
    pub(crate) fn observe(&self, app: &ChatApp) -> Observed {
        let mut observed = Observed::of(app);
        let states = self.states.borrow().clone();
        for kind in Kind::ALL {
            if states.get(kind) != Some(&State::Filled) {
                observed.set_unknown(*kind);
            }
        }
        let key = (app.namespace().unwrap_or_default(), app.name_any());
        // Unpacked outside of the lock.
        let children = self.index().of_app(&key);
        for (kind, packed) in children {
            if let Some(object) = packed.unpack(kind) {
                observed.put(kind, object);
            }
        }
        observed
    }
}
