//! The chat server from the outside: the real program, over HTTP, on SQLite and on a real PostgreSQL. What is about
//! the API runs on both storages; a scenario is written once.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by it, with a reason"
)]

mod collector;
mod content_commands;
mod content_live;
mod database;
mod endpoints;
mod errors;
mod export;
mod headers;
mod idempotency;
mod import;
mod limits;
mod logs;
mod metrics;
mod migrate;
mod openapi;
mod outage;
mod pgbouncer;
mod postgres;
mod previous_release;
mod program;
mod purge;
mod schemathesis;
mod server;
mod shutdown;
mod startup;
mod switchover;
mod together;
mod traces;
mod unanswered;
mod url_file;
mod wait;

/// Each scenario, given an empty database, as two tests: one for each storage.
macro_rules! on_both_storages {
    ($(async fn $name:ident($database:ident) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            use $crate::database::Database;

            async fn scenario($database: Database) $body

            #[tokio::test]
            async fn sqlite() {
                scenario(Database::sqlite()).await;
            }

            #[tokio::test]
            async fn postgres() {
                scenario(Database::postgres().await).await;
            }
        }
    )*};
}
use on_both_storages;
