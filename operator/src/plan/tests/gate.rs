//! Each step waits for the one before, and what ran goes on.

use super::*;

#[test]
fn each_step_waits_for_the_one_before() {
    let app = chatapp("server:1");
    let mut world = World::new();
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan),
        [
            "ServiceAccount/demo-pods",
            "Service/demo-server",
            "Service/demo-frontend",
            "NetworkPolicy/demo-frontend",
            "NetworkPolicy/demo-server",
            "NetworkPolicy/demo-jobs",
            "NetworkPolicy/demo-db",
            "Cluster/demo-db"
        ]
    );

    world.database_is_ready();
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan).last().map(String::as_str),
        Some("Job/demo-migrate")
    );
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );

    world.job_ends("Complete");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan)[kinds(&plan).len() - 2..],
        ["ConfigMap/demo-content", "Job/demo-content"]
    );

    world.job_ends("Complete");
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    assert_eq!(
        kinds(&plan)[kinds(&plan).len() - 2..],
        ["PodDisruptionBudget/demo-server", "Deployment/demo-server"]
    );

    world.rolls_out("demo-server");
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable~ RouteReady+"
    );
    world.rolls_out("demo-frontend");
    assert_eq!(
        states(&world.pass(&app)),
        "DatabaseReady+ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
}

#[test]
fn while_the_gate_is_closed_the_former_version_is_scaled_and_repaired() {
    let mut world = World::installed(&chatapp("server:1"));
    let mut two = chatapp("server:2");
    two.spec.server.replicas = Some(5);
    let plan = world.pass(&two);
    let server = plan
        .children
        .iter()
        .find(|child| child.name() == "demo-server" && child.kind() == "Deployment")
        .expect("the Deployment");
    assert_eq!(server.object.pointer("/spec/replicas"), Some(&json!(5)));
    assert_eq!(
        server
            .object
            .pointer("/spec/template/spec/containers/0/image"),
        Some(&json!("server:1"))
    );
}

#[test]
fn while_the_gate_is_closed_nothing_that_serves_is_pruned() {
    let mut world = World::installed(&chatapp("server:1"));
    // Somebody has removed what the former version would be applied from.
    for name in ["demo-server", "demo-frontend"] {
        world.object(Kind::Deployment, name)["metadata"]["annotations"] = json!({});
    }
    let plan = world.pass(&chatapp("server:2"));
    assert!(
        !kinds(&plan)
            .iter()
            .any(|kind| kind.starts_with("Deployment"))
    );
    let mut deleted = deleted(&plan);
    deleted.retain(|(kind, _)| *kind != "Job");
    assert_eq!(deleted, []);
}
