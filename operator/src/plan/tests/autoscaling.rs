//! An autoscaler decides alone how many servers there are.

use super::*;

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
