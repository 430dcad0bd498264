//! The operator's writes, from the API server's audit log. Events are reports, no writes.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::api_server::{ApiServer, OPERATOR};

#[derive(Default)]
pub(crate) struct Writes {
    pub(crate) objects: usize,
    pub(crate) statuses: usize,
}

impl Writes {
    pub(crate) fn total(&self) -> usize {
        self.objects + self.statuses
    }
}

/// Its writes so far.
pub(crate) fn of_operator(server: &ApiServer) -> anyhow::Result<Writes> {
    let log = std::fs::File::open(server.directory.join("audit.log"))?;
    let mut writes = Writes::default();
    for line in BufReader::new(log).lines() {
        let line = line?;
        if !line.contains(OPERATOR) {
            continue;
        }
        // The last line may not be there in full yet.
        let Ok(request) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let is_write = request["verb"]
            .as_str()
            .is_some_and(|verb| !["get", "list", "watch"].contains(&verb));
        if !is_write
            || request["user"]["username"] != OPERATOR
            || request["objectRef"]["resource"] == "events"
        {
            continue;
        }
        if request["objectRef"]["subresource"] == "status" {
            writes.statuses += 1;
        } else {
            writes.objects += 1;
        }
    }
    Ok(writes)
}
