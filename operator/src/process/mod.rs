//! The operator as a process: it listens for probes, waits until it leads, works until it stops or leads no more. What work is, is
//! `controller`'s business.

mod client;
mod health;
mod leader;
mod metrics;
mod pulse;
pub mod telemetry;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use kube::Client;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{caches::Scope, controller};
pub(crate) use health::{Check, Health};
use leader::Candidate;
pub(crate) use metrics::{Apps, Metrics, Told};
pub(crate) use pulse::{Expected, Pulse};

/// How many ChatApps are worked on at the same time; kube's default is no bound at all.
pub(crate) const CONCURRENCY: u16 = 8;
/// How long passes under way may take when the process is to end; the kubelet waits 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How the operator runs.
#[derive(Args)]
pub struct Settings {
    /// Watch only these namespaces (separated by commas); all of them if absent.
    #[arg(long = "namespace", env = "WATCH_NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Where /livez, /readyz and /metrics answer.
    #[arg(long, env = "HEALTH_LISTEN", default_value = "0.0.0.0:8081")]
    health_listen: SocketAddr,
    /// Namespace of the Lease that replicas agree by; without it, this operator works without asking.
    #[arg(long, env = "LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(long, env = "LEASE_NAME", default_value = "chatapp-operator")]
    lease_name: String,
    /// How this replica calls itself; in a pod its name.
    #[arg(long, env = "POD_NAME", default_value = "chatapp-operator")]
    identity: String,
    /// /livez fails when a watch has been silent for so many seconds. The API server sends something every minute.
    #[arg(long, env = "WATCH_LIMIT", default_value_t = 180)]
    watch_limit: u64,
}

/// What a controller needs of the process.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) client: Client,
    pub(crate) metrics: Metrics,
    pub(crate) pulse: Pulse,
    pub(crate) health: Health,
    /// For passes: all controllers together have so many.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) identity: String,
}

/// Runs until a signal ends it.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    // A container that is restarted keeps the pod's name.
    let identity = format!("{}-{:06x}", settings.identity, fastrand::u32(..1 << 24));
    let pulse = Pulse::default();
    let metrics = Metrics::new(pulse.clone());
    let client = client::client(&identity, &metrics, &pulse).await?;
    let health = Health::new(
        metrics.clone(),
        pulse.clone(),
        Duration::from_secs(settings.watch_limit),
    );
    let process = Process {
        client,
        metrics,
        pulse,
        health,
        permits: Arc::new(Semaphore::new(CONCURRENCY.into())),
        identity,
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), identity = process.identity, namespaces = ?settings.namespaces, "starting");
    let (health, address) = (process.health.clone(), settings.health_listen);
    let health_server = tokio::spawn(health::serve(address, health));
    let crd = process.health.clone();
    let crd_client = process.client.clone();
    let mut background = JoinSet::new();
    background.spawn(async move { crd.watch_crd(crd_client).await });
    let stop = stop_signal()?;
    tokio::select! {
        () = lead(&process, &settings, stop) => Ok(()),
        ended = health_server => {
            ended.context("health server")?.with_context(|| format!("can't listen on {address}"))
        }
    }
}

/// Becomes true when the process is to end.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminated = signal(SignalKind::terminate()).context("signal handler")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("signal handler")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        tracing::info!("stopping: passes under way are finished");
        sender.send_replace(true);
        // The channel stays open.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Works whenever it leads, until it is to stop.
async fn lead(process: &Process, settings: &Settings, stop: watch::Receiver<bool>) {
    let Some(namespace) = &settings.lease_namespace else {
        work(process, settings, stop).await;
        return;
    };
    let candidate = Candidate::new(
        process.client.clone(),
        namespace,
        &settings.lease_name,
        &process.identity,
    );
    while !*stop.borrow() {
        process.health.stands_by("");
        let won = candidate.win(|holder| process.health.stands_by(holder));
        let lease = tokio::select! {
            lease = won => lease,
            () = stopped(stop.clone()) => return,
        };
        tracing::info!("leading");
        // In a task of its own: work must not delay it.
        let mut keeping = JoinSet::new();
        let keeper = candidate.clone();
        keeping.spawn(async move { keeper.keep(lease).await });
        tokio::select! {
            () = work(process, settings, stop.clone()) => {
                keeping.shutdown().await;
                candidate.release().await;
                return;
            }
            // Whatever is under way is dropped on the spot.
            lost = keeping.join_next() => {
                let reason = lost.and_then(Result::ok).map(|lost| lost.to_string());
                tracing::error!(reason, "leads no more");
            }
        }
        process.pulse.reset_queue();
    }
}

/// Reconciles all ChatApps in scope until it is to stop.
async fn work(process: &Process, settings: &Settings, stop: watch::Receiver<bool>) {
    process.health.leads();
    let namespaces = settings
        .namespaces
        .iter()
        .filter(|namespace| !namespace.is_empty());
    let mut scopes: Vec<Scope> = namespaces.cloned().map(Scope::Namespace).collect();
    if scopes.is_empty() {
        scopes.push(Scope::All);
    }
    let controllers = scopes
        .into_iter()
        .map(|scope| controller::run(process.clone(), scope, stopped(stop.clone())));
    let controllers = futures::future::join_all(controllers);
    tokio::pin!(controllers);
    tokio::select! {
        _ = &mut controllers => {}
        () = stopped(stop.clone()) => {
            if timeout(STOP_LIMIT, controllers).await.is_err() {
                tracing::warn!(limit_s = STOP_LIMIT.as_secs(), "passes that take too long are given up");
            }
        }
    }
}
