//! The operator's command line.

mod apply;
mod caches;
mod compare;
mod controller;
mod health;
mod kinds;
mod pass;
mod plan;
mod status;

use std::net::SocketAddr;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{caches::Scope, health::Health};

/// Keeps ChatApps as their specs want them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How log lines look.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_enum,
        default_value = "pretty",
        global = true
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch and reconcile, with the cluster of KUBECONFIG or of the pod.
    Run {
        /// Watch only this namespace; all of them if absent.
        #[arg(long, env = "WATCH_NAMESPACE")]
        namespace: Option<String>,
        /// Where /livez and /readyz answer.
        #[arg(long, env = "HEALTH_LISTEN", default_value = "0.0.0.0:8081")]
        health_listen: SocketAddr,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Pretty,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Pretty => logs.init(),
    }
    match arguments.command {
        Command::Run {
            namespace,
            health_listen,
        } => run(namespace, health_listen).await,
    }
}

async fn run(namespace: Option<String>, health_listen: SocketAddr) -> anyhow::Result<()> {
    let mut config = kube::Config::infer()
        .await
        .context("no cluster: set KUBECONFIG, or run in a pod with a ServiceAccount")?;
    // By default the client repeats every request for minutes when the API server is in trouble; passes have a backoff of their own.
    config.default_retry = false;
    let client = kube::Client::try_from(config).context("the client for the API server")?;
    let health = Health::default();
    let health_server = tokio::spawn(health::serve(health_listen, health.clone()));
    let mut terminated = signal(SignalKind::terminate()).context("signal handler")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("signal handler")?;
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        tracing::info!("stopping: passes under way are finished");
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespace, "starting");
    let scope = namespace
        .filter(|namespace| !namespace.is_empty())
        .map_or(Scope::All, Scope::Namespace);
    tokio::select! {
        () = controller::run(client, scope, health, stop) => Ok(()),
        ended = health_server => {
            ended.context("health server")?.with_context(|| format!("can't listen on {health_listen}"))
        }
    }
}
