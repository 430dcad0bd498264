//! What was asked of the API server, from its audit log.

use serde::Deserialize;

use crate::api_server::{ApiServer, OPERATOR};

/// A request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Object,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    namespace: String,
    name: String,
    subresource: String,
}

impl Request {
    /// Whether the operator changes something by it. Its events are reports, not changes.
    pub(crate) fn is_change_by_operator(&self) -> bool {
        self.is_by_operator() && self.is_change() && self.object_ref.resource != "events"
    }

    /// Whether somebody changes something by it.
    pub(crate) fn is_change(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// `patch deployments/demo-server/status` and the like.
    pub(crate) fn what(&self) -> String {
        let Object {
            resource,
            name,
            subresource,
            ..
        } = &self.object_ref;
        let parts = [resource, name, subresource].map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{} {}", self.verb, parts.join("/"))
    }

    /// The same with another name for the objects of a resource whose names a test can't know.
    pub(crate) fn what_with_name_of(mut self, resource: &str, name: &str) -> String {
        if self.object_ref.resource == resource {
            name.clone_into(&mut self.object_ref.name);
        }
        self.what()
    }

    /// Whether the operator that calls itself so has asked.
    pub(crate) fn is_by(&self, identity: &str) -> bool {
        self.user_agent.contains(&format!("({identity}-"))
    }

    pub(crate) fn is_by_operator(&self) -> bool {
        self.user.username == OPERATOR
    }
}

/// All requests about objects of a namespace, in the order in which they came in. A request is logged before it is handled.
pub(crate) fn requests(server: &ApiServer, namespace: &str) -> Vec<Request> {
    let log = std::fs::read_to_string(server.directory.join("audit.log")).expect("the audit log");
    // The last line may not be there in full yet.
    let (complete, _) = log.rsplit_once('\n').unwrap_or_default();
    complete
        .lines()
        .map(|line| serde_json::from_str::<Request>(line).expect("an audit event"))
        .filter(|request| request.object_ref.namespace == namespace)
        .collect()
}
