//! The platform's edge as clients outside of the cluster meet it: by host name, on ports 80 and 443. No name server knows the hosts of
//! the tests: clients are told that they are here.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{
    certificate::Certificate,
    forward::Forward,
    wait::{self, Seen},
};

const NAMESPACE: &str = "traefik";
const SERVICE: &str = "traefik";
/// Seconds; longer than any answer takes.
const PATIENCE: &str = "10";

/// The way to it, for as long as this value lives.
#[derive(Debug)]
pub struct Edge {
    http: Forward,
    https: Forward,
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it sends the client, if it does.
    pub location: String,
}

impl Edge {
    /// Opens the way.
    pub async fn open() -> Result<Self> {
        Ok(Self {
            http: Forward::to_port(NAMESPACE, SERVICE, 80).await?,
            https: Forward::to_port(NAMESPACE, SERVICE, 443).await?,
        })
    }

    /// Asks for a page as curl does: without an authority to trust, whatever certificate is shown.
    pub async fn get(&self, url: &str, authority: Option<&Path>) -> Result<Answer> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*"])
            .args(["--max-time", PATIENCE, "--output", "/dev/null"])
            .args(["--write-out", "%{http_code} %{redirect_url}"]);
        for (port, forward) in self.ports() {
            let address = format!(":{port}:{}", forward.address());
            curl.args(["--connect-to", &address]);
        }
        match authority {
            Some(file) => curl.arg("--cacert").arg(file),
            None => curl.arg("--insecure"),
        };
        let output = curl.arg(url).output().await.context("start curl")?;
        ensure!(
            output.status.success(),
            "curl {url}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let printed = String::from_utf8_lossy(&output.stdout);
        let (status, location) = printed.split_once(' ').context("curl's answer")?;
        Ok(Answer {
            status: status.parse().context("curl's status")?,
            location: location.to_owned(),
        })
    }

    /// Waits until a page is there: a controller may accept a route some seconds before it serves it.
    pub async fn until_served(&self, url: &str, authority: &Path, within: Duration) -> Result<()> {
        wait::until(&format!("{url} to be served"), within, async || {
            let answer = self.get(url, Some(authority)).await?;
            Ok(Seen::when(answer.status == 200, || format!("{answer:?}")))
        })
        .await
    }

    /// What makes Chromium find a host here, and trust what the host shows.
    #[must_use]
    pub fn chromium_arguments(&self, host: &str, certificate: &Certificate) -> Vec<String> {
        let rules: Vec<_> = self
            .ports()
            .map(|(port, forward)| format!("MAP {host}:{port} {}", forward.address()))
            .into();
        vec![
            "--no-proxy-server".to_owned(),
            format!("--host-resolver-rules={}", rules.join(",")),
            format!("--ignore-certificate-errors-spki-list={}", certificate.pin),
        ]
    }

    fn ports(&self) -> [(u16, &Forward); 2] {
        [(80, &self.http), (443, &self.https)]
    }
}
