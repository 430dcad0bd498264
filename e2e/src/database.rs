//! A ChatApp's own PostgreSQL as its administrator sees it: CloudNativePG's `Cluster` object, its primary pod, and
//! psql in that pod. Never through the chat.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

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
        self.instance(client, "primary").await
    }

    /// A pod that follows it.
    pub async fn standby(&self, client: &Client) -> Result<Pod> {
        self.instance(client, "replica").await
    }

    async fn instance(&self, client: &Client, role: &str) -> Result<Pod> {
        let labels = format!(
            "cnpg.io/cluster={},cnpg.io/instanceRole={role}",
            self.cluster
        );
        let pods = Api::<Pod>::namespaced(client.clone(), self.namespace);
        let pods = pods
            .list(&ListParams::default().labels(&labels))
            .await
            .with_context(|| format!("list the {role}'s pod"))?;
        let alive = pods
            .items
            .into_iter()
            .find(|pod| pod.metadata.deletion_timestamp.is_none());
        alive.with_context(|| format!("{}/{} has no {role}", self.namespace, self.cluster))
    }

    fn clusters(&self, client: &Client) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Cluster");
        let kind = ApiResource::from_gvk(&kind);
        Api::namespaced_with(client.clone(), self.namespace, &kind)
    }

    /// Its `Cluster`, if it is there.
    pub async fn find(&self, client: &Client) -> Result<Option<DynamicObject>> {
        self.clusters(client)
            .get_opt(self.cluster)
            .await
            .with_context(|| format!("read Cluster {}/{}", self.namespace, self.cluster))
    }

    /// Makes a standby the primary, as `kubectl cnpg promote` does it.
    pub async fn promote(&self, client: &Client, standby: &str) -> Result<()> {
        let wish = Patch::Merge(json!({"status": {
            "targetPrimary": standby, "phase": "Switchover in progress", "phaseReason": "asked for by a test",
        }}));
        self.clusters(client)
            .patch_status(self.cluster, &PatchParams::default(), &wish)
            .await
            .with_context(|| format!("promote {standby}"))?;
        Ok(())
    }

    /// Done when CloudNativePG says that the cluster is whole.
    pub async fn is_healthy(&self, client: &Client) -> Result<Seen<()>> {
        let cluster = self.find(client).await?.context("there is no Cluster")?;
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

    /// How many messages there are and a checksum of them all: the same, when none was lost, changed or added.
    pub async fn messages(&self, client: &Client) -> Result<String> {
        let statement = "SELECT count(*) || ' messages, checksum ' || md5(coalesce(string_agg(messages::text, ' ' ORDER BY id), '')) \
                         FROM messages";
        self.psql(client, "app", statement).await
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
