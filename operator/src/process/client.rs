//! The client for the API server: every request is counted, traced, given a limit of time, and heard of ([`Pulse`]). It repeats
//! nothing by itself: passes and watches have their own pauses, and a write that is repeated behind a pass's back is none of them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, header::USER_AGENT};
use http_body_util::BodyExt as _;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, DynBody},
};
use tower::{BoxError, Layer, Service};
use tracing::Instrument as _;

use super::{
    metrics::Metrics,
    pulse::{self, Pulse},
    telemetry::TRACE,
};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the API server may take before it begins to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no cluster: set KUBECONFIG, or run in a pod with a ServiceAccount ({0})")]
    NoCluster(#[from] kube::config::InferConfigError),
    #[error("the client for the API server: {0}")]
    Client(#[from] kube::Error),
}

/// The client that the environment asks for. `identity` is how it calls itself in the API server's log.
pub(crate) async fn client(
    identity: &str,
    metrics: &Metrics,
    pulse: &Pulse,
) -> Result<Client, ClientError> {
    let mut config = Config::infer().await?;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    let agent = format!(
        "chatapp-operator/{} ({identity})",
        env!("CARGO_PKG_VERSION")
    );
    if let Ok(agent) = HeaderValue::try_from(agent) {
        config.headers.push((USER_AGENT, agent));
    }
    let observe = Observe {
        metrics: metrics.clone(),
        pulse: pulse.clone(),
    };
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&observe)
        .build())
}

/// What is done to every request.
#[derive(Clone)]
struct Observe {
    metrics: Metrics,
    pulse: Pulse,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observe: self.clone(),
        }
    }
}

struct Observed<S> {
    inner: S,
    observe: Observe,
}

type Answer = Result<Response<Box<DynBody>>, BoxError>;

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = self::verb(
            request.method(),
            request.uri().path(),
            request.uri().query(),
        );
        let query = request.uri().query().unwrap_or_default();
        let key = pulse::key(request.uri().path(), query.contains("labelSelector="));
        // Watches and leases have no trace; what a pass asks has.
        let current = tracing::Span::current();
        let is_in_pass = current
            .metadata()
            .is_some_and(|metadata| metadata.target() == TRACE);
        let span = if is_in_pass {
            self::span(verb, &request)
        } else {
            tracing::Span::none()
        };
        let Observe { metrics, pulse } = self.observe.clone();
        pulse.heard(&key);
        let answer = self.inner.call(request);
        let observed = async move {
            let answer = tokio::time::timeout(ANSWER_LIMIT, answer)
                .await
                .unwrap_or_else(|_| {
                    Err(format!("no answer for {} s", ANSWER_LIMIT.as_secs()).into())
                });
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.requested(verb, code);
            tracing::Span::current().record("http.response.status_code", code);
            pulse.heard(&key);
            Ok(answer?.map(|body| {
                let heard = body.map_frame(move |frame| {
                    pulse.heard(&key);
                    frame
                });
                Box::new(heard) as Box<DynBody>
            }))
        };
        Box::pin(observed.instrument(span))
    }
}

fn span(verb: &str, request: &Request<Body>) -> tracing::Span {
    tracing::info_span!(
        target: TRACE,
        "api request",
        otel.name = format!("{verb} {}", resource(request.uri().path())),
        otel.kind = "client",
        http.request.method = request.method().as_str(),
        url.path = request.uri().path(),
        http.response.status_code = tracing::field::Empty,
    )
}

/// The parts of a path after the group and version, without the namespace: a resource, and a name and a subresource if there are.
fn parts(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let group = if parts.first() == Some(&"api") { 2 } else { 3 };
    parts.drain(..group.min(parts.len()));
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    parts
}

fn resource(path: &str) -> &str {
    parts(path).first().copied().unwrap_or_default()
}

/// As Kubernetes calls it.
fn verb(method: &Method, path: &str, query: Option<&str>) -> &'static str {
    let is_collection = parts(path).len() == 1;
    match *method {
        Method::GET if query.is_some_and(|query| query.contains("watch=true")) => "watch",
        Method::GET if is_collection => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_called_as_kubernetes_calls_them() {
        let said = |method: &Method, path: &str, query| {
            format!("{} {}", verb(method, path, query), resource(path))
        };
        assert_eq!(
            said(
                &Method::GET,
                "/apis/apps/v1/deployments",
                Some("&watch=true&x=1")
            ),
            "watch deployments"
        );
        assert_eq!(
            said(
                &Method::GET,
                "/api/v1/namespaces/n/pods",
                Some("&limit=100")
            ),
            "list pods"
        );
        assert_eq!(
            said(&Method::GET, "/api/v1/namespaces/n/pods/p", None),
            "get pods"
        );
        assert_eq!(
            said(
                &Method::PATCH,
                "/apis/sillychat.io/v1alpha1/namespaces/n/chatapps/a/status",
                None
            ),
            "patch chatapps"
        );
        assert_eq!(
            said(
                &Method::PUT,
                "/apis/coordination.k8s.io/v1/namespaces/n/leases/l",
                None
            ),
            "update leases"
        );
        assert_eq!(
            said(&Method::GET, "/apis/sillychat.io/v1alpha1", None),
            "get "
        );
    }
}
