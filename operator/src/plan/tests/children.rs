//! What there is of an app.

use super::*;

#[test]
fn the_children_of_an_app() {
    let world = World::installed(&chatapp("server:1"));
    let objects: Vec<&Value> = world.wanted.iter().map(|child| &child.object).collect();
    // Sorted: whether serde_json keeps the order depends on what else is built in the workspace.
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_yaml_snapshot!(objects);
    });
}

#[test]
fn nothing_of_the_apps_own_labels_and_annotations_reaches_a_child() {
    let app = chatapp("server:1");
    let plan = World::installed(&app).pass(&app);
    for child in &plan.children {
        let text = child.object.to_string();
        assert!(!text.contains("argocd") && !text.contains("team"), "{text}");
    }
}

#[test]
fn what_apps_with_close_names_consist_of_never_meets() {
    let mut seen = std::collections::BTreeSet::new();
    for suffix in [
        "",
        "-db",
        "-server",
        "-frontend",
        "-pooler",
        "-jobs",
        "-pods",
        "-purge",
        "-tls",
    ] {
        let mut app = with(
            &json!({"route": {"host": "demo.example.org", "ingress": {}}, "server": {"image": "server:1",
                "autoscaling": {"maxReplicas": 9}}, "database": {"cluster": {"storage": {"size": "1Gi"}, "pooler": {}}}}),
        );
        let name = format!("demo{suffix}");
        app.metadata.name = Some(name.clone());
        let plan = plan(&app, &Observed::of(&app));
        let ours = plan
            .children
            .iter()
            .map(|child| format!("{}/{}", child.kind(), child.name()));
        // What CloudNativePG makes of them.
        let theirs = [
            format!("ServiceAccount/{name}-db"),
            format!("ServiceAccount/{name}-pooler"),
            format!("Service/{name}-db-rw"),
            format!("Service/{name}-pooler"),
            format!("PodDisruptionBudget/{name}-db"),
        ];
        for child in ours.chain(theirs) {
            assert!(seen.insert(child.clone()), "{child} of two");
        }
    }
    assert!(seen.contains("NetworkPolicy/demo-db-db"), "{seen:?}");
}

#[test]
fn what_no_plan_wants_any_more_is_pruned() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let mut left = child_of_kind(&world.pass(&app), "Service").object.clone();
    left["metadata"]["name"] = json!("demo-of-a-former-operator");
    left["metadata"]["uid"] = json!("left-uid");
    world.observed.put(Kind::Service, left);
    assert_eq!(deleted(&world.pass(&app)), [("Service", "left-uid")]);
    assert_eq!(deleted(&world.pass(&app)), []);
}

#[test]
fn an_account_of_a_former_operator_stays_until_its_last_pod_has_gone() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let mut account = child(&world.pass(&app), "ServiceAccount", "demo-pods")
        .expect("the account")
        .object
        .clone();
    account["metadata"]["name"] = json!("demo");
    account["metadata"]["uid"] = json!("former");
    world.observed.put(Kind::ServiceAccount, account);
    server_pod(&mut world);
    let pod = world.object(Kind::Pod, "demo-server-1");
    pod["spec"]["serviceAccountName"] = json!("demo");
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.remove(Kind::Pod, "demo-server-1");
    assert_eq!(deleted(&world.pass(&app)), [("ServiceAccount", "former")]);
}
