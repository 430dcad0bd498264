//! What the platform's policies say of an environment's namespace is so, whoever asks: images by digest but in dev, no pod with more
//! rights than a chat needs, no door to the outside but a route.

use anyhow::{Result, ensure};
use e2e::{chatapp, kubectl};
use serde_json::{Value, json};

use crate::{World, example};

/// Nothing of this is ever made: the API server is asked what it would say.
pub(crate) async fn story(world: &World) -> Result<()> {
    let by_tag = example::small("another")?;
    for environment in ["staging", "prod"] {
        is_refused(environment, &by_tag, "name images by digest").await?;
        is_refused(environment, &privileged_pod(), "violates PodSecurity").await?;
        is_refused(environment, &open_service(), "exceeded quota").await?;
    }
    is_taken("dev", &by_tag).await?;
    is_refused("dev", &privileged_pod(), "violates PodSecurity").await?;

    let released = chatapp::read(&world.client, "chatapp-dev", "demo").await?;
    let mut by_digest = by_tag;
    let images = json!({"spec": {
        "server": {"image": released.spec.server.image}, "frontend": {"image": released.spec.frontend.image},
    }});
    example::merge(&mut by_digest, images);
    is_taken("staging", &by_digest).await?;
    // A database's image is one, too.
    let database =
        json!({"spec": {"database": {"cluster": {"image": "registry.example.org/postgres:18"}}}});
    example::merge(&mut by_digest, database);
    is_refused("staging", &by_digest, "registry.example.org/postgres:18").await
}

fn privileged_pod() -> Value {
    let container = json!({"name": "any", "image": "any", "securityContext": {"privileged": true}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, "spec": {"containers": [container]}})
}

fn open_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "any"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    })
}

async fn is_refused(environment: &str, object: &Value, reason: &str) -> Result<()> {
    let outcome = kubectl::dry_run(&format!("chatapp-{environment}"), object).await?;
    ensure!(
        !outcome.succeeded && outcome.stderr.contains(reason),
        "in {environment}, expected {reason:?}: {outcome:?}"
    );
    Ok(())
}

async fn is_taken(environment: &str, object: &Value) -> Result<()> {
    let outcome = kubectl::dry_run(&format!("chatapp-{environment}"), object).await?;
    ensure!(outcome.succeeded, "in {environment}: {}", outcome.stderr);
    Ok(())
}
