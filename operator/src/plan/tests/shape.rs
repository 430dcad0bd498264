//! Scale, route, pool, suspension and network of an app.

use chatapp_crds::ConditionType::RouteReady;
use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::{fields::app_with, *};

/// The app of the other tests, with these fields of its spec.
fn with(fields: &Value) -> ChatApp {
    let mut spec = json!(chatapp("server:1").spec);
    for (name, value) in fields.as_object().expect("fields") {
        for (key, value) in value.as_object().into_iter().flatten() {
            spec[name][key] = value.clone();
        }
        if !value.is_object() {
            spec[name] = value.clone();
        }
    }
    app_with(spec)
}

fn replicas(plan: &Plan) -> Option<Value> {
    let server = child(plan, "Deployment", "demo-server")?;
    server.object.pointer("/spec/replicas").cloned()
}

fn child<'a>(plan: &'a Plan, kind: &str, name: &str) -> Option<&'a Child> {
    plan.children
        .iter()
        .find(|child| (child.kind(), child.name()) == (kind, name))
}

fn autoscaled() -> ChatApp {
    with(
        &json!({"server": {"replicas": null, "autoscaling": {"minReplicas": 3, "maxReplicas": 9}}}),
    )
}

#[test]
fn an_autoscaler_decides_how_many_servers_there_are() {
    let mut world = World::installed(&chatapp("server:1"));
    let app = autoscaled();
    let plan = world.pass(&app);
    assert_eq!(replicas(&plan), None, "the number that is there stays");
    let autoscaler = child_of_kind(&plan, "HorizontalPodAutoscaler");
    assert_eq!(
        autoscaler.object["spec"]["scaleTargetRef"]["name"],
        "demo-server"
    );
    // What it has found is no rollout, and neither is what comes on top.
    assert_eq!(
        verdict(&plan, ServerAvailable).reason().reason,
        "RollingOut"
    );
    world.object(Kind::Deployment, "demo-server")["spec"]["replicas"] = json!(3);
    world.rolls_out("demo-server");
    assert!(verdict(&world.pass(&app), ServerAvailable).is_done());
    world.object(Kind::Deployment, "demo-server")["spec"]["replicas"] = json!(8);
    let plan = world.pass(&app);
    assert!(verdict(&plan, ServerAvailable).is_done());
    assert_eq!((replicas(&plan), plan.replicas), (None, (3, 3, 8)));

    // One that can't measure is told.
    world.object(Kind::HorizontalPodAutoscaler, "demo-server")["status"] = json!({"desiredReplicas": 8, "conditions": [
        {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]});
    let plan = world.pass(&app);
    let told = verdict(&plan, ServerAvailable).reason().message.clone();
    assert!(told.contains("FailedGetResourceMetric"), "{told}");

    let plan = world.pass(&chatapp("server:1"));
    assert_eq!(replicas(&plan), Some(json!(2)));
    assert_eq!(
        deleted(&plan),
        [("HorizontalPodAutoscaler", "uid-of-demo-server")]
    );
}

#[test]
fn a_new_server_and_one_without_pods_begin_with_the_fewest() {
    let app = autoscaled();
    let mut world = World::installed(&app);
    world.object(Kind::Deployment, "demo-server")["spec"]["replicas"] = json!(0);
    assert_eq!(replicas(&world.pass(&app)), Some(json!(3)));
    assert_eq!(replicas(&world.pass(&app)), None);
}

#[test]
fn one_pod_has_no_disruption_budget() {
    let budgets = |app: &ChatApp| -> Vec<String> {
        let plan = World::installed(app).pass(app);
        let budgets = plan
            .children
            .iter()
            .filter(|child| child.kind() == "PodDisruptionBudget");
        budgets.map(|child| child.name().to_owned()).collect()
    };
    assert_eq!(budgets(&chatapp("server:1")), ["demo-server"]);
    assert_eq!(
        budgets(&with(&json!({"frontend": {"replicas": 2}}))),
        ["demo-server", "demo-frontend"]
    );
    assert_eq!(budgets(&autoscaled()), ["demo-server"]);
}

fn ingress_app() -> ChatApp {
    with(
        &json!({"route": {"host": "chat.example.org", "ingress": {"className": "nginx"}, "tls": {"issuerRef": {"kind": "ClusterIssuer", "name": "le"}}}}),
    )
}

#[test]
fn an_ingress_sends_the_api_to_the_servers_and_the_rest_to_the_page() {
    let app = ingress_app();
    let mut world = World::installed(&chatapp("server:1"));
    let plan = world.pass(&app);
    let ingress = child_of_kind(&plan, "Ingress");
    let paths = ingress.object["spec"]["rules"][0]["http"]["paths"].clone();
    let paths: Vec<_> = paths
        .as_array()
        .expect("paths")
        .iter()
        .map(|path| {
            (
                path["path"].as_str(),
                path["backend"]["service"]["name"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            (Some("/start_chat"), Some("demo-server")),
            (Some("/message"), Some("demo-server")),
            (Some("/transcript"), Some("demo-server")),
            (Some("/"), Some("demo-frontend")),
        ]
    );
    assert_eq!(
        ingress.object["metadata"]["annotations"]["cert-manager.io/cluster-issuer"],
        "le"
    );
    assert_eq!(ingress.object["spec"]["tls"][0]["secretName"], "demo-tls");
    assert_eq!(url(&app), "https://chat.example.org");

    assert_eq!(
        verdict(&world.pass(&app), RouteReady).reason().reason,
        "WaitingForIngressController"
    );
    world.object(Kind::Ingress, "demo")["status"] =
        json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    assert!(verdict(&world.pass(&app), RouteReady).is_done());

    let plan = world.pass(&chatapp("server:1"));
    assert_eq!(deleted(&plan), [("Ingress", "uid-of-demo")]);
    assert_eq!(url(&chatapp("server:1")), "http://demo-frontend.test.svc");
}

#[test]
fn a_gateway_has_to_accept_the_route() {
    let parent = json!({"name": "public", "namespace": "gateways", "sectionName": "https"});
    let app =
        with(&json!({"route": {"host": "chat.example.org", "gateway": {"parentRefs": [parent]}}}));
    assert_eq!(url(&app), "https://chat.example.org");
    let mut world = World::installed(&chatapp("server:1"));
    let mut unknown = World::installed(&chatapp("server:1"));
    unknown.observed.set_unknown(Kind::HTTPRoute);
    let plan = unknown.pass(&app);
    assert_eq!(
        verdict(&plan, RouteReady).reason().reason,
        "GatewayAPIMissing"
    );
    assert!(child(&plan, "HTTPRoute", "demo").is_none());

    world.pass(&app);
    let reason = |world: &mut World| verdict(&world.pass(&app), RouteReady).reason().reason;
    assert_eq!(reason(&mut world), "WaitingForGateway");
    let condition = |type_: &str, status: &str, generation: u32| json!({"type": type_, "status": status, "observedGeneration": generation, "reason": "R", "message": "m"});
    let mut report = |parent: Value, conditions: Value| {
        world.object(Kind::HTTPRoute, "demo")["status"] =
            json!({"parents": [{"parentRef": parent, "conditions": conditions}]});
        reason(&mut world)
    };
    let good = || {
        json!([
            condition("Accepted", "True", 1),
            condition("ResolvedRefs", "True", 1)
        ])
    };
    let other = json!({"name": "public", "sectionName": "https"});
    assert_eq!(report(other, good()), "WaitingForGateway");
    let former = json!([
        condition("Accepted", "True", 0),
        condition("ResolvedRefs", "True", 1)
    ]);
    assert_eq!(report(parent.clone(), former), "WaitingForGateway");
    let refused = json!([condition("Accepted", "False", 1)]);
    assert_eq!(report(parent.clone(), refused), "HTTPRouteRefused");
    assert_eq!(report(parent, good()), "HTTPRouteReady");
}

fn server_pod(world: &mut World) {
    let server = world.server().expect("the server");
    let template = json!(server.spec.expect("a spec").template);
    let pod = json!({"metadata": {"name": "demo-server-1", "labels": {"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "server"}},
        "spec": template["spec"], "status": {"phase": "Running"}});
    world.observed.put(Kind::Pod, pod);
}

#[test]
fn servers_connect_through_the_pool_and_jobs_do_not() {
    let app = with(
        &json!({"database": {"cluster": {"instances": 2, "image": "postgres:15", "storage": {"size": "1Gi"}, "pooler": {}}}}),
    );
    let mut world = World::new();
    let hosts = |plan: &Plan| -> Vec<String> {
        let children = plan.children.iter();
        children
            .filter(|child| child.object.to_string().contains("DATABASE_HOST"))
            .map(|child| child.name().to_owned())
            .collect()
    };
    world.pass(&app);
    world.database_is_ready();
    world.pass(&app);
    world.jobs_end(&app);
    let plan = world.pass(&app);
    assert_eq!(hosts(&plan), ["demo-server"]);
    let pooler = child(&plan, "Pooler", "demo-pooler").expect("the Pooler");
    assert_eq!(
        pooler.object["spec"]["pgbouncer"]["poolMode"],
        "transaction"
    );
    assert_eq!(
        verdict(&plan, DatabaseReady).reason().reason,
        "PoolerNotReady"
    );

    for name in ["one", "two"] {
        let labels =
            json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "pooler"});
        world.observed.put(
            Kind::Pod,
            json!({"metadata": {"name": name, "labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        );
    }
    assert!(verdict(&world.pass(&app), DatabaseReady).is_done());

    // It stays until the last server that uses it has gone.
    server_pod(&mut world);
    let without = chatapp("server:1");
    assert_eq!(
        deleted(&world.pass(&without)),
        [("PodDisruptionBudget", "uid-of-demo-pooler")]
    );
    world.observed.remove(Kind::Pod, "demo-server-1");
    assert_eq!(
        deleted(&world.pass(&without)),
        [("Pooler", "uid-of-demo-pooler")]
    );
}

#[test]
fn a_suspended_app_stops_its_pods_then_its_database_and_comes_back() {
    let one = chatapp("server:1");
    let mut world = World::installed(&one);
    server_pod(&mut world);
    let app = with(&json!({"suspend": true}));
    let plan = world.pass(&app);
    assert_eq!(replicas(&plan), Some(json!(0)));
    assert_eq!(
        verdict(&plan, ServerAvailable).reason().reason,
        "Suspending"
    );
    let hibernates = |plan: &Plan| {
        let cluster = child_of_kind(plan, "Cluster").object["metadata"]["annotations"].clone();
        // Without this one it would be a former ChatApp's.
        assert_eq!(cluster["sillychat.io/owner-uid"], "app-uid");
        cluster["cnpg.io/hibernation"] == "on"
    };
    assert!(!hibernates(&plan), "servers finish what they do");

    world.observed.remove(Kind::Pod, "demo-server-1");
    assert!(
        !hibernates(&world.pass(&app)),
        "the Deployment still has some"
    );
    world.rolls_out("demo-server");
    let plan = world.pass(&app);
    assert!(hibernates(&plan));
    assert_eq!(verdict(&plan, DatabaseReady).reason().reason, "Suspending");
    world.cluster()["status"]["conditions"] =
        json!([{"type": "cnpg.io/hibernation", "status": "True"}]);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated+ ContentLoaded+ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(verdict(&plan, DatabaseReady).reason().reason, SUSPENDED);

    // A new image waits for the end of it.
    let mut two = app.clone();
    two.spec.server.image = "server:2".to_owned();
    world.pass(&two);
    assert!(!kinds(&world.pass(&two)).contains(&"Job/demo".to_owned()));

    let plan = world.pass(&one);
    assert!(!hibernates(&plan));
    assert_eq!(replicas(&plan), Some(json!(2)));
    assert_eq!(
        verdict(&plan, DatabaseReady).reason().reason,
        "ClusterHibernated"
    );
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
fn a_database_larger_than_wanted_stays_as_it_is_and_keeps_its_pool() {
    let mut world = World::installed(&chatapp("server:1"));
    world.cluster()["spec"]["storage"]["size"] = json!("2Gi");
    for suspend in [false, true] {
        let app = with(
            &json!({"suspend": suspend, "database": {"cluster": {"instances": 2, "image": "postgres:15",
                "storage": {"size": "1Gi"}, "pooler": {}}}}),
        );
        let plan = world.pass(&app);
        let reason = verdict(&plan, DatabaseReady).reason().reason;
        assert_eq!(reason, "StorageWouldShrink");
        assert!(child(&plan, "Cluster", "demo-db").is_none());
        assert!(child(&plan, "Pooler", "demo-pooler").is_some());
    }
}

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
    assert!(rules(&ingress_app())["ingress"][0]["from"].is_null());
    let external = with(
        &json!({"database": {"cluster": null, "external": {"urlSecretRef": {"name": "db", "key": "url"}}}}),
    );
    assert_eq!(rules(&external)["egress"], json!([{}]));
}

#[test]
fn a_spread_without_a_selector_is_about_the_pods_of_its_part() {
    let constraint =
        json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
    let app = with(&json!({"scheduling": {"topologySpreadConstraints": [constraint]}}));
    let plan = World::installed(&app).pass(&app);
    let selector = |pointer: &str, child: &Child| {
        let labels = child.object.pointer(pointer).expect("a selector").clone();
        labels["app.kubernetes.io/component"].clone()
    };
    let server = child(&plan, "Deployment", "demo-server").expect("the server");
    let path = "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels";
    assert_eq!(selector(path, server), "server");
    let cluster = child_of_kind(&plan, "Cluster");
    let path = "/spec/topologySpreadConstraints/0/labelSelector/matchLabels";
    assert_eq!(selector(path, cluster), "database");
}
