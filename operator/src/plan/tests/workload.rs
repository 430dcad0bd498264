//! When a rollout is done, and what is in its way.

use super::*;

#[test]
fn an_old_pod_that_is_still_there_is_not_available_yet() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.object(Kind::Deployment, "demo-server")["status"]["replicas"] = json!(3);
    assert_eq!(
        verdict(&world.pass(&app), ServerAvailable).reason().reason,
        "RollingOut"
    );
}

#[test]
fn a_status_of_a_former_generation_does_not_count() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.object(Kind::Deployment, "demo-frontend")["metadata"]["generation"] = json!(9);
    assert_eq!(
        verdict(&world.pass(&app), FrontendAvailable)
            .reason()
            .reason,
        "RollingOut"
    );
}

#[test]
fn pods_that_kubernetes_refuses_to_create_are_told() {
    let (one, two) = (chatapp("server:1"), chatapp("server:2"));
    let mut world = World::installed(&one);
    world.pass(&two);
    world.pass(&two);
    world.job_ends("Complete");
    world.pass(&two);
    let server = world.object(Kind::Deployment, "demo-server");
    let generation = server["metadata"]["generation"].clone();
    let refused = json!({"observedGeneration": generation, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods=1"}]});
    server["status"] = refused;
    let plan = world.pass(&two);
    let Verdict::Failed(reason) = verdict(&plan, ServerAvailable) else {
        panic!("{:?}", verdict(&plan, ServerAvailable))
    };
    assert_eq!(reason.reason, "ReplicaFailure");
    assert!(reason.message.contains("exceeded quota"), "{reason:?}");
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
