//! The cluster that a person means: by the flags and the environment that `kubectl` has.

use std::path::PathBuf;

use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

/// Which cluster, and which namespace of it.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// Namespace; without it, that of the context.
    #[arg(long, short, global = true)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig; without it, the current one.
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// The kubeconfig; without it, KUBECONFIG or ~/.kube/config.
    #[arg(long, global = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the kubeconfig: {0} (which one: --kubeconfig or KUBECONFIG, and --context)")]
    Kubeconfig(#[from] KubeconfigError),
    #[error("no cluster: set KUBECONFIG ({0})")]
    NoCluster(#[from] kube::config::InferConfigError),
    #[error("the client for the API server: {0}")]
    Client(#[from] kube::Error),
}

impl Connection {
    /// The client, and the namespace that is meant.
    pub(crate) async fn open(&self) -> Result<(Client, String), ConnectionError> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match &self.kubeconfig {
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file)?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await?
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => Config::infer().await?,
        };
        // A person has seen the error before the next try is over.
        config.default_retry = false;
        let namespace = self.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok((Client::try_from(config)?, namespace))
    }
}
