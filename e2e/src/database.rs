//! A ChatApp's own PostgreSQL as its administrator sees it: CloudNativePG's `Cluster` object, its primary pod, and
//! psql in that pod. Never through the chat.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;

use crate::{kubectl, wait::Seen};

/// The database `<chatapp>-db` in a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The name of its `Cluster`.
    pub cluster: &'a str,
}

impl Database<'_> {
    /// The pod that takes writes.
    pub async fn primary(&self, client: &Client) -> Result<Pod> {
        let labels = format!(
            "cnpg.io/cluster={},cnpg.io/instanceRole=primary",
            self.cluster
        );
        let pods = Api::<Pod>::namespaced(client.clone(), self.namespace);
        let pods = pods
            .list(&ListParams::default().labels(&labels))
            .await
            .context("list the primary's pod")?;
        let alive = pods
            .items
            .into_iter()
            .find(|pod| pod.metadata.deletion_timestamp.is_none());
        alive.with_context(|| format!("{}/{} has no primary", self.namespace, self.cluster))
    }

    /// Done when CloudNativePG says that the cluster is whole.
    pub async fn is_healthy(&self, client: &Client) -> Result<Seen<()>> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "postgresql.cnpg.io",
            "v1",
            "Cluster",
        ));
        let clusters = Api::<DynamicObject>::namespaced_with(client.clone(), self.namespace, &kind);
        let cluster = clusters
            .get(self.cluster)
            .await
            .context("read the Cluster")?;
        let field = |path: &str| cluster.data.pointer(path).unwrap_or(&Value::Null);
        let (wanted, ready) = (field("/spec/instances"), field("/status/readyInstances"));
        let (phase, primary) = (field("/status/phase"), field("/status/currentPrimary"));
        let healthy = phase == "Cluster in healthy state"
            && wanted == ready
            && primary == field("/status/targetPrimary");
        Ok(Seen::when(healthy, || {
            format!("{phase}, {ready} of {wanted} instances, primary {primary}")
        }))
    }

    /// What psql prints, as the superuser, for a statement in one of its databases.
    pub async fn psql(&self, client: &Client, database: &str, statement: &str) -> Result<String> {
        let pod = self.primary(client).await?.name_any();
        let psql = [
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
        ];
        let exec = [
            "--namespace",
            self.namespace,
            "exec",
            &pod,
            "--container",
            "postgres",
            "--",
        ];
        kubectl::run(
            &[
                &exec[..],
                &psql,
                &["--dbname", database, "--command", statement],
            ]
            .concat(),
        )
        .await
    }
}
