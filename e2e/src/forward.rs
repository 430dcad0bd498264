//! A way from the test to a Service that is only inside the cluster: a `kubectl port-forward` that lives as long as
//! its value. It leads to one pod of the Service and breaks when that pod ends: start a new one then.

use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::kubectl;

/// An open port on 127.0.0.1 that leads to a Service.
#[derive(Debug)]
pub struct Forward {
    url: String,
    _process: Child,
    // Kept open: kubectl prints a line for each connection and must not find a closed pipe.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Forward {
    /// Opens a port that leads to port 80 of `service`.
    pub async fn to(namespace: &str, service: &str) -> Result<Self> {
        let mut process = Command::new(kubectl::program())
            .args([
                "--namespace",
                namespace,
                "port-forward",
                "--address",
                "127.0.0.1",
            ])
            .args([&format!("service/{service}"), ":80"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start kubectl port-forward")?;
        let mut output = BufReader::new(process.stdout.take().context("kubectl's output")?).lines();
        // "Forwarding from 127.0.0.1:41235 -> 8080"
        let Some(line) = output.next_line().await.context("read kubectl's output")? else {
            let failed = process
                .wait_with_output()
                .await
                .context("wait for kubectl")?;
            anyhow::bail!(
                "port-forward to {namespace}/{service}: {}",
                String::from_utf8_lossy(&failed.stderr).trim()
            );
        };
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("127.0.0.1:"))
            .with_context(|| format!("no address in kubectl's line: {line}"))?;
        Ok(Self {
            url: format!("http://{address}"),
            _process: process,
            _output: output,
        })
    }

    /// Where the Service is, as seen from here.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
