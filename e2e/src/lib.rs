//! What the end-to-end tests are made of: each module is one instrument (the cluster, its kubectl, the chat's API, a
//! browser, a load) or one judgement (of a ChatApp, of Argo CD, of what a load left behind). The stories that use
//! them are in `tests/platform`; nothing here knows what is to be proven.

pub mod argocd;
pub mod audit;
pub mod browser;
pub mod certificate;
pub mod chat;
pub mod chatapp;
pub mod chronicle;
pub mod cluster;
pub mod conversation;
pub mod database;
pub mod deployed;
pub mod edge;
pub mod events;
pub mod forward;
pub mod git;
pub mod inventory;
pub mod kubectl;
pub mod load;
pub mod namespace;
pub mod next_release;
pub mod pods;
pub mod process;
pub mod registry;
pub mod repository;
pub mod wait;
