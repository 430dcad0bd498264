//! The operator, as a library: what its programs have in common. `main.rs` is the operator's command line, `bin/kubectl-chatapp.rs`
//! that of the plugin for `kubectl`. The modules read as the story of a reconcile: `process` -> `controller` -> `plan` -> `apply` ->
//! `status`. Beside it stands what people run by hand: `preview` plans what is written in files, `plugin` shows what there is.

mod apply;
mod backoff;
mod caches;
mod compare;
mod connection;
mod controller;
mod events;
mod finalize;
mod kinds;
mod live;
mod neighbours;
mod offline;
mod output;
mod pass;
mod plan;
pub mod plugin;
pub mod preview;
pub mod process;
mod status;
