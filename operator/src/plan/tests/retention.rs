//! Old messages are deleted by a release that works on the present schema.

use chatapp_crds::ConditionType::RetentionEnforced;

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

fn told(plan: &Plan) -> (&'static str, &str) {
    let reason = verdict(plan, RetentionEnforced).reason();
    (reason.reason, &reason.message)
}

impl World {
    /// As the CronJob controller: a Job that was started at this hour and has ended so.
    fn purged(&mut self, hour: u32, condition: Option<&str>) -> String {
        let name = format!("demo-purge-{hour}");
        let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-purge", "uid": "uid-of-demo-purge", "controller": true});
        let labels =
            json!({"sillychat.io/chatapp": "demo", "app.kubernetes.io/component": "retention"});
        let conditions: Vec<Value> = condition
            .iter()
            .map(|type_| json!({"type": type_, "status": "True"}))
            .collect();
        let job = json!({"metadata": {"name": name, "uid": format!("uid-of-{name}"), "labels": labels, "ownerReferences": [owner],
            "creationTimestamp": format!("2026-01-01T{hour:02}:00:00Z")}, "status": {"conditions": conditions}});
        self.observed.put(Kind::Job, job);
        name
    }
}

#[test]
fn a_purge_that_fails_is_told_until_one_succeeds_and_stops_nothing() {
    let app = with_retention("server:1");
    let mut world = World::new();
    assert_eq!(told(&world.pass(&app)).0, "WaitingForServer");
    world = World::installed(&app);
    let plan = world.pass(&app);
    assert_eq!(told(&plan).0, "RetentionScheduled");
    assert!(
        told(&plan)
            .1
            .contains("messages older than 90 days, every day at 0"),
        "{}",
        told(&plan).1
    );

    world.purged(1, Some("Complete"));
    let failed = world.purged(2, Some("Failed"));
    let ended = json!({"name": "purge", "image": "server:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "message": "no such column: sent_at"}}});
    world.pod(Component::Retention, Some(&failed), &ended);
    world.pods_end("Failed");
    // The next one hasn't ended yet.
    world.purged(3, None);
    let plan = world.pass(&app);
    let Verdict::Failed(reason) = verdict(&plan, RetentionEnforced) else {
        panic!("{:?}", told(&plan))
    };
    assert_eq!(reason.reason, "PurgeFailed");
    for told in [
        "Job demo-purge-2 has failed",
        "no such column: sent_at",
        "older than 90 days stay",
        "--from=cronjob/demo-purge",
    ] {
        assert!(reason.message.contains(told), "{told}: {}", reason.message);
    }
    assert!(
        plan.verdicts
            .iter()
            .all(|(type_, verdict)| *type_ == RetentionEnforced || verdict.is_done())
    );

    world.purged(3, Some("Complete"));
    assert_eq!(told(&world.pass(&app)).0, "RetentionScheduled");
}

/// What kept it from its start may be mended since: the next run takes its place.
#[test]
fn a_purge_that_can_not_start_or_end_is_told_and_keeps_no_later_one_away() {
    let app = with_retention("server:1");
    let mut world = World::installed(&app);
    let plan = world.pass(&app);
    let policy = cron_job(&plan).and_then(|object| object.pointer("/spec/concurrencyPolicy"));
    assert_eq!(policy, Some(&json!("Replace")));

    world.purged(1, Some("Complete"));
    let job = world.purged(2, None);
    world.pod(Component::Retention, Some(&job), &json!({"name": "purge", "image": "server:1", "imageID": "", "ready": false, "restartCount": 0}));
    let name = world.observed.pods_of(Component::Retention)[0].name_any();
    assert_eq!(told(&world.pass(&app)).0, "RetentionScheduled");
    world.object(Kind::Pod, &name)["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]);
    let plan = world.pass(&app);
    assert!(matches!(
        verdict(&plan, RetentionEnforced),
        Verdict::Failed(_)
    ));
    assert_eq!(told(&plan).0, "Unschedulable");
    let next = "stay until a run of CronJob demo-purge succeeds, the next at 0";
    let message = told(&plan).1;
    assert!(
        message.contains("0/3 nodes") && message.contains(next),
        "{message}"
    );

    let pod = world.object(Kind::Pod, &name);
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T02:30:00Z");
    pod["spec"] = json!({"nodeName": "worker-3", "containers": []});
    let plan = world.pass(&app);
    assert_eq!(told(&plan).0, "PurgeHeldUp");
    let message = told(&plan).1;
    for part in [
        job.as_str(),
        "if its node, worker-3, is gone for good",
        next,
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}
