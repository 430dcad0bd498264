//! The plan: from a ChatApp and what is observed of its children to the objects that should exist and the conditions to report.
//! It is a function of values: it reads no clock and calls nobody. How objects get to the API server is `apply`'s business.
//!
//! The story of a pass: the database must be ready; then the migration for the wanted image must be done; then the content must be
//! loaded; then the server rolls; then the page. An import runs beside, but not before a former content is cleared. Each step says
//! how it stands ([`verdict::Verdict`]) and holds the next one back until it is done. What ran before goes on meanwhile.
//!
//! A new child is one file here and one line in [`plan`].

mod autoscaling;
mod content;
mod database;
pub(crate) mod deletion;
mod disruption;
mod frontend;
mod import;
mod job;
mod marks;
mod migration;
mod names;
mod neighbours;
mod network;
mod observed;
mod outcome;
pub(crate) mod ownership;
mod pods;
mod pooler;
mod prune;
mod reachability;
mod retention;
mod route;
mod run;
mod scheduling;
mod server;
mod suspend;
#[cfg(test)]
mod tests;
mod verdict;
mod workload;

pub(crate) use migration::Facts;
pub(crate) use names::{
    APP_LABEL, COMPONENT_LABEL, Component, database as database_name, short_hash,
};
pub(crate) use neighbours::{Neighbour, Sight};
pub(crate) use observed::Observed;
pub(crate) use pods::TELLING_REASONS;
pub(crate) use route::neighbours;
pub(crate) use suspend::{HIBERNATION, SUSPENDED, is_hibernating};
pub(crate) use verdict::{Reason, Verdict};
pub(crate) use workload::TEMPLATE_ANNOTATION;

use chatapp_crds::{ChatApp, ConditionType, ImportResult};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use marks::Marks;
use workload::Workload;

use crate::kinds::Kind;

/// An object that should exist just so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    /// The condition that reports trouble with it.
    pub(crate) condition: ConditionType,
    /// The object, with only the fields that we decide.
    pub(crate) object: Value,
    /// A field that is somebody else's to decide: if we decided it before, it keeps its value.
    pub(crate) given_up: Option<&'static str>,
}

impl Child {
    fn new(condition: ConditionType, object: Value) -> Self {
        Self {
            condition,
            object,
            given_up: None,
        }
    }

    fn giving_up(self, pointer: &'static str) -> Self {
        Self {
            given_up: Some(pointer),
            ..self
        }
    }

    fn of<K: Resource<DynamicType = ()> + Serialize>(condition: ConditionType, object: &K) -> Self {
        let mut object = json!(object);
        if let Value::Object(fields) = &mut object {
            fields.insert("apiVersion".to_owned(), json!(K::api_version(&())));
            fields.insert("kind".to_owned(), json!(K::kind(&())));
            // Not ours, and null or empty where the type can't leave it out.
            fields.remove("status");
        }
        Self::new(condition, object)
    }

    fn text(&self, pointer: &str) -> &str {
        self.object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name")
    }
}

/// An object that should go. The uid makes sure that it is that one and not a later one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Deletion {
    /// `None` if it is on its way out already.
    fn of<K: Resource<DynamicType = ()>>(object: &K) -> Option<Self> {
        if object.meta().deletion_timestamp.is_some() {
            return None;
        }
        Some(Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            name: object.meta().name.clone()?,
            uid: object.meta().uid.clone()?,
        })
    }

    /// The same for an object of which only the kind is known.
    fn named(kind: Kind, object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        if !metadata["deletionTimestamp"].is_null() {
            return None;
        }
        Some(Self {
            api_version: kind.api_version().to_owned(),
            kind: kind.name().to_owned(),
            name: metadata["name"].as_str()?.to_owned(),
            uid: metadata["uid"].as_str()?.to_owned(),
        })
    }
}

/// What to do in one pass, and how things stand.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// To apply, in this order.
    pub(crate) children: Vec<Child>,
    pub(crate) deletions: Vec<Deletion>,
    /// One verdict for each condition but `Ready`, which sums them up.
    pub(crate) verdicts: Vec<(ConditionType, Verdict)>,
    /// Server pods: existing, ready, wanted.
    pub(crate) replicas: (i32, i32, i32),
    /// Selects the server's pods.
    pub(crate) selector: String,
    /// What the migration says of itself.
    pub(crate) migration: Facts,
    /// What was imported.
    pub(crate) import: Option<ImportResult>,
}

impl Plan {
    /// Whether a Job is to be created that is not among the observed ones.
    pub(crate) fn starts_job(&self, observed: &Observed) -> bool {
        let is_known = |child: &Child| observed.value(Kind::Job, child.name()).is_some();
        self.children
            .iter()
            .any(|child| child.kind() == "Job" && !is_known(child))
    }
}

