//! The operator's process.

use std::path::{Path, PathBuf};

use crate::{
    api_server::{ApiServer, OPERATOR, free_port, tail},
    process::Process,
    wait::try_until,
};

/// A running operator that watches one namespace.
pub(crate) struct Operator {
    process: Process,
    log: PathBuf,
}

impl Operator {
    /// Starts it and waits until it says that it is ready.
    pub(crate) async fn start(server: &ApiServer, namespace: &str, directory: &Path) -> Self {
        let kubeconfig = directory.join("kubeconfig");
        std::fs::write(&kubeconfig, server.kubeconfig(OPERATOR).to_string()).expect("kubeconfig");
        let health = format!("127.0.0.1:{}", free_port());
        let command = [
            env!("CARGO_BIN_EXE_chatapp-operator"),
            "run",
            "--namespace",
            namespace,
            "--health-listen",
            &health,
        ];
        let log = directory.join("operator.log");
        let operator = Self {
            process: Process::start(
                &command.map(str::to_owned),
                &[
                    ("KUBECONFIG", &kubeconfig.display().to_string()),
                    ("NO_COLOR", "1"),
                ],
                &log,
                "TERM",
                "",
            ),
            log,
        };
        let ready = try_until(async || {
            let answer = reqwest::get(format!("http://{health}/readyz")).await.ok()?;
            answer.status().is_success().then_some(())
        });
        assert!(
            ready.await.is_some(),
            "the operator does not get ready:\n{}",
            operator.log()
        );
        operator
    }

    /// Stops it as the kubelet does: what it does at that moment it finishes.
    pub(crate) fn stop(mut self) {
        let status = self.process.stop().expect("an exit status");
        assert!(
            status.success(),
            "the operator had to be killed:\n{}",
            self.log()
        );
    }

    /// The last lines that it wrote.
    pub(crate) fn log(&self) -> String {
        tail(&self.log)
    }
}
