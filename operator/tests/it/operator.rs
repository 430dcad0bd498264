//! The operator's process.

use std::path::{Path, PathBuf};

use crate::{
    api_server::{ApiServer, OPERATOR, free_port, tail},
    process::Process,
    wait::try_until,
};

/// A running operator.
pub(crate) struct Operator {
    process: Process,
    log: PathBuf,
    health: String,
}

/// How it is started.
#[derive(Default)]
pub(crate) struct Options {
    /// Namespaces, separated by commas.
    pub(crate) namespaces: String,
    /// Where it finds the API server, if not at its own port.
    pub(crate) port: Option<u16>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Ends it at once, as the kernel does.
    pub(crate) is_killed: bool,
}

impl Operator {
    /// Starts it for a namespace and waits until it says that it is ready.
    pub(crate) async fn start(server: &ApiServer, namespace: &str, directory: &Path) -> Self {
        let options = Options {
            namespaces: namespace.to_owned(),
            ..Options::default()
        };
        let operator = Self::spawn(server, directory, "operator", options);
        operator.until_ready().await;
        operator
    }

    /// Starts it; its files in the directory have the name.
    pub(crate) fn spawn(
        server: &ApiServer,
        directory: &Path,
        name: &str,
        options: Options,
    ) -> Self {
        let kubeconfig = directory.join(format!("{name}.kubeconfig"));
        let content = server.kubeconfig(OPERATOR, options.port);
        std::fs::write(&kubeconfig, content.to_string()).expect("kubeconfig");
        let health = format!("127.0.0.1:{}", free_port());
        let command = [
            env!("CARGO_BIN_EXE_chatapp-operator"),
            "run",
            "--health-listen",
            &health,
            "--identity",
            name,
        ];
        let mut command: Vec<String> = command.map(str::to_owned).into();
        if !options.namespaces.is_empty() {
            command.extend(["--namespace".to_owned(), options.namespaces]);
        }
        command.extend(options.arguments);
        let kubeconfig = kubeconfig.display().to_string();
        let mut environment = vec![("KUBECONFIG", kubeconfig.as_str()), ("NO_COLOR", "1")];
        let more = options.environment.iter();
        environment.extend(more.map(|(name, value)| (*name, value.as_str())));
        let log = directory.join(format!("{name}.log"));
        let signal = if options.is_killed { "KILL" } else { "TERM" };
        Self {
            process: Process::start(&command, &environment, &log, signal, ""),
            log,
            health,
        }
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn until_ready(&self) {
        self.until_answer("readyz", "ok").await;
    }

    /// Waits until an answer contains the text.
    pub(crate) async fn until_answer(&self, path: &str, text: &str) {
        let answer = try_until(async || {
            let (_, answer) = self.ask(path).await?;
            answer.contains(text).then_some(())
        });
        if answer.await.is_none() {
            let answer = self.ask(path).await;
            panic!(
                "/{path} does not say {text:?} but {answer:?}:\n{}",
                self.log()
            );
        }
    }

    /// Status and text of an answer.
    pub(crate) async fn ask(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}/{path}", self.health);
        let answer = reqwest::get(url).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
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