/// Plans one pass.
pub(crate) fn plan(app: &ChatApp, observed: &Observed) -> Plan {
    let Some(source) = database::source(app) else {
        return no_database(app);
    };
    let refusal = database::refusal(app, &source, observed);
    let stop = suspend::verdict(app, &source, observed);
    // An app that is to stop begins no Job.
    let database = refusal
        .clone()
        .or_else(|| stop.clone())
        .unwrap_or_else(|| database::verdict(app, &source, observed));
    let migration = migration::plan(app, &source, observed, &database);
    // Nor on a schema that is current.
    let stop = stop.as_ref();
    let content = content::plan(app, &source, observed, &migration.verdict, stop);
    let import = import::plan(
        app,
        &source,
        observed,
        &migration.verdict,
        &content.verdict,
        stop,
    );
    let server = server::workload(app, &source, observed, &migration, &content.verdict);
    let server_verdict = server
        .verdict(&observed.pods_of(Component::Server))
        .with_remark(autoscaling::remark(app, observed));
    let frontend = frontend::workload(app, observed, &server, &server_verdict);
    let frontend_verdict = frontend.verdict(&observed.pods_of(Component::Frontend));

    let marks = Marks {
        content: content.mark,
        import: import.mark,
    };
    let mut children = vec![
        marks.service_account(app),
        server.service(app),
        frontend.service(app),
    ];
    // Before the pods that they are about.
    children.extend(network::policies(app, &source));
    children.extend(database_children(app, &source, observed, &server));
    children.extend(migration.child);
    children.extend(import.child);
    children.extend(content.children);
    for workload in [&server, &frontend] {
        let deployment = workload.child(app);
        if deployment.is_some() || workload.live.is_some() {
            children.extend(workload.budget(app));
        }
        children.extend(deployment);
    }
    children.extend(autoscaling::child(app));
    children.extend(retention::cron_job(app, &source, server.image().as_deref()));
    let retention_verdict = retention::verdict(app, observed, &server_verdict);
    children.extend(route::child(app, observed));

    let pruned = prune::prune(observed, &children, &kept(app, observed));
    let live = server.live.as_ref();
    let status = live
        .and_then(|live| live.status.clone())
        .unwrap_or_default();
    let pooled = pooler::trouble(app, observed).filter(|_| database.is_done());
    let mut verdicts: Vec<_> = [
        (
            ConditionType::DatabaseReady,
            Some(pooled.unwrap_or(database)),
        ),
        (ConditionType::Migrated, Some(migration.verdict)),
        (ConditionType::Imported, import.verdict),
        (ConditionType::ContentLoaded, Some(content.verdict)),
        (ConditionType::ServerAvailable, Some(server_verdict)),
        (ConditionType::FrontendAvailable, Some(frontend_verdict)),
        (
            ConditionType::RouteReady,
            Some(reachability::verdict(app, observed)),
        ),
        (ConditionType::RetentionEnforced, retention_verdict),
    ]
    .into_iter()
    .filter_map(|(type_, verdict)| Some((type_, verdict?)))
    .collect();
    // An app that is to stop has to hear of a refusal, too.
    if let (None, Some(stop)) = (&refusal, stop) {
        suspend::overrule(&mut verdicts, &source, stop);
    }
    Plan {
        deletions: [
            migration.deletions,
            import.deletions,
            content.deletions,
            suspend::idle_purges(app, observed),
            database::stuck(app, &source, observed),
            pruned,
        ]
        .concat(),
        children,
        verdicts,
        migration: migration.facts,
        import: import.result,
        replicas: (
            status.replicas.unwrap_or_default(),
            status.ready_replicas.unwrap_or_default(),
            server.wanted_replicas(),
        ),
        selector: names::selector_text(app, Component::Server),
    }
}

/// What stays although there is nothing to apply to it.
fn kept(app: &ChatApp, observed: &Observed) -> Vec<prune::Kept> {
    // While the gate is closed they may have no template to apply; the former version serves on all the same.
    let mut kept = vec![
        (Kind::Deployment, names::server(app)),
        (Kind::Deployment, names::frontend(app)),
    ];
    if pooler::is_in_use(observed) {
        kept.push((Kind::Pooler, names::pooler(app)));
    }
    kept.extend(workload::accounts_in_use(observed));
    kept
}

/// What the API server's rules don't let through.
fn no_database(app: &ChatApp) -> Plan {
    let message = "spec.database needs exactly one of 'cluster' and 'external'";
    let verdict = Verdict::failed("InvalidSpec", message);
    Plan {
        children: Vec::new(),
        deletions: Vec::new(),
        verdicts: vec![(ConditionType::DatabaseReady, verdict)],
        replicas: (0, 0, 0),
        selector: names::selector_text(app, Component::Server),
        migration: Facts::default(),
        import: None,
    }
}

/// The database, with what is in front of it for the servers; if it is one of ours and the API server knows the kinds.
fn database_children(
    app: &ChatApp,
    source: &database::Source<'_>,
    observed: &Observed,
    server: &Workload,
) -> Vec<Child> {
    let database::Source::Cluster(spec) = source else {
        return Vec::new();
    };
    if !observed.knows(Kind::Cluster) {
        return Vec::new();
    }
    let mut children = Vec::new();
    if let Some(mut cluster) = database::applied(app, spec, observed) {
        suspend::hibernate(app, observed, &mut cluster);
        children.push(cluster);
    }
    if observed.knows(Kind::Pooler) {
        let template = server.let_through();
        children.extend(pooler::children(app, spec, observed, template.as_ref()));
    }
    children
}

/// Address of the page: outside of the cluster if there is a route, else inside.
pub(crate) fn url(app: &ChatApp) -> String {
    route::url(app).unwrap_or_else(|| {
        let namespace = app.namespace().unwrap_or_default();
        format!("http://{}.{namespace}.svc", names::frontend(app))
    })
}
