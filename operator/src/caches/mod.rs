//! The watch caches: one watch for each kind of child, over only what has the label of a ChatApp, each with a pause of its own after
//! an error, so that a kind that is missing slows no other down. Asked for one ChatApp's children at a time.

mod found;
mod index;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chatapp_crds::ChatApp;
use futures::{
    FutureExt, Stream, StreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    stream::BoxStream,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::watcher::{self, Event, watcher},
};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    kinds::Kind,
    plan::{APP_LABEL, Observed},
};
use found::Found;
use index::{Index, Key};

/// Objects in a page of a list: a page is in memory as a whole.
pub(crate) const PAGE_SIZE: u32 = 100;
/// The longest pause after an error: after an outage of any length, work goes on within it.
const LONGEST_PAUSE: f64 = 10.0;
/// Pause after the API server has said that it doesn't know the kind.
const UNKNOWN_PAUSE: f64 = 15.0;

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
        )
    });
    let watches = Watches(watches.collect());
    (caches, watches, stream)
}

/// Keeps the cache of one kind.
async fn fill(caches: Arc<Caches>, api: Api<Found>, kind: Kind) {
    let config = watcher::Config::default()
        .labels(APP_LABEL)
        .page_size(PAGE_SIZE);
    let mut events = pin!(watcher(api, config));
    let mut failures = 0;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // `Init` comes before the API server is asked.
                if !matches!(event, Event::Init) {
                    failures = 0;
                }
                caches.take(kind, event);
            }
            Err(error) => {
                failures += 1;
                let is_unknown = kind.is_optional() && is_unknown_kind(&error);
                if is_unknown {
                    caches.set(kind, State::Unknown);
                } else {
                    tracing::warn!(kind = kind.name(), %error, failures, "watch");
                }
                tokio::time::sleep(pause(failures, is_unknown, fastrand::f64())).await;
            }
        }
    }
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

/// 0.5 s, 1 s, 2 s, ...; `random` (0 to 1) takes up to a quarter off, so that many don't come back together.
pub(crate) fn pause(failures: u32, is_unknown: bool, random: f64) -> Duration {
    let base = if is_unknown {
        UNKNOWN_PAUSE
    } else {
        (0.25 * 2_f64.powi(failures.min(8).cast_signed())).min(LONGEST_PAUSE)
    };
    Duration::from_secs_f64(base * (1.0 - 0.25 * random))
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
        // Passes wait for the first list, and the ChatApps' own watch starts one for each.
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
        let is_filled =
            |states: &HashMap<Kind, State>| Kind::ALL.iter().all(|kind| states.contains_key(kind));
        // The sender is `self`'s: it can't be gone.
        let _ = self.states.subscribe().wait_for(is_filled).await;
    }

    /// Whether [`Self::filled`] would return at once.
    pub(crate) fn are_filled(&self) -> bool {
        self.filled().now_or_never().is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_get_longer_up_to_ten_seconds() {
        let pauses: Vec<f64> = (1..=8)
            .map(|failures| pause(failures, false, 0.0).as_secs_f64())
            .collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]);
        assert!(pause(9, false, 1.0) < Duration::from_secs(8));
    }
}
