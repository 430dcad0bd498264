//! What Jobs have done to the database, kept where it outlives them: in annotations of the ServiceAccount, which is the first
//! child and lasts as long as the ChatApp. Without a mark, what it tells of is done again, and no harm comes from it.

use std::collections::BTreeMap;

use chatapp_crds::{ChatApp, ConditionType, ImportResult};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::{
    Child, Observed,
    names::{self, Component},
};

/// The content that is in the database: a hash.
const CONTENT_ANNOTATION: &str = "sillychat.io/content";
/// The import that is complete, as JSON.
const IMPORT_ANNOTATION: &str = "sillychat.io/import";
const PENDING: &str = "pending";

/// All marks. `None`: never done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) content: Option<ContentMark>,
    pub(crate) import: Option<ImportMark>,
}

/// Which of the operator's contents is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContentMark {
    /// A Job may be about to change it. This is written down before the Job is made.
    Pending,
    Loaded(String),
}

/// A complete import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportMark {
    pub(crate) key: String,
    /// Unknown if its pod was gone before anybody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<ImportResult>,
}

impl Marks {
    pub(crate) fn of(app: &ChatApp, observed: &Observed) -> Self {
        let Some(account) = observed.get::<ServiceAccount>(&names::service_account(app)) else {
            return Self::default();
        };
        let annotation = |name: &str| account.annotations().get(name).map(String::as_str);
        Self {
            content: annotation(CONTENT_ANNOTATION).map(|mark| match mark {
                PENDING => ContentMark::Pending,
                key => ContentMark::Loaded(key.to_owned()),
            }),
            import: annotation(IMPORT_ANNOTATION).and_then(|mark| serde_json::from_str(mark).ok()),
        }
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let content = self.content.as_ref().map(|mark| match mark {
            ContentMark::Pending => PENDING.to_owned(),
            ContentMark::Loaded(key) => key.clone(),
        });
        let import = self
            .import
            .as_ref()
            .and_then(|mark| serde_json::to_string(mark).ok());
        [(CONTENT_ANNOTATION, content), (IMPORT_ANNOTATION, import)]
            .into_iter()
            .filter_map(|(name, mark)| Some((name.to_owned(), mark?)))
            .collect()
    }

    /// An account without rights that carries them: pods of ours carry no token.
    pub(crate) fn service_account(&self, app: &ChatApp) -> Child {
        let mut metadata = names::metadata(app, Component::Shared, names::service_account(app));
        let annotations = self.annotations();
        metadata.annotations = (!annotations.is_empty()).then_some(annotations);
        let account = ServiceAccount {
            metadata,
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        };
        Child::of(ConditionType::ServerAvailable, &account)
    }
}
