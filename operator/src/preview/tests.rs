use serde_json::json;

use super::{difference::differences, rehearsal::rehearse, stream::stream, *};

struct World(Observed);

impl Present for World {
    fn present(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.0.value(kind, name)
    }
}

/// Somebody else's Service.
struct Foreign(Value);

impl Present for Foreign {
    fn present(&self, kind: Kind, name: &str) -> Option<&Value> {
        (kind == Kind::Service && name == "demo-server").then_some(&self.0)
    }
}

fn app(spec: &Value) -> ChatApp {
    let object = json!({
        "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
        "metadata": {"name": "demo", "namespace": "dev", "uid": stream::UNKNOWN_UID, "generation": 1}, "spec": spec,
    });
    offline::check(&object, None).expect("a ChatApp")
}

fn spec() -> Value {
    json!({
        "server": {"image": "server:1"},
        "frontend": {"image": "page:1"},
        "database": {"cluster": {"storage": {"size": "1Gi"}}},
    })
}

fn full() -> Value {
    let mut spec = spec();
    spec["server"]["autoscaling"] = json!({"maxReplicas": 4});
    spec["database"]["cluster"]["pooler"] = json!({});
    spec["content"] = json!({"configMapRef": {"name": "words"}});
    spec["import"] = json!({"sqlite": {"configMapRef": {"name": "old", "key": "chat.db"}}});
    spec["retention"] = json!({"days": 365});
    spec["route"] = json!({"host": "chat.example.org", "ingress": {}});
    spec
}

/// The world after all has gone well.
fn world(app: &ChatApp) -> Observed {
    let mut observed = Observed::of(app);
    observed.content = Some(unknown_content("words"));
    rehearse(app, &mut observed);
    observed
}

/// The stream's comments.
fn outline(app: &ChatApp) -> String {
    let mut observed = Observed::of(app);
    observed.content = Some(unknown_content("words"));
    let rehearsal = rehearse(app, &mut observed);
    let text = stream(app, &rehearsal).expect("YAML");
    let comments: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    comments.join("\n")
}

/// What a change of the spec does to a world in which all has gone well.
fn change(before: &Value, after: &Value) -> String {
    let observed = world(&app(before));
    let app = app(after);
    let rehearsal = rehearse(&app, &mut observed.clone());
    assert!(rehearsal.stuck.is_none(), "{:?}", rehearsal.stuck);
    differences(&rehearsal, &Owner::of(&app), &World(observed)).expect("YAML")
}

#[test]
fn each_object_comes_at_its_step_of_the_gate() {
    insta::assert_snapshot!(outline(&app(&full())));
}

#[test]
fn objects_are_whole_and_without_notes() {
    let mut spec = spec();
    spec["database"] = json!({"external": {"urlSecretRef": {"name": "database", "key": "url"}}});
    spec["server"]["replicas"] = json!(1);
    spec["frontend"]["replicas"] = json!(1);
    let app = app(&spec);
    let rehearsal = rehearse(&app, &mut Observed::of(&app));
    insta::assert_snapshot!(stream(&app, &rehearsal).expect("YAML"));
}

#[test]
fn what_goes_no_further_is_told() {
    let mut spec = spec();
    spec["suspend"] = json!(true);
    insta::assert_snapshot!(outline(&app(&spec)));
}

#[test]
fn nothing_changes_where_all_is_as_wanted() {
    assert_eq!(change(&full(), &full()), "");
    assert_eq!(change(&spec(), &spec()), "");
}

#[test]
fn an_upgrade_is_a_migration_and_then_a_rollout() {
    let mut after = full();
    after["server"]["image"] = json!("server:2");
    insta::assert_snapshot!(change(&full(), &after));
}

#[test]
fn what_is_taken_out_of_the_spec_goes() {
    let mut after = full();
    for field in ["route", "retention"] {
        after.as_object_mut().expect("a spec").remove(field);
    }
    let changes = change(&full(), &after);
    let comments: Vec<&str> = changes
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    assert_eq!(
        comments,
        [
            "# CronJob demo-purge goes",
            "# Ingress demo goes",
            "# NetworkPolicy demo-server changes at once",
        ]
    );
}

#[test]
fn what_belongs_to_somebody_else_stays() {
    let app = app(&spec());
    let rehearsal = rehearse(&app, &mut Observed::of(&app));
    let foreign = Foreign(json!({"metadata": {"name": "demo-server"}}));
    let text = differences(&rehearsal, &Owner::of(&app), &foreign).expect("YAML");
    assert!(
        text.contains("# Service demo-server exists already and does not belong to the ChatApp"),
        "{text}"
    );
}
