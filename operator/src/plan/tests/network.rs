//! Who may talk to whom.

use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::*;

#[test]
fn each_pod_is_selected_by_exactly_one_network_policy() {
    let app = chatapp("server:1");
    let plan = World::installed(&app).pass(&app);
    let policies: Vec<NetworkPolicy> = plan
        .children
        .iter()
        .filter(|child| child.kind() == "NetworkPolicy")
        .map(|child| serde_json::from_value(child.object.clone()).expect("a policy"))
        .collect();
    let selects = |policy: &NetworkPolicy, component: &str| {
        let selector = policy.spec.clone().and_then(|spec| spec.pod_selector);
        let selector = selector.expect("a selector");
        assert_eq!(
            selector.match_labels.expect("labels").get(APP_LABEL),
            Some(&"demo".to_owned())
        );
        let [expression] = selector
            .match_expressions
            .expect("one")
            .try_into()
            .expect("one");
        let is_listed = expression
            .values
            .expect("values")
            .contains(&component.to_owned());
        is_listed == (expression.operator == "In")
    };
    for component in [
        "server",
        "frontend",
        "database",
        "pooler",
        "migration",
        "whatever-comes",
    ] {
        let count = policies.iter().filter(|policy| selects(policy, component));
        assert_eq!(count.count(), 1, "{component}");
    }
    for policy in &policies {
        let types = policy.spec.clone().and_then(|spec| spec.policy_types);
        assert_eq!(types, Some(vec!["Ingress".to_owned(), "Egress".to_owned()]));
    }
}

#[test]
fn who_may_talk_to_the_servers_depends_on_the_route_and_where_they_may_talk_to_on_the_database() {
    let rules = |app: &ChatApp| {
        let plan = World::new().pass(app);
        let policy = child(&plan, "NetworkPolicy", "demo-server").expect("a policy");
        policy.object["spec"].clone()
    };
    let inside = rules(&chatapp("server:1"));
    assert!(inside["ingress"][0]["from"].is_array());
    assert!(inside["egress"][0]["to"].is_array());
    assert!(rules(&route::ingress_app())["ingress"][0]["from"].is_null());
    let external = with(
        &json!({"database": {"cluster": null, "external": {"urlSecretRef": {"name": "db", "key": "url"}}}}),
    );
    assert_eq!(rules(&external)["egress"], json!([{}]));
}
