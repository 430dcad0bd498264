//! `serve`: from the settings to a listening server, and from a signal to a clean end. It decides in which order things
//! start and stop; what is answered is [`crate::http`]'s business.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cli::ServeArgs;
use crate::content::watch::ContentWatch;
use crate::content::{Content, commands};
use crate::http::{self, App, Lifecycle, RateLimit};
use crate::storage::Storage;
use crate::storage::migrations::SchemaState;
use crate::storage::url::DatabaseUrl;
use crate::storage::url_file::UrlFile;

/// The longest that requests in flight are waited for; Kubernetes kills after 30 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(25);
/// How often a database that isn't there yet is asked for its schema.
const SCHEMA_PAUSE: Duration = Duration::from_secs(1);

/// Answer requests until a signal, then finish those in flight.
pub(crate) async fn serve(
    args: &ServeArgs,
    url: &DatabaseUrl,
    url_file: Option<UrlFile>,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let content = Arc::new(read_content(args.content.as_deref()).await?);
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
        content: ArcSwap::from(content.clone()),
        lifecycle: Lifecycle::default(),
        rate_limit: RateLimit::new(args.limits.rate_limit, args.limits.trusted_proxies.clone()),
        storage: Storage::new(url, args.pool.limits()),
    });
    // A file that was given is in force for good.
    let watch = args.content.is_none();
    let mut watch = watch.then(|| ContentWatch::new(&app.storage, &app.content, content));
    tokio::select! {
        checked = check_database_once(&app, watch.as_mut()) => checked?,
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

    if let Some(file) = url_file {
        let app = app.clone();
        tokio::spawn(async move { file.follow(&app.storage).await });
    }
    let schema = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: requests in flight are finished");
            Ok(())
        }
        refused = follow_database(&app, watch) => refused,
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
    match file {
        Some(file) => commands::given(file).await,
        None => Content::built_in().context("the built-in content is refused"),
    }
}

/// Refuse a schema that this release can't work on, and load the content. A database that isn't there is no reason to
/// refuse: the server starts, says that it isn't ready, and goes on asking.
async fn check_database_once(
    app: &App,
    watch: Option<&mut ContentWatch<'_>>,
) -> anyhow::Result<()> {
    match app.storage.schema_state().await {
        Ok(SchemaState::Ahead) => tracing::info!("{}", SchemaState::Ahead),
        Ok(state) if state.fits() => {}
        Ok(state) => bail!("the database: {state}"),
        Err(error) => {
            tracing::warn!(%error, "the database isn't there yet");
            return Ok(());
        }
    }
    if let Some(watch) = watch
        && let Err(error) = watch.load().await
    {
        tracing::warn!(%error, "the content can't be read yet");
        return Ok(());
    }
    app.lifecycle.schema_fits();
    Ok(())
}

/// Wait for the database, then watch its content. Ends only when the schema turns out not to fit.
async fn follow_database(app: &App, mut watch: Option<ContentWatch<'_>>) -> anyhow::Result<()> {
    while !app.lifecycle.is_schema_known() {
        sleep(SCHEMA_PAUSE).await;
        check_database_once(app, watch.as_mut()).await?;
    }
    match watch {
        Some(watch) => watch.run().await,
        None => std::future::pending().await,
    }
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
