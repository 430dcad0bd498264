//! Walks through the gate with a world of values ([`World`]); what is about one child is in the file of its name.

use chatapp_crds::ConditionType::{
    self, DatabaseReady, FrontendAvailable, Migrated, RouteReady, ServerAvailable,
};
use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentStatus},
    batch::v1::Job,
};

use super::*;

mod autoscaling;
mod children;
mod content;
mod controllers;
mod database;
mod deletion;
mod fields;
mod gate;
mod import;
mod migration;
mod network;
mod pods;
mod pooler;
mod properties;
mod releases;
mod retention;
mod route;
mod scheduling;
mod specs;
mod suspend;
mod upgrade;
mod workload;
mod world;

pub(super) use world::merge;
use world::*;
