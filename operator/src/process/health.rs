//! `/livez`, `/readyz` and `/metrics`: whether a restart would help, whether the operator can work, and the numbers. One that stands
//! by, because another leads, is ready too.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use chatapp_crds::ChatApp;
use kube::{Client, CustomResourceExt, Resource};

use super::{metrics::Metrics, pulse::Pulse};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How often to look for our CRD while it is missing, and afterwards.
const MISSING: Duration = Duration::from_secs(2);
const PRESENT: Duration = Duration::from_mins(1);

/// Names what is not there yet.
pub(crate) type Check = dyn Fn() -> Vec<String> + Send + Sync;

/// Tells whether the operator works; shared between those who know and the server, which answers.
#[derive(Clone)]
pub(crate) struct Health {
    facts: Arc<Mutex<Facts>>,
    metrics: Metrics,
    pulse: Pulse,
    watch_limit: Duration,
}

struct Facts {
    /// Why our own kind can't be had.
    crd: Option<String>,
    role: Role,
}

enum Role {
    /// Another leads, or nobody does yet.
    StandingBy { leader: String },
    /// What the controllers wait for.
    Leading(Vec<Weak<Check>>),
}

impl Health {
    pub(crate) fn new(metrics: Metrics, pulse: Pulse, watch_limit: Duration) -> Self {
        let facts = Facts {
            crd: Some("the API server has not answered yet".to_owned()),
            role: Role::StandingBy {
                leader: String::new(),
            },
        };
        Self {
            facts: Arc::new(Mutex::new(facts)),
            metrics,
            pulse,
            watch_limit,
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stands_by(&self, leader: &str) {
        self.metrics.leads(false);
        self.facts().role = Role::StandingBy {
            leader: leader.to_owned(),
        };
    }

    pub(crate) fn leads(&self) {
        self.metrics.leads(true);
        self.facts().role = Role::Leading(Vec::new());
    }

    /// Not ready while `check` names something, for as long as the caller keeps it.
    pub(crate) fn wait_for(&self, check: &Arc<Check>) {
        if let Role::Leading(checks) = &mut self.facts().role {
            checks.push(Arc::downgrade(check));
        }
    }

    /// Keeps an eye on our CRD.
    pub(crate) async fn watch_crd(&self, client: Client) {
        let (version, plural) = (ChatApp::api_version(&()), ChatApp::plural(&()));
        loop {
            let resources = client.list_api_group_resources(&version).await;
            let trouble = match resources {
                Ok(list)
                    if list
                        .resources
                        .iter()
                        .any(|resource| resource.name == plural) =>
                {
                    None
                }
                Ok(_) => Some(missing_crd()),
                Err(kube::Error::Api(status)) if status.code == 404 => Some(missing_crd()),
                // It was there: an API server that is away for a while takes nothing from readiness.
                Err(error) => self
                    .facts()
                    .crd
                    .is_some()
                    .then(|| format!("the API server does not answer: {error}")),
            };
            let pause = if trouble.is_none() { PRESENT } else { MISSING };
            self.facts().crd = trouble;
            tokio::time::sleep(pause).await;
        }
    }

    /// What is in the way of work; or what there is to say.
    fn readiness(&self) -> Result<String, Vec<String>> {
        let facts = self.facts();
        if let Some(trouble) = &facts.crd {
            return Err(vec![trouble.clone()]);
        }
        match &facts.role {
            Role::StandingBy { leader } if leader.is_empty() => {
                Err(vec!["nobody leads yet".to_owned()])
            }
            Role::StandingBy { leader } => Ok(format!("standing by, {leader} leads")),
            Role::Leading(checks) if checks.is_empty() => {
                Err(vec!["the watches are starting".to_owned()])
            }
            Role::Leading(checks) => {
                let missing: Vec<String> = checks
                    .iter()
                    .filter_map(Weak::upgrade)
                    .flat_map(|check| check())
                    .collect();
                if missing.is_empty() {
                    Ok("leading".to_owned())
                } else {
                    Err(missing)
                }
            }
        }
    }
}

fn missing_crd() -> String {
    format!(
        "CustomResourceDefinition {} is missing: apply manifests/platform/crds",
        ChatApp::crd_name()
    )
}

/// Answers on `address` until the process ends.
///
/// # Errors
/// The address can't be listened on.
pub(crate) async fn serve(address: SocketAddr, health: Health) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(tokio::net::TcpListener::bind(address).await?, router).await
}

async fn livez(State(health): State<Health>) -> (StatusCode, String) {
    let ailments = health.pulse.ailments(health.watch_limit);
    if !ailments.is_empty() {
        tracing::error!(
            ailments = ailments.join("; "),
            "deaf: a restart is asked for"
        );
        return (StatusCode::SERVICE_UNAVAILABLE, lines(&ailments));
    }
    let mut text = "ok\n".to_owned();
    for (name, age) in health.pulse.ages() {
        let _ = writeln!(text, "watch of {name}: heard of {} s ago", age.as_secs());
    }
    let queue = health.pulse.queue();
    let _ = writeln!(
        text,
        "queue: {} waiting, the first for {} s",
        queue.depth,
        queue.oldest.as_secs()
    );
    (StatusCode::OK, text)
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    match health.readiness() {
        Ok(role) => (StatusCode::OK, format!("ok: {role}\n")),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, lines(&missing)),
    }
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    match health.metrics.text() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(CONTENT_TYPE, "text/plain")],
            error.to_string(),
        ),
    }
}

fn lines(items: &[String]) -> String {
    items
        .iter()
        .fold(String::new(), |text, item| text + item + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_nothing_is_missing_any_more() {
        let pulse = Pulse::default();
        let health = Health::new(Metrics::new(pulse.clone()), pulse, PRESENT);
        assert!(health.readiness().is_err());
        health.facts().crd = None;
        assert_eq!(health.readiness(), Err(vec!["nobody leads yet".to_owned()]));
        health.stands_by("another");
        assert_eq!(
            health.readiness(),
            Ok("standing by, another leads".to_owned())
        );
        health.leads();
        assert!(health.readiness().is_err());
        let missing = Arc::new(Mutex::new(vec!["Pod".to_owned()]));
        let known = missing.clone();
        let check: Arc<Check> = Arc::new(move || known.lock().expect("a list").clone());
        health.wait_for(&check);
        assert_eq!(health.readiness(), Err(vec!["Pod".to_owned()]));
        missing.lock().expect("a list").clear();
        assert_eq!(health.readiness(), Ok("leading".to_owned()));
    }
}
