//! From the plan's verdicts to `status`: conditions, phase and counts. Times move only when a condition's status changes, so that
//! a status at rest is the same value, and nothing is written.

use chatapp_crds::{ChatApp, ChatAppStatus, ConditionType, Phase, Upgrade};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::plan::{self, Plan, Reason, Verdict};

/// The status to report for `app` after a pass with `plan` at `now`.
pub(crate) fn status(app: &ChatApp, plan: &Plan, now: Timestamp) -> ChatAppStatus {
    let former = app.status.clone().unwrap_or_default();
    let ready = sum_up(&plan.verdicts);
    let (replicas, ready_replicas, wanted) = plan.replicas;
    let serves = plan
        .verdicts
        .iter()
        .any(|(type_, verdict)| *type_ == ConditionType::ServerAvailable && verdict.is_done());
    let conditions = plan
        .verdicts
        .iter()
        .map(|(type_, verdict)| (*type_, verdict))
        .chain([(ConditionType::Ready, &ready)])
        .map(|(type_, verdict)| condition(app, &former.conditions, type_, verdict, now))
        .collect();
    ChatAppStatus {
        upgrade: upgrade(app, &former, plan).filter(|_| !serves),
        schema_version: plan.migration.schema_version.or(former.schema_version),
        import: plan.import,
        observed_generation: app.metadata.generation,
        phase: Some(match ready {
            Verdict::Done(_) => Phase::Ready,
            Verdict::Waiting(ref reason) if reason.reason == plan::SUSPENDED => Phase::Suspended,
            Verdict::Waiting(_) => Phase::Progressing,
            Verdict::Failed(_) => Phase::Degraded,
        }),
        url: Some(plan::url(app)),
        image: if serves {
            Some(app.spec.server.image.clone())
        } else {
            former.image
        },
        selector: Some(plan.selector.clone()),
        replicas,
        ready_replicas,
        ready: Some(format!("{ready_replicas}/{wanted}")),
        conditions,
    }
}

/// The status of a ChatApp that is being deleted and has to wait: what was known of its parts, and what it waits for.
pub(crate) fn deleting(app: &ChatApp, message: String, now: Timestamp) -> ChatAppStatus {
    let mut status = app.status.clone().unwrap_or_default();
    let verdict = Verdict::waiting("Deleting", message);
    let ready = condition(app, &status.conditions, ConditionType::Ready, &verdict, now);
    status
        .conditions
        .retain(|condition| condition.type_ != ready.type_);
    status.conditions.push(ready);
    ChatAppStatus {
        observed_generation: app.metadata.generation,
        phase: Some(Phase::Progressing),
        ..status
    }
}

/// From the image that serves to the one that the spec wants. What it runs on the way isn't forgotten when its pod is gone.
fn upgrade(app: &ChatApp, former: &ChatAppStatus, plan: &Plan) -> Option<Upgrade> {
    let from = former.image.clone()?;
    let to = app.spec.server.image.clone();
    let known = former
        .upgrade
        .as_ref()
        .filter(|upgrade| upgrade.to == to)
        .and_then(|upgrade| upgrade.migrations.clone());
    (from != to).then(|| Upgrade {
        from,
        to,
        migrations: plan.migration.migrations.clone().or(known),
    })
}

/// `Ready` says what is in the way: what has failed before what is waited for, and the earlier step before the later.
fn sum_up(verdicts: &[(ConditionType, Verdict)]) -> Verdict {
    let needed = || verdicts.iter().filter(|(type_, _)| type_.is_needed());
    let failed = needed().find(|(_, verdict)| matches!(verdict, Verdict::Failed(_)));
    let blocking = failed.or_else(|| needed().find(|(_, verdict)| !verdict.is_done()));
    blocking.map_or_else(
        || Verdict::done("Available", "the chat is served"),
        |(_, verdict)| verdict.clone(),
    )
}

