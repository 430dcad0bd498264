//! The operator from the outside: the real program against a real API server, with no more rights than `rbac.yaml` gives it.
//! Nothing runs pods here: the tests play CloudNativePG and Kubernetes' controllers by writing the status of what the operator
//! makes.

#![allow(clippy::expect_used, reason = "a test fails by it, with a reason")]
#![allow(clippy::panic, reason = "a test fails by it, with a reason")]

mod any_spec;
mod api_server;
mod audit;
mod autoscaler;
mod command;
mod content;
mod cost;
mod deletion;
mod drift;
mod events;
mod foreign;
mod import;
mod install;
mod isolation;
mod late_cloudnative_pg;
mod leader;
mod offline;
mod operator;
mod outage;
mod plugin;
mod preview;
mod process;
mod proxy;
mod prune;
mod releases;
mod rest;
mod retention;
mod rollback;
mod route;
mod rules;
mod rules_of_routes;
mod rules_of_scale;
mod scale;
mod scope;
mod suspend;
mod telemetry;
mod upgrade;
mod wait;
mod world;
