//! What an upgrade is going to do is told before it is done, and one that this database can't have changes nothing.

use super::*;

impl World {
    /// The pod of the migration says this in its dry run, and ends so.
    fn dry_run(&mut self, code: i32, told: &Value) {
        let job = self.job();
        let migrate = waiting_container("PodInitializing", "");
        self.pod(Component::Migration, Some(&job), &migrate);
        let plan = json!([{"name": "plan", "image": "server:2", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "message": told.to_string()}}}]);
        let last = self.observed.found(Kind::Pod).count() - 1;
        let pod = self.object(Kind::Pod, &format!("pod-{last}"));
        pod["status"]["initContainerStatuses"] = plan;
    }
}

#[test]
fn the_migrations_of_an_upgrade_are_known_before_they_run() {
    let mut world = World::installed(&chatapp("server:1"));
    let two = chatapp("server:2");
    world.pass(&two);
    let plan = world.pass(&two);
    assert_eq!(plan.migration.migrations, None);
    let told =
        json!({"message": "would apply 6 more", "migrations": ["6 more"], "schemaVersion": 6});
    world.dry_run(0, &told);
    let plan = world.pass(&two);
    assert_eq!(plan.migration.migrations, Some(vec!["6 more".to_owned()]));
    assert_eq!(plan.migration.schema_version, None, "not before it is done");
}

#[test]
fn a_release_that_the_schema_leaves_out_is_refused_with_the_way_out() {
    let mut world = World::installed(&chatapp("server:2"));
    let mut one = chatapp("server:1");
    one.status = Some(chatapp_crds::ChatAppStatus {
        image: Some("server:2".to_owned()),
        ..chatapp_crds::ChatAppStatus::default()
    });
    world.pass(&one);
    world.pass(&one);
    world.dry_run(
        5,
        &json!({"message": "the schema is that of a newer release and needs chat-server 0.9.0 or later"}),
    );
    world.pods_end("Failed");
    world.job_ends("Failed");
    let plan = world.pass(&one);
    let Verdict::Failed(reason) = verdict(&plan, Migrated) else {
        panic!("{:?}", verdict(&plan, Migrated))
    };
    assert_eq!(reason.reason, "MigrationRefused");
    for told in [
        "needs chat-server 0.9.0 or later",
        "nothing was changed; the former version serves on: go back: spec.server.image: server:2",
    ] {
        assert!(reason.message.contains(told), "{told}: {}", reason.message);
    }
    assert_eq!(world.server_image().as_deref(), Some("server:2"));
    // Of an app that has never served.
    one.status = None;
    let told = verdict(&world.pass(&one), Migrated)
        .reason()
        .message
        .clone();
    assert!(
        told.ends_with("; nothing was changed: write an image of that release or a later one to spec.server.image"),
        "{told}"
    );
    world.upgrade_succeeds(&chatapp("server:2"));
}
