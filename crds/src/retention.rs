//! How long messages are kept.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Messages beyond an age are deleted once a day, and chats that are empty then.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Days that a message is kept.
    #[schemars(range(min = 1, max = 36500))]
    pub days: i32,
}
