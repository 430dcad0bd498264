//! The two Deployments that a user sizes: the chat server and the page.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The chat server's Deployment.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))")
        .message("spec.server.replicas can't be set together with autoscaling, which decides it: remove replicas (or write \
            'replicas: null'), or remove autoscaling"),
    validation = Rule::new("!has(self.autoscaling) || !has(self.resources) || \
            (has(self.resources.requests) && 'cpu' in self.resources.requests) || \
            (has(self.resources.limits) && 'cpu' in self.resources.limits)")
        .message("autoscaling measures CPU in percent of the request: write spec.server.resources.requests.cpu too")
)]
pub struct Server {
    /// Container image, best with a digest (`registry.example.org/chat-server@sha256:...`). Its migrations run before it serves.
    #[schemars(length(min = 1, max = 1024))]
    pub image: String,
    /// Number of pods. Absent, and without `autoscaling`: 2. `kubectl scale` needs a number here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// As many pods as the load needs, instead of `replicas`: a HorizontalPodAutoscaler named `<name>-server`. It needs
    /// metrics-server in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Resources of each pod. Absent: requests of 50m CPU and 64Mi memory, a limit of 256Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Further environment variables, for example `RUST_LOG`. Names that the operator sets are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("!self.exists(e, e.name in ['LISTEN', 'DATABASE_URL', 'DATABASE_URL_FILE', 'DATABASE_HOST', 'CONTENT_FILE', 'STATIC_DIR', 'LOG_FORMAT', \
                'OUTCOME_FILE', 'MIGRATE_DRY_RUN'])")
            .message("LISTEN, DATABASE_URL, DATABASE_URL_FILE, DATABASE_HOST, CONTENT_FILE, STATIC_DIR, LOG_FORMAT, OUTCOME_FILE and MIGRATE_DRY_RUN are set by the operator: \
                remove them from spec.server.env; the database is chosen by spec.database, the content by spec.content")
    )]
    pub env: Vec<EnvVar>,
}

/// How many pods there may be, and when there are more.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("autoscaling.minReplicas must not be larger than maxReplicas: lower minReplicas or raise maxReplicas")
)]
pub struct Autoscaling {
    /// The fewest pods.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,
    /// The most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// CPU that the pods use on average, in percent of what they request; above it there are more pods, below it fewer.
    #[serde(default = "seventy")]
    #[schemars(range(min = 1, max = 1000))]
    #[serde(rename = "targetCPUUtilizationPercentage")]
    pub target_cpu_utilization_percentage: i32,
}

/// The page's Deployment.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Frontend {
    /// Container image, best with a digest.
    #[schemars(length(min = 1, max = 1024))]
    pub image: String,
    /// Number of pods.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// Resources of each pod. Absent: requests of 20m CPU and 32Mi memory, a limit of 128Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

const fn two() -> i32 {
    2
}

const fn seventy() -> i32 {
    70
}
