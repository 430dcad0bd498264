//! The content: a ConfigMap of the user's that the servers mount. Its hash is on the pods, so that a change rolls them.

use chatapp_crds::{CONTENT_KEY, ChatApp};
use k8s_openapi::api::core::v1::ConfigMap;

use super::{Observed, names, verdict::Verdict};

/// What there is of the content.
pub(crate) enum ContentState {
    /// `spec.content` is absent: the server has its own.
    BuiltIn,
    /// The ConfigMap is there, with the key.
    Present { config_map: String, hash: String },
    /// The ConfigMap, or the key in it, is missing.
    Missing { config_map: String, key_only: bool },
}

impl ContentState {
    pub(crate) fn of(app: &ChatApp, observed: &Observed) -> Self {
        let Some(content) = &app.spec.content else {
            return Self::BuiltIn;
        };
        let config_map = content.config_map_ref.name.clone();
        match &observed.content {
            None => Self::Missing {
                config_map,
                key_only: false,
            },
            Some(live) => text(live).map_or(
                Self::Missing {
                    config_map: config_map.clone(),
                    key_only: true,
                },
                |text| Self::Present {
                    hash: names::short_hash([text]),
                    config_map,
                },
            ),
        }
    }

    /// What holds the server back.
    pub(crate) fn trouble(&self) -> Option<Verdict> {
        let Self::Missing {
            config_map,
            key_only,
        } = self
        else {
            return None;
        };
        let message = if *key_only {
            format!(
                "ConfigMap {config_map} has no key {CONTENT_KEY}: put the content there; the former version serves on"
            )
        } else {
            format!(
                "ConfigMap {config_map} does not exist: create it with key {CONTENT_KEY}, or remove spec.content; the former version serves on"
            )
        };
        Some(Verdict::failed("ContentMissing", message))
    }
}

fn text(config_map: &ConfigMap) -> Option<&str> {
    config_map
        .data
        .as_ref()?
        .get(CONTENT_KEY)
        .map(String::as_str)
}
