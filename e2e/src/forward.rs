//! Ways from the test to a Service that is only inside the cluster. Each lives as long as its value.

use anyhow::Result;

use crate::kubectl::{self, Listener};

/// An open port on 127.0.0.1 that leads to one pod of a Service, and breaks when that pod ends: start a new one then.
#[derive(Debug)]
pub struct Forward(Listener);

impl Forward {
    /// Opens a port that leads to port 80 of `service`.
    pub async fn to(namespace: &str, service: &str) -> Result<Self> {
        Self::to_port(namespace, service, 80).await
    }

    /// Opens a port that leads to a port of `service`.
    pub async fn to_port(namespace: &str, service: &str, port: u16) -> Result<Self> {
        let service = format!("service/{service}");
        let port = format!(":{port}");
        // "Forwarding from 127.0.0.1:41235 -> 8080"
        let arguments = [
            "--namespace",
            namespace,
            "port-forward",
            "--address=127.0.0.1",
            &service,
            &port,
        ];
        kubectl::listen(&arguments).await.map(Self)
    }

    /// Where the Service is, as seen from here.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The same without the scheme.
    #[must_use]
    pub fn address(&self) -> &str {
        self.0.url.trim_start_matches("http://")
    }
}

/// The API server as a proxy in front of all Services. Like an ingress it sends each request to a pod that is ready then, so that
/// it goes on when pods come and go.
#[derive(Debug)]
pub struct Proxy(Listener);

impl Proxy {
    /// Opens a port for all of them.
    pub async fn open() -> Result<Self> {
        // "Starting to serve on 127.0.0.1:41235"
        kubectl::listen(&["proxy", "--port=0"]).await.map(Self)
    }

    /// Where a Service's port `http` is, as seen from here.
    #[must_use]
    pub fn url(&self, namespace: &str, service: &str) -> String {
        format!(
            "{}/api/v1/namespaces/{namespace}/services/{service}:http/proxy",
            self.0.url
        )
    }
}
