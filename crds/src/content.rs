//! What the bot says.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Key of the content `ConfigMap` that holds the YAML.
pub const CONTENT_KEY: &str = "content.yaml";

/// Greetings, dialogues and fallbacks.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// A ConfigMap in this namespace; its key `content.yaml` holds `greetings`, `fallbacks` and `dialogues`. A change is checked,
    /// then put in force on all servers without a restart; what is refused changes nothing, the condition ContentLoaded says
    /// which line is wrong.
    pub config_map_ref: ConfigMapRef,
}

/// Names a ConfigMap.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigMapRef {
    /// Name of the ConfigMap.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}
