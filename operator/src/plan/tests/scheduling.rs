//! Where pods may run.

use super::*;

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

#[test]
fn pods_that_kubernetes_has_given_more_tolerations_tell_their_trouble() {
    let app =
        with(&json!({"scheduling": {"tolerations": [{"key": "spot", "operator": "Exists"}]}}));
    let mut world = World::installed(&app);
    let mut two = app;
    two.spec.server.image = "server:2".to_owned();
    world.jobs_end(&two);
    server_pod(&mut world);
    let pod = world.object(Kind::Pod, "demo-server-1");
    let tolerations = pod["spec"]["tolerations"].as_array_mut().expect("a list");
    tolerations.push(json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
    pod["status"]["containerStatuses"] = json!([waiting_container(
        "ImagePullBackOff",
        "Back-off pulling image"
    )]);
    let plan = world.pass(&two);
    assert_eq!(
        verdict(&plan, ServerAvailable).reason().reason,
        "ImagePullBackOff"
    );
}
