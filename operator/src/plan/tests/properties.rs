//! What holds for any spec, and for any way to it.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::*,
    prop_assert, prop_assert_eq,
    sample::select,
    test_runner::{FileFailurePersistence, TestCaseError},
};

use super::*;
use crate::{apply, plan::ownership::Owner};

/// How the API server writes the quantities of these tests.
const CANONICAL: [(&str, &str); 11] = [
    ("0.1", "100m"),
    ("1e-1", "100m"),
    ("1000m", "1"),
    ("2000m", "2"),
    ("1.5", "1500m"),
    ("65536Ki", "64Mi"),
    ("1e7", "10e6"),
    ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"),
    ("2000M", "2G"),
    ("1000M", "1G"),
];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::with_cases(cases)
    }
}

fn any_app() -> impl Strategy<Value = ChatApp> {
    (specs::name(), specs::spec()).prop_map(|(name, spec)| named(&name, spec))
}

fn named(name: &str, spec: Value) -> ChatApp {
    let mut app = app_with(spec);
    app.metadata.name = Some(name.to_owned());
    app
}

/// A ChatApp that has been given these specs one after the other, as the rules on changes let it.
fn any_history() -> impl Strategy<Value = Vec<(ChatApp, Vec<Event>)>> {
    let step = (specs::spec(), vec(any_event(), 0..6));
    (specs::name(), vec(step, 1..5)).prop_map(|(name, steps)| {
        let database = steps[0].0["database"].clone();
        let steps = steps.into_iter().map(|(mut spec, events)| {
            let wanted = &mut spec["database"];
            if wanted["cluster"].is_object() != database["cluster"].is_object() {
                *wanted = database.clone();
            } else if wanted["cluster"].is_object() {
                wanted["cluster"]["storage"] = database["cluster"]["storage"].clone();
            }
            (named(&name, spec), events)
        });
        steps.collect()
    })
}

/// What happens between passes.
#[derive(Clone, Copy, Debug)]
enum Event {
    Pass,
    /// All that is under way comes to a good end.
    Success,
    JobsFail,
    /// CloudNativePG says nothing of its Cluster any more.
    DatabaseTrouble,
    /// Somebody cleans up.
    JobsVanish,
    /// Somebody deletes what serves.
    DeploymentsVanish,
    ContentVanishes,
    /// Somebody stops the app, or has it go on.
    Suspend(bool),
}

impl Event {
    /// What it does to the spec.
    fn edits(self, app: &mut ChatApp) {
        if let Self::Suspend(suspend) = self {
            app.spec.suspend = suspend;
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    select(vec![
        Event::Pass,
        Event::Pass,
        Event::Success,
        Event::JobsFail,
        Event::DatabaseTrouble,
        Event::JobsVanish,
        Event::DeploymentsVanish,
        Event::ContentVanishes,
        Event::Suspend(true),
        Event::Suspend(false),
    ])
}

impl World {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Pass | Event::Suspend(_) => {}
            Event::Success => self.controllers_act(),
            Event::JobsFail => {
                for job in self.observed.ours::<Job>() {
                    let job = self.object(Kind::Job, &job.name_any());
                    if job["status"].is_null() {
                        job["status"] =
                            json!({"conditions": [{"type": "Failed", "status": "True"}]});
                    }
                }
            }
            Event::DatabaseTrouble => {
                let clusters: Vec<Value> = self.observed.found(Kind::Cluster).cloned().collect();
                for mut cluster in clusters {
                    cluster["status"] = json!({"phase": "in trouble"});
                    self.observed.put(Kind::Cluster, cluster);
                }
            }
            Event::JobsVanish => self.observed.remove_all(Kind::Job),
            Event::DeploymentsVanish => self.observed.remove_all(Kind::Deployment),
            Event::ContentVanishes => self.observed.content = None,
        }
    }

    fn has_unended_jobs(&self) -> bool {
        let jobs = self.observed.ours::<Job>();
        jobs.iter().any(|job| !job::has_ended(job))
    }

