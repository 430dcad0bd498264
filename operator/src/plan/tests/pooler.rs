//! The connection pool is the servers' alone.

use super::*;

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

/// There are no pods yet that would tell.
#[test]
fn a_version_that_is_held_back_has_its_pool_when_it_is_woken_up() {
    let cluster = json!({"instances": 2, "image": "postgres:15", "storage": {"size": "1Gi"}, "pooler": {"instances": 3, "mode": "session"}});
    let app = with(&json!({"database": {"cluster": cluster}}));
    let mut world = World::new();
    world.settle(&app);
    let mut stopped = app.clone();
    stopped.spec.suspend = true;
    world.settle(&stopped);
    assert_eq!(
        world.object(Kind::Pooler, "demo-pooler")["spec"]["instances"],
        0
    );

    // In one edit: it goes on, without a pool, with an image whose migration fails.
    let two = chatapp("server:2");
    world.pass(&two);
    world.controllers_act();
    world.pass(&two);
    world.job_ends("Failed");
    let plan = world.pass(&two);
    let server = child(&plan, "Deployment", "demo-server").expect("the former version");
    assert!(server.object.to_string().contains("demo-pooler"));
    assert_eq!(server.object["spec"]["replicas"], 2);
    let pooler = child(&plan, "Pooler", "demo-pooler").expect("its pool");
    assert_eq!(pooler.object["spec"]["pgbouncer"]["poolMode"], "session");
    assert!(
        pooler.object["spec"]["instances"].as_i64() > Some(0),
        "{pooler:?}"
    );
    assert!(child(&plan, "PodDisruptionBudget", "demo-pooler").is_some());

    // It goes with the last template that needs it.
    world.settle(&chatapp("server:1"));
    assert!(world.observed.value(Kind::Pooler, "demo-pooler").is_none());
}
