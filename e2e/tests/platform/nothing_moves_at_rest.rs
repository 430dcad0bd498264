//! Five minutes at rest: what nobody touches stays Synced and Healthy for Argo CD without a single change, however often it looks,
//! whatever else happens on the cluster and in other folders of the same branch, and although Argo CD itself is restarted meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{argocd, chronicle::Chronicle};

use crate::World;

const REST: Duration = Duration::from_mins(5);
const PATIENCE: Duration = Duration::from_mins(2);
/// The one that other stories work with.
const BUSY: &str = "chatapp-dev";
/// It looks once a minute, and is restarted once.
const COMPARISONS: usize = 3;

pub(crate) async fn story(world: &World) -> Result<()> {
    let _rest = world.rest.lock().await;
    let applications = argocd::until_at_rest(&world.client, &[BUSY], PATIENCE).await?;
    let names: Vec<&str> = applications.iter().map(argocd::Application::name).collect();
    let chronicle = Chronicle::begin(&world.client, &names);
    tokio::time::sleep(REST).await;
    for name in names {
        let course = chronicle.course(name)?;
        course.was_at_rest().with_context(|| name.to_owned())?;
        let comparisons = course.comparisons();
        ensure!(
            comparisons >= COMPARISONS,
            "{name} was compared with Git {comparisons} times only"
        );
        say!("{name}: compared {comparisons} times; {course}");
    }
    Ok(())
}
