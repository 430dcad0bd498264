//! `serve`: from the settings to a listening server, and from a signal to a clean end. It decides in which order things
//! start and stop; what is answered is [`crate::http`]'s business.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cli::ServeArgs;
use crate::content::Content;
use crate::http::{self, App, Lifecycle, RateLimit};
use crate::storage::Storage;
use crate::storage::migrations::SchemaState;
use crate::storage::url::DatabaseUrl;

/// The longest that requests in flight are waited for; Kubernetes kills after 30 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(25);
/// How often a database that isn't there yet is asked for its schema.
const SCHEMA_PAUSE: Duration = Duration::from_secs(1);

/// Answer requests until a signal, then finish those in flight.
pub(crate) async fn serve(args: &ServeArgs, url: &DatabaseUrl) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let content = read_content(args.content.as_deref()).await?;
    if let Some(directory) = args
        .static_dir
        .as_deref()
        .filter(|directory| !directory.join("index.html").is_file())
    {
        bail!(
            "{} has no index.html: build the page first",
            directory.display()
        );
    }
    let app = Arc::new(App {
        content,
        lifecycle: Lifecycle::default(),
        rate_limit: RateLimit::new(args.limits.rate_limit, args.limits.trusted_proxies.clone()),
        storage: Storage::new(url),
    });
    tokio::select! {
        checked = check_schema_once(&app) => checked?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopped before start");
            return Ok(());
        }
    }

    let listener =
        http::listen(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    tracing::info!(address = %listener.local_addr()?, database = %url, "listening");

    tokio::spawn(http::sweep(app.clone()));
    let router = http::router(
        app.clone(),
        &args.limits.cors_origins,
        args.static_dir.as_deref(),
    );
    let max_connections = args.limits.max_connections.get() as usize;
    let (stop, mut stopping) = watch::channel(false);
    let mut server = tokio::spawn(http::serve(listener, router, max_connections, async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    }));

    let schema = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: requests in flight are finished");
            Ok(())
        }
        refused = wait_for_schema(&app) => refused,
        ended = &mut server => return ended.context("the server ended"),
    };
    app.lifecycle.drain();
    stop.send_replace(true);
    tokio::select! {
        ended = &mut server => ended.context("the server ended")?,
        () = sleep(DRAIN_LIMIT) => {
            tracing::warn!("requests were still in flight after {DRAIN_LIMIT:?} and are cut off");
        }
        name = signals.next() => {
            tracing::warn!(signal = name, "second signal: requests in flight are cut off");
        }
    }
    server.abort();
    let _ = timeout(Duration::from_secs(2), app.storage.close()).await;
    tracing::info!("stopped");
    schema
}

async fn read_content(file: Option<&Path>) -> anyhow::Result<Content> {
    let Some(file) = file else {
        return Content::built_in().context("the built-in content is refused");
    };
    let yaml = tokio::fs::read_to_string(file)
        .await
        .with_context(|| format!("cannot read the content {}", file.display()))?;
    Content::parse(&yaml).with_context(|| format!("the content {} is refused", file.display()))
}

/// Refuse a schema that is behind. A database that isn't there is no reason to refuse: the server starts, says that it
/// isn't ready, and goes on asking.
async fn check_schema_once(app: &App) -> anyhow::Result<()> {
    match app.storage.schema_state().await {
        Ok(SchemaState::UpToDate) => app.lifecycle.schema_fits(),
        Ok(SchemaState::Behind(missing)) => return Err(behind(missing)),
        Err(error) => tracing::warn!(%error, "the database isn't there yet"),
    }
    Ok(())
}

/// Ends only when the schema turns out to be behind.
async fn wait_for_schema(app: &App) -> anyhow::Result<()> {
    while !app.lifecycle.is_schema_known() {
        sleep(SCHEMA_PAUSE).await;
        check_schema_once(app).await?;
    }
    std::future::pending().await
}

fn behind(missing: usize) -> anyhow::Error {
    anyhow::anyhow!(
        "the database's schema is {missing} migration(s) behind: run `chat-server migrate` with the same database"
    )
}

/// The signals that ask a process to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
