//! The operator's requests, from the API server's audit log.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
};

use serde::Deserialize;

use crate::api_server::{ApiServer, OPERATOR};

/// What was asked so far.
#[derive(Default)]
pub(crate) struct Requests {
    /// Writes to objects, the ChatApps' finalizers among them.
    pub(crate) objects: usize,
    /// Writes to the ChatApps' status.
    pub(crate) statuses: usize,
    /// Events are reports: they are no state that anybody waits for, and nobody else writes them.
    pub(crate) events: usize,
    pub(crate) reads: usize,
    /// What was written to, but for the ChatApps themselves.
    pub(crate) resources: BTreeSet<Resource>,
}

/// A resource of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) api_group: String,
    pub(crate) api_version: String,
    pub(crate) resource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    subresource: String,
    #[serde(flatten)]
    resource: Resource,
}

impl Requests {
    pub(crate) fn writes(&self) -> usize {
        self.objects + self.statuses
    }

    fn count(
        &mut self,
        Request {
            verb, object_ref, ..
        }: Request,
    ) {
        let resource = object_ref.resource;
        match (verb.as_str(), resource.resource.as_str()) {
            ("get" | "list" | "watch", _) => self.reads += 1,
            (_, "events") => self.events += 1,
            (_, "chatapps") if object_ref.subresource == "status" => self.statuses += 1,
            (_, "chatapps") => self.objects += 1,
            _ => {
                self.objects += 1;
                self.resources.insert(resource);
            }
        }
    }
}

/// Its requests so far.
pub(crate) fn of_operator(server: &ApiServer) -> anyhow::Result<Requests> {
    let mut requests = Requests::default();
    for entry in std::fs::read_dir(&server.directory)? {
        let entry = entry?;
        let name = entry.file_name();
        // A log that has become long is continued in another one.
        let is_log = name
            .to_str()
            .is_some_and(|name| name.starts_with("audit") && name.ends_with(".log"));
        if !is_log {
            continue;
        }
        for line in BufReader::new(std::fs::File::open(entry.path())?).lines() {
            let line = line?;
            // The last line may not be there in full yet.
            if line.contains(OPERATOR)
                && let Ok(request) = serde_json::from_str::<Request>(&line)
                && request.user.username == OPERATOR
            {
                requests.count(request);
            }
        }
    }
    Ok(requests)
}
