//! The operator, as a library: what its programs have in common. `main.rs` is the operator's command line. The modules read as the
//! story of a reconcile: `process` -> `controller` -> `plan` -> `apply` -> `status`.

mod apply;
mod backoff;
mod caches;
mod compare;
mod controller;
mod events;
mod finalize;
mod kinds;
mod pass;
mod plan;
pub mod process;
mod status;
