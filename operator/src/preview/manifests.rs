//! Reads what a person has written: YAML or JSON of several documents, from files or from standard input. Each ChatApp and each
//! ConfigMap knows where it stands; other kinds of objects are others' business.

use std::{fmt, io::Read as _};

use chatapp_crds::ChatApp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Resource;
use serde::Deserialize as _;
use serde_json::Value;
use serde_saphyr::Spanned;

/// Name of standard input as a file.
const STANDARD_INPUT: &str = "-";

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("{file}: {source}")]
    Read {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{file} is not YAML: {source}")]
    Yaml {
        file: String,
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    #[error("{0}: apiVersion {1} is not known here: write {known}", known = ChatApp::api_version(&()))]
    Version(Place, String),
    #[error("{0}: {1}")]
    ConfigMap(Place, serde_json::Error),
    #[error("there is no ChatApp in {0}")]
    NoChatApp(String),
}

/// Where an object is written, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: String,
    line: u64,
    name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, name } = self;
        write!(formatter, "{file}:{line}, {name}")
    }
}

/// What the files hold.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    pub(crate) apps: Vec<(Place, Value)>,
    pub(crate) config_maps: Vec<ConfigMap>,
}

impl Manifests {
    /// Reads the files; `-` is standard input.
    pub(crate) fn read(files: &[String]) -> Result<Self, ManifestError> {
        let mut manifests = Self::default();
        for file in files {
            let (file, text) = read(file)?;
            manifests.add(&file, &text)?;
        }
        if manifests.apps.is_empty() {
            return Err(ManifestError::NoChatApp(files.join(", ")));
        }
        Ok(manifests)
    }

    /// Adds the documents of a file.
    fn add(&mut self, file: &str, text: &str) -> Result<(), ManifestError> {
        let documents: Vec<Spanned<Value>> =
            serde_saphyr::from_multiple(text).map_err(|source| ManifestError::Yaml {
                file: file.to_owned(),
                source: Box::new(source),
            })?;
        for document in documents {
            let line = document.referenced.line();
            let object = document.value;
            // As `kubectl get --output yaml` writes several objects.
            match object["items"].as_array() {
                Some(items) if object["kind"] == "List" => {
                    for item in items {
                        self.add_object(file, line, item)?;
                    }
                }
                _ => self.add_object(file, line, &object)?,
            }
        }
        Ok(())
    }

    fn add_object(&mut self, file: &str, line: u64, object: &Value) -> Result<(), ManifestError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let api_version = text("/apiVersion").unwrap_or_default();
        let kind = text("/kind").unwrap_or_default();
        let place = Place {
            file: file.to_owned(),
            line,
            name: format!(
                "{kind} {}",
                text("/metadata/name").unwrap_or("without a name")
            ),
        };
        if kind == ChatApp::kind(&()) {
            if api_version != ChatApp::api_version(&()) {
                return Err(ManifestError::Version(place, api_version.to_owned()));
            }
            self.apps.push((place, object.clone()));
        } else if kind == ConfigMap::kind(&()) && api_version == ConfigMap::api_version(&()) {
            let config_map = ConfigMap::deserialize(object);
            let config_map = config_map.map_err(|error| ManifestError::ConfigMap(place, error))?;
            self.config_maps.push(config_map);
        }
        Ok(())
    }

    /// The ConfigMap of this name. One without a namespace is meant for whichever the ChatApp is in.
    pub(crate) fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.config_maps.iter().find(|config_map| {
            let metadata = &config_map.metadata;
            let in_namespace = metadata.namespace.as_deref().unwrap_or(namespace);
            metadata.name.as_deref() == Some(name) && in_namespace == namespace
        })
    }
}

/// Name for messages, and text.
fn read(file: &str) -> Result<(String, String), ManifestError> {
    let (name, text) = if file == STANDARD_INPUT {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        ("standard input", read.map(|_| text))
    } else {
        (file, std::fs::read_to_string(file))
    };
    match text {
        Ok(text) => Ok((name.to_owned(), text)),
        Err(source) => Err(ManifestError::Read {
            file: name.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: words, namespace: other}
data: {content.yaml: 'greetings: [hi]'}
---
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: unheard-of}
---
apiVersion: sillychat.io/v1alpha1
kind: ChatApp
metadata:
  name: demo
";

    fn manifests(text: &str) -> Result<Manifests, ManifestError> {
        let mut manifests = Manifests::default();
        manifests.add("chat.yaml", text)?;
        Ok(manifests)
    }

    #[test]
    fn each_chat_app_knows_where_it_stands() {
        let manifests = manifests(TWO).expect("manifests");
        let places: Vec<String> = manifests
            .apps
            .iter()
            .map(|(place, _)| place.to_string())
            .collect();
        assert_eq!(places, ["chat.yaml:13, ChatApp demo"]);
        assert!(manifests.config_map("other", "words").is_some());
        assert!(manifests.config_map("default", "words").is_none());
    }

    #[test]
    fn lists_and_json_are_read_too() {
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": "a"}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}}]}"#;
        let manifests = manifests(list).expect("manifests");
        assert_eq!(manifests.apps.len(), 1);
        assert!(manifests.config_map("anywhere", "words").is_some());
    }

    #[test]
    fn what_can_not_be_read_is_told_with_its_place() {
        let said = |text: &str| manifests(text).expect_err("an error").to_string();
        let other = said("apiVersion: sillychat.io/v2\nkind: ChatApp\nmetadata: {name: demo}");
        assert_eq!(
            other,
            "chat.yaml:1, ChatApp demo: apiVersion sillychat.io/v2 is not known here: write sillychat.io/v1alpha1"
        );
        let twice = said("kind: ChatApp\nkind: ChatApp\n");
        assert!(
            twice.starts_with("chat.yaml is not YAML: ") && twice.contains("kind"),
            "{twice}"
        );
        let bad = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: words}\ndata: [1]");
        assert!(bad.starts_with("chat.yaml:1, ConfigMap words: "), "{bad}");
    }
}
