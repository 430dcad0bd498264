//! The way to the cluster's API server: the one that `KUBECONFIG` names, or a clear word on how to get one.

use std::env;

use anyhow::{Context, Result, ensure};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// A client of the cluster that `KUBECONFIG` names, which has answered.
pub async fn connect() -> Result<Client> {
    let path = env::var("KUBECONFIG").unwrap_or_default();
    // Never the default file: it may be a production cluster's.
    ensure!(
        !path.is_empty(),
        "KUBECONFIG is not set: run `./just up`, then `./just test-e2e`"
    );
    let no_cluster =
        || format!("no cluster at KUBECONFIG={path}: run `./just up`, then `./just test-e2e`");
    let kubeconfig = Kubeconfig::read_from(&path).with_context(no_cluster)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(no_cluster)?;
    let client = Client::try_from(config).with_context(no_cluster)?;
    client.apiserver_version().await.with_context(no_cluster)?;
    Ok(client)
}