    /// As the API server gives the objects back: without what is empty, with quantities written its way, with defaults, and with
    /// what others have put in.
    fn read_back(&mut self) {
        for kind in Kind::ALL {
            let objects: Vec<Value> = self.observed.found(*kind).cloned().collect();
            for mut object in objects {
                normalize(&mut object, false, true);
                let metadata = &mut object["metadata"];
                metadata["resourceVersion"] = json!("7");
                metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
                metadata["labels"]["example.org/of"] = json!("others");
                metadata["annotations"]["example.org/of"] = json!("others");
                if kind.name() != "ConfigMap" && kind.name() != "ServiceAccount" {
                    object["spec"]["aDefault"] = json!({"of": "the API server"});
                }
                self.observed.put(*kind, object);
            }
        }
    }

    /// All objects but those whose number and names depend on what has happened.
    fn lasting(&self, app: &ChatApp) -> BTreeMap<String, Value> {
        let kinds = Kind::ALL.iter();
        let kinds = kinds.filter(|kind| !matches!(kind, Kind::Job | Kind::Pod));
        let objects =
            kinds.flat_map(|kind| self.observed.found(*kind).map(|object| (*kind, object)));
        let wanted = objects.map(|(kind, object)| {
            let mut object = object.clone();
            if kind == Kind::Deployment && app.spec.server.autoscaling.is_some() {
                object["spec"]["replicas"] = Value::Null;
            }
            // A complete import is remembered, and that a former content was cleared; the hash is about that too.
            let has_no_content = app.spec.content.is_none();
            let cleared = has_no_content.then_some("sillychat.io/content");
            for mark in ["sillychat.io/import", "sillychat.io/applied-hash"]
                .into_iter()
                .chain(cleared)
            {
                object["metadata"]["annotations"][mark] = Value::Null;
            }
            object["metadata"]["generation"] = Value::Null;
            object["status"] = Value::Null;
            (
                format!("{}/{}", kind.name(), object["metadata"]["name"]),
                object,
            )
        });
        wanted.collect()
    }
}

fn normalize(value: &mut Value, is_quantity: bool, keeps_empty_texts: bool) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let is_quantity = is_quantity || matches!(name.as_str(), "requests" | "limits");
                let is_map = matches!(
                    name.as_str(),
                    "annotations"
                        | "labels"
                        | "matchLabels"
                        | "nodeSelector"
                        | "data"
                        | "parameters"
                );
                normalize(value, is_quantity || name == "divisor", is_map);
            }
            fields.retain(|_, value| match value {
                Value::Null => false,
                Value::String(text) => keeps_empty_texts || !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !fields.is_empty(),
                Value::Bool(_) | Value::Number(_) => true,
            });
        }
        Value::Array(items) => {
            for item in items {
                normalize(item, is_quantity, false);
            }
        }
        Value::String(text) if is_quantity => {
            if let Some((_, canonical)) = CANONICAL.iter().find(|(written, _)| written == text) {
                (*canonical).clone_into(text);
            }
        }
        _ => {}
    }
}

/// The name of an object of Kubernetes, short enough to be a label's value and a pod's host name.
fn is_label(name: &str) -> bool {
    let is_outer = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let is_inner = |character: char| is_outer(character) || character == '-';
    name.len() <= 63
        && name.chars().all(is_inner)
        && name.starts_with(is_outer)
        && name.ends_with(is_outer)
}

/// Names of Services are those of hosts everywhere; Kubernetes puts 11 characters behind a CronJob's for its Jobs; CloudNativePG
/// has names of its own behind those of its objects.
const LONGEST: [(&str, usize); 3] = [("CronJob", 52), ("Cluster", 50), ("Pooler", 50)];

