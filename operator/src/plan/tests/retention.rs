//! Old messages are deleted by a release that works on the present schema.

use super::*;

fn with_retention(image: &str) -> ChatApp {
    let mut app = chatapp(image);
    app.spec.retention = serde_json::from_value(json!({"days": 90})).ok();
    app
}

fn cron_job(plan: &Plan) -> Option<&Value> {
    let child = plan
        .children
        .iter()
        .find(|child| child.kind() == "CronJob")?;
    Some(&child.object)
}

#[test]
fn the_cron_job_of_a_retention() {
    let app = with_retention("server:1");
    let plan = World::installed(&app).pass(&app);
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_yaml_snapshot!(cron_job(&plan));
    });
    let mut suspended = app;
    suspended.spec.suspend = true;
    let plan = World::installed(&with_retention("server:1")).pass(&suspended);
    let suspend = cron_job(&plan).and_then(|object| object.pointer("/spec/suspend"));
    assert_eq!(suspend, Some(&json!(true)), "the database sleeps");
    let without = chatapp("server:1");
    assert_eq!(cron_job(&World::installed(&without).pass(&without)), None);
}

#[test]
fn it_waits_for_the_schema_and_keeps_the_former_image_until_the_new_one_is_let_through() {
    let mut world = World::new();
    assert_eq!(cron_job(&world.pass(&with_retention("server:1"))), None);
    let mut world = World::installed(&with_retention("server:1"));
    let plan = world.pass(&with_retention("server:2"));
    let image = "/spec/jobTemplate/spec/template/spec/containers/0/image";
    let image = cron_job(&plan).and_then(|object| object.pointer(image));
    assert_eq!(image, Some(&json!("server:1")));
}