fn condition(
    app: &ChatApp,
    former: &[Condition],
    type_: ConditionType,
    verdict: &Verdict,
    now: Timestamp,
) -> Condition {
    let status = if verdict.is_done() { "True" } else { "False" };
    let Reason { reason, message } = verdict.reason();
    let since = former
        .iter()
        .find(|condition| condition.type_ == type_.as_str() && condition.status == status);
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: (*reason).to_owned(),
        message: message.clone(),
        observed_generation: app.metadata.generation,
        last_transition_time: since.map_or(Time(now), |condition| {
            condition.last_transition_time.clone()
        }),
    }
}

/// Whether `present` only says how far something has come that was under way before, or has just begun. What an upgrade is going to
/// do is more than that: it is to be read before it is done.
pub(crate) fn is_under_way(former: Option<&ChatAppStatus>, present: &ChatAppStatus) -> bool {
    let was_under_way = former
        .and_then(|former| former.phase)
        .is_none_or(|phase| phase == Phase::Progressing);
    let upgrade = present.upgrade.as_ref();
    let is_known = former.and_then(|former| former.upgrade.as_ref()) == upgrade;
    was_under_way && present.phase == Some(Phase::Progressing) && (upgrade.is_none() || is_known)
}

/// The conditions that are worth an event: those whose status has changed, and while a human is needed those whose reason has. The
/// steps of a rollout that goes well are told by the messages. That a new ChatApp isn't ready yet goes without saying.
pub(crate) fn transitions<'a>(
    former: Option<&'a ChatAppStatus>,
    present: &'a ChatAppStatus,
) -> impl Iterator<Item = &'a Condition> {
    let needs_help = present.phase == Some(Phase::Degraded);
    present.conditions.iter().filter(move |condition| {
        let before = former.and_then(|former| {
            former
                .conditions
                .iter()
                .find(|before| before.type_ == condition.type_)
        });
        match before {
            None => match condition.status.as_str() {
                "True" => condition.type_ == ConditionType::Ready.as_str(),
                _ => needs_help,
            },
            Some(before) => {
                before.status != condition.status
                    || (needs_help && before.reason != condition.reason)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Facts;

    fn app(status: Option<ChatAppStatus>) -> ChatApp {
        let mut app: ChatApp = serde_json::from_value(serde_json::json!({
            "apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
            "metadata": {"name": "demo", "namespace": "test", "generation": 3},
            "spec": {"server": {"image": "server:2"}, "frontend": {"image": "page:1"}, "database": {"cluster": {"storage": {"size": "1Gi"}}}},
        }))
        .expect("a ChatApp");
        app.status = status;
        app
    }

    fn plan(server: Verdict) -> Plan {
        Plan {
            children: Vec::new(),
            deletions: Vec::new(),
            verdicts: vec![
                (
                    ConditionType::DatabaseReady,
                    Verdict::done("ClusterReady", "fine"),
                ),
                (
                    ConditionType::Migrated,
                    Verdict::done("SchemaCurrent", "fine"),
                ),
                (ConditionType::ServerAvailable, server),
                (
                    ConditionType::FrontendAvailable,
                    Verdict::waiting("WaitingForServer", "waits"),
                ),
            ],
            replicas: (2, 1, 2),
            selector: String::new(),
            migration: Facts::default(),
            import: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn ready_names_what_has_failed_first() {
        let status = status(
            &app(None),
            &plan(Verdict::failed("ImagePullBackOff", "pod x: no such image")),
            at(1),
        );
        let ready = status.conditions.last().expect("conditions");
        assert_eq!(
            (ready.type_.as_str(), ready.status.as_str()),
            ("Ready", "False")
        );
        assert_eq!(
            (ready.reason.as_str(), ready.message.as_str()),
            ("ImagePullBackOff", "pod x: no such image")
        );
        assert_eq!(status.phase, Some(Phase::Degraded));
        assert_eq!(status.ready.as_deref(), Some("1/2"));
        assert!(
            status
                .conditions
                .iter()
                .all(|condition| condition.observed_generation == Some(3))
        );
    }

    #[test]
    fn what_is_not_needed_does_not_make_it_unready_but_is_told() {
        let mut plan = plan(Verdict::done("Available", "2/2"));
        plan.verdicts.retain(|(_, verdict)| verdict.is_done());
        let failed = Verdict::failed("PurgeFailed", "Job x has failed");
        plan.verdicts
            .push((ConditionType::RetentionEnforced, failed));
        let status = status(&app(None), &plan, at(1));
        assert_eq!(status.phase, Some(Phase::Ready));
        let told: Vec<_> = status.conditions.iter().rev().take(2).collect();
        assert_eq!(
            (told[0].type_.as_str(), told[0].status.as_str()),
            ("Ready", "True")
        );
        assert_eq!(
            (told[1].type_.as_str(), told[1].status.as_str()),
            ("RetentionEnforced", "False")
        );
    }

    #[test]
    fn the_same_verdicts_give_the_same_status_later() {
        let plan = plan(Verdict::waiting("RollingOut", "1/2"));
        let first = status(&app(None), &plan, at(1));
        let second = status(&app(Some(first.clone())), &plan, at(100));
        assert_eq!(first, second);
        assert_eq!(transitions(Some(&first), &second).count(), 0);
    }

    #[test]
    fn the_image_that_serves_is_the_former_one_until_the_new_one_does() {
        let former = ChatAppStatus {
            image: Some("server:1".to_owned()),
            ..ChatAppStatus::default()
        };
        let rolling = status(
            &app(Some(former)),
            &plan(Verdict::waiting("RollingOut", "1/2")),
            at(1),
        );
        assert_eq!(rolling.image.as_deref(), Some("server:1"));
        let done = status(
            &app(Some(rolling.clone())),
            &plan(Verdict::done("Available", "2/2")),
            at(2),
        );
        assert_eq!(done.image.as_deref(), Some("server:2"));
        let changed: Vec<_> = transitions(Some(&rolling), &done)
            .map(|condition| condition.type_.as_str())
            .collect();
        // Ready only waits for something else now.
        assert_eq!(changed, ["ServerAvailable"]);
    }

    #[test]
    fn only_the_steps_between_are_under_way() {
        let at = |phase| ChatAppStatus {
            phase: Some(phase),
            ..ChatAppStatus::default()
        };
        let progressing = at(Phase::Progressing);
        assert!(is_under_way(None, &progressing));
        assert!(is_under_way(Some(&progressing), &progressing));
        for phase in [Phase::Ready, Phase::Degraded, Phase::Suspended] {
            assert!(!is_under_way(Some(&progressing), &at(phase)), "{phase:?}");
            assert!(!is_under_way(Some(&at(phase)), &progressing), "{phase:?}");
        }
    }

    /// A migration begins right after its dry run: who wants to read what it is going to do has no second.
    #[test]
    fn what_an_upgrade_is_going_to_do_is_told_at_once() {
        let upgrading = |migrations: Option<&str>| ChatAppStatus {
            phase: Some(Phase::Progressing),
            upgrade: Some(Upgrade {
                from: "server:1".to_owned(),
                to: "server:2".to_owned(),
                migrations: migrations.map(|name| vec![name.to_owned()]),
            }),
            ..ChatAppStatus::default()
        };
        let (begun, known) = (upgrading(None), upgrading(Some("6 more")));
        let done = ChatAppStatus {
            upgrade: None,
            ..begun.clone()
        };
        assert!(!is_under_way(Some(&begun), &known));
        assert!(is_under_way(Some(&known), &known));
        assert!(is_under_way(Some(&known), &done), "the page is to come");
    }

    #[test]
    fn of_a_new_chat_app_only_what_is_worth_it_is_told() {
        let told = |server: Verdict| {
            let status = status(&app(None), &plan(server), at(1));
            transitions(None, &status)
                .map(|condition| condition.type_.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(told(Verdict::waiting("RollingOut", "1/2")), [""; 0]);
        assert_eq!(
            told(Verdict::failed("ImagePullBackOff", "no such image")),
            ["ServerAvailable", "FrontendAvailable", "Ready"]
        );
        let ready = ChatAppStatus {
            conditions: vec![condition(
                &app(None),
                &[],
                ConditionType::Ready,
                &Verdict::done("Available", ""),
                at(1),
            )],
            ..ChatAppStatus::default()
        };
        assert_eq!(transitions(None, &ready).count(), 1);
    }
}