fn check_child(child: &Child) -> Result<(), TestCaseError> {
    let (kind, name) = (child.kind(), child.name());
    prop_assert!(is_label(name), "{} {}", kind, name);
    let longest = LONGEST.iter().find(|(long, _)| *long == kind);
    prop_assert!(
        longest.is_none_or(|(_, longest)| name.len() <= *longest),
        "{} {}",
        kind,
        name
    );
    if kind == "Service" {
        prop_assert!(
            name.starts_with(|first: char| first.is_ascii_lowercase()),
            "{}",
            name
        );
    }
    prop_assert_eq!(
        Kind::named(kind).map(Kind::api_version),
        Some(child.api_version())
    );
    let labels = child.object["metadata"]["labels"].as_object();
    for (label, value) in labels.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        prop_assert!(is_label(value), "{}: {} of {} {}", label, value, kind, name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn any_valid_spec_comes_up_and_what_it_became_is_left_alone(app in any_app()) {
        let mut world = World::of(&app);
        let last = world.settle(&app);
        for (type_, verdict) in &last.verdicts {
            let expected = match type_ {
                _ if app.spec.suspend => verdict.is_done() || verdict.reason().reason == SUSPENDED,
                ServerAvailable | FrontendAvailable => verdict.is_done() || verdict.reason().reason == "ScaledToZero",
                _ => verdict.is_done(),
            };
            prop_assert!(expected, "{:?}: {:?}", type_, verdict);
        }
        for child in &world.wanted {
            check_child(child)?;
        }

        world.read_back();
        let again = plan(&app, &world.observed);
        prop_assert_eq!(&again.children, &last.children);
        prop_assert_eq!(&again.verdicts, &last.verdicts);
        prop_assert_eq!(&again.deletions, &[]);
        for child in &again.children {
            let kind = Kind::named(child.kind()).expect("a kind");
            let live = world.observed.value(kind, child.name()).expect("an object");
            let wanted = apply::with_hash(&child.object);
            prop_assert!(apply::is_as_wanted(live, &wanted, &Owner::of(&app)), "{} {}", live, wanted);
        }
    }

    #[test]
    fn the_same_is_planned_again(history in any_history()) {
        let mut world = World::of(&history[0].0);
        for (mut app, events) in history {
            world.has_content_of(&app);
            for event in events {
                let (one, other) = (plan(&app, &world.observed), plan(&app, &world.observed));
                prop_assert_eq!(&one.children, &other.children);
                prop_assert_eq!(&one.deletions, &other.deletions);
                prop_assert_eq!(&one.verdicts, &other.verdicts);
                world.pass(&app);
                world.happens(event);
                event.edits(&mut app);
            }
        }
    }

    #[test]
    fn the_last_spec_alone_decides_where_it_ends(history in any_history()) {
        let mut last = history.last().expect("one").0.clone();
        let mut long = World::of(&last);
        let mut has_failed = false;
        for (mut app, events) in history {
            long.has_content_of(&app);
            for event in events {
                long.pass(&app);
                let running = long.observed.ours::<Job>().into_iter();
                let running = running.filter(|job| names::is_of(job, Component::Migration) && !job::has_ended(job));
                prop_assert!(running.count() < 2, "two migrations at once");
                // A stop lets no Job fail.
                has_failed |= matches!(event, Event::JobsFail) && !app.spec.suspend && long.has_unended_jobs();
                long.happens(event);
                event.edits(&mut app);
            }
        }
        if has_failed {
            // Jobs that have failed want to be asked again.
            let retry = chatapp_crds::RETRY_MIGRATION_ANNOTATION.to_owned();
            last.metadata.annotations.get_or_insert_default().insert(retry, "last".to_owned());
        }
        if last.spec.suspend {
            for (type_, verdict) in long.settle(&last).verdicts {
                prop_assert!(verdict.is_done() || verdict.reason().reason == SUSPENDED, "{:?}: {:?}", type_, verdict);
            }
            // What never came up has no servers to stop: it is compared when it goes on.
            last.spec.suspend = false;
        }
        let long_plan = long.settle(&last);
        let mut short = World::of(&last);
        let short_plan = short.settle(&last);
        prop_assert_eq!(states(&long_plan), states(&short_plan));
        prop_assert_eq!(&long_plan.deletions, &[]);
        prop_assert_eq!(&short_plan.deletions, &[]);
        let (long, short) = (long.lasting(&last), short.lasting(&last));
        prop_assert_eq!(long.keys().collect::<Vec<_>>(), short.keys().collect::<Vec<_>>());
        for (name, object) in long {
            prop_assert_eq!(&object, &short[&name], "{}", name);
        }
    }
}

#[test]
fn no_child_holds_what_is_in_a_secret() {
    // The operator may not read Secrets (rbac.yaml): a child can only name them.
    assert!(Kind::ALL.iter().all(|kind| kind.name() != "Secret"));
    let secret =
        json!({"name": "token", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "one"}}});
    let mut app = chatapp("server:1");
    app.spec.server.env = serde_json::from_value(json!([secret])).expect("variables");
    let world = World::installed(&app);
    let env = world
        .server()
        .and_then(|server| server.spec?.template.spec?.containers.first()?.env.clone());
    let env = json!(env.expect("variables"));
    assert!(
        env.as_array().is_some_and(|env| env.contains(&secret)),
        "{env}"
    );
}
