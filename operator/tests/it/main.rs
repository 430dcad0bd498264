//! The operator from the outside: the real program against a real API server, with no more rights than `rbac.yaml` gives it.
//! Nothing runs pods here: the tests play CloudNativePG and Kubernetes' controllers by writing the status of what the operator
//! makes.

#![allow(clippy::expect_used, reason = "a test fails by it, with a reason")]
#![allow(clippy::panic, reason = "a test fails by it, with a reason")]

mod api_server;
mod audit;
mod operator;
mod process;
mod wait;
mod world;

mod content;
mod drift;
mod foreign;
mod import;
mod install;
mod late_cloudnative_pg;
mod prune;
mod rest;
mod retention;
mod rules;
mod upgrade;
