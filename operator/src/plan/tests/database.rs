//! The database: one of ours, in trouble or not, and one of somebody else's.

use super::*;

#[test]
fn without_cloudnative_pg_it_waits_and_says_so() {
    let mut world = World::new();
    world.observed.set_unknown(Kind::Cluster);
    let plan = world.pass(&chatapp("server:1"));
    assert_eq!(
        verdict(&plan, DatabaseReady).reason().reason,
        "CloudNativePGMissing"
    );
    assert!(!kinds(&plan).iter().any(|kind| kind.starts_with("Cluster")));
}

#[test]
fn an_external_database_needs_no_cloudnative_pg() {
    let mut app = chatapp("server:1");
    app.spec.database = serde_json::from_value(
        json!({"external": {"urlSecretRef": {"name": "db", "key": "address"}}}),
    )
    .expect("a database");
    let mut world = World::new();
    world.observed.set_unknown(Kind::Cluster);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady+ Migrated~ ContentLoaded~ ServerAvailable~ FrontendAvailable~ RouteReady+"
    );
    let job = child_of_kind(&plan, "Job");
    assert_eq!(
        job.object
            .pointer("/spec/template/spec/volumes/0/secret/secretName"),
        Some(&json!("db"))
    );
    assert_eq!(
        job.object
            .pointer("/spec/template/spec/volumes/0/secret/items/0"),
        Some(&json!({"key": "address", "path": "url"}))
    );
}

#[test]
fn a_database_in_trouble_is_told_and_stops_nothing_that_runs() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    world.cluster()["status"]["readyInstances"] = json!(1);
    let plan = world.pass(&app);
    assert_eq!(
        states(&plan),
        "DatabaseReady~ Migrated+ ContentLoaded+ ServerAvailable+ FrontendAvailable+ RouteReady+"
    );
    assert!(
        verdict(&plan, DatabaseReady)
            .reason()
            .message
            .contains("1/2 instances ready")
    );
}

#[test]
fn a_database_larger_than_wanted_keeps_its_size_and_its_pool() {
    let mut world = World::installed(&chatapp("server:1"));
    world.cluster()["spec"]["storage"]["size"] = json!("2Gi");
    for (suspend, policy, owners) in [(false, "Delete", 1), (true, "Retain", 0)] {
        let app = with(
            &json!({"suspend": suspend, "database": {"deletionPolicy": policy, "cluster": {"instances": 2,
                "image": "postgres:15", "storage": {"size": "1Gi"}, "pooler": {}}}}),
        );
        let plan = world.pass(&app);
        let reason = verdict(&plan, DatabaseReady).reason();
        assert_eq!(reason.reason, "StorageWouldShrink");
        assert!(reason.message.contains("write 2Gi"), "{reason:?}");
        let cluster = &child_of_kind(&plan, "Cluster").object;
        assert_eq!(cluster["spec"]["storage"]["size"], "2Gi");
        let found = cluster["metadata"]["ownerReferences"].as_array();
        assert_eq!(found.map_or(0, Vec::len), owners, "{policy}");
        assert!(child(&plan, "Pooler", "demo-pooler").is_some());
    }

    // One that was left behind is only taken over as it is wanted.
    world.cluster()["metadata"]["labels"][chatapp_crds::RETAINED_LABEL] = json!("true");
    let plan = world.pass(&chatapp("server:1"));
    let reason = verdict(&plan, DatabaseReady).reason().reason;
    assert_eq!(reason, "StorageWouldShrink");
    assert!(child(&plan, "Cluster", "demo-db").is_none());
}

#[test]
fn a_message_is_on_a_standby_where_there_is_one() {
    for (instances, durability) in [(1, None), (2, Some("preferred")), (3, Some("required"))] {
        let mut app = chatapp("server:1");
        if let Some(cluster) = &mut app.spec.database.cluster {
            cluster.instances = instances;
        }
        let plan = World::new().pass(&app);
        let cluster = plan.children.iter().find(|child| child.kind() == "Cluster");
        let object = &cluster.expect("a Cluster").object;
        let pointer = "/spec/postgresql/synchronous/dataDurability";
        assert_eq!(object.pointer(pointer).and_then(Value::as_str), durability);
    }
}

/// A pod of the database that waits for an image.
fn waiting_for_image(role: (&str, &str), image: &str) -> Value {
    json!({"metadata": {"name": "demo-db-2", "uid": "pod-uid",
            "labels": {"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "database", role.0: role.1}},
        "spec": {"containers": [{"name": "postgres", "image": image}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "postgres", "image": image, "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}]}})
}

#[test]
fn a_database_that_was_never_made_is_made_anew_with_the_corrected_image() {
    let app = chatapp("server:1");
    let mut world = World::new();
    world.pass(&app);
    let initdb = |image| waiting_for_image(("cnpg.io/jobRole", "initdb"), image);
    world.cluster()["status"] = json!({"phase": "Setting up primary", "image": "postgres:15"});

    // The image is the wanted one: it may yet come.
    world.observed.put(Kind::Pod, initdb("postgres:15"));
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.put(Kind::Pod, initdb("postgres:51"));
    assert_eq!(deleted(&world.pass(&app)), [("Cluster", "cluster-uid")]);

    // One that has had a primary holds messages.
    world.database_is_ready();
    assert_eq!(deleted(&world.pass(&app)), []);
}

#[test]
fn an_instance_that_waits_for_an_image_of_a_former_spec_goes() {
    let app = chatapp("server:1");
    let mut world = World::installed(&app);
    let instance = |image| waiting_for_image(("cnpg.io/podRole", "instance"), image);
    world.observed.put(Kind::Pod, instance("postgres:15"));
    assert_eq!(deleted(&world.pass(&app)), []);
    world.observed.put(Kind::Pod, instance("postgres:51"));
    assert_eq!(deleted(&world.pass(&app)), [("Pod", "pod-uid")]);
}
