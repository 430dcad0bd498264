//! Old messages are deleted as long as that is asked for.

use chatapp_crds::ChatApp;
use k8s_openapi::api::batch::v1::CronJob;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    world::{APP, World, spec},
};

#[tokio::test]
async fn the_cron_job_comes_changes_and_goes_with_the_spec() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "retention").await;
    let mut spec = spec();
    spec["retention"] = json!({"days": 30});
    world.create_app(spec).await;
    world.bring_up().await;
    let until_age = async |age: &str| {
        world
            .until(age, async || {
                let live: CronJob = world.api().get_opt("demo-purge").await.ok()??;
                let template = live.spec?.job_template.spec?.template.spec?;
                let args = template.containers.first()?.args.clone()?;
                args.contains(&age.to_owned()).then_some(())
            })
            .await;
    };
    until_age("30d").await;
    world
        .edit::<ChatApp>(APP, json!({"spec": {"retention": {"days": 60}}}))
        .await;
    until_age("60d").await;
    world
        .edit::<ChatApp>(APP, json!({"spec": {"retention": null}}))
        .await;
    world
        .until("the CronJob is gone", async || {
            world.collect_garbage().await;
            let live = world.api::<CronJob>().get_opt("demo-purge").await.ok()?;
            live.is_none().then_some(())
        })
        .await;
}
