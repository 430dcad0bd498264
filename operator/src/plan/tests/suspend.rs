//! An app that is stopped stops in order.

use super::*;

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
