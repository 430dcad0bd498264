//! New images, a new variable, more servers and fewer, while clients chat all the time: through the page, and with the servers
//! themselves. Every request is answered, and every message is there.

use std::time::Instant;

use anyhow::{Context, Result};
use e2e::{chatapp, kubectl, pods};
use serde_json::json;

use crate::{World, constant_load::ConstantLoad, example};

pub(crate) async fn story(world: &World) -> Result<()> {
    let client = &world.client;
    world.example.ready(client).await?;
    let name = example::name()?;
    let load = ConstantLoad::start(&name).await?;
    // The same programs under other names, which nobody can know to be the same.
    let first = chatapp::read(client, "chatapp-dev", "demo").await?.spec;
    let changes = [
        (
            "another server image and a variable",
            json!({"spec": {"server": {"image": first.server.image, "env": [{"name": "STORY", "value": "1"}]}}}),
        ),
        (
            "another page image",
            json!({"spec": {"server": {"image": first.server.image}, "frontend": {"image": first.frontend.image}}}),
        ),
        (
            "three servers",
            json!({"spec": {"server": {"replicas": 3}}}),
        ),
        ("one server", json!({"spec": {"server": {"replicas": 1}}})),
        ("the example", json!({})),
    ];
    for (what, patch) in changes {
        let before = pods::settled(client, example::NAMESPACE, &name).await?;
        let began = Instant::now();
        kubectl::apply(example::NAMESPACE, &example::patched(patch)?).await?;
        chatapp::ready(client, example::NAMESPACE, &name, example::PATIENCE).await?;
        let ready = began.elapsed();
        // Requests may fail in a pod's last moments.
        let after = pods::settled(client, example::NAMESPACE, &name).await?;
        let (stayed, new) = after
            .iter()
            .partition::<Vec<_>, _>(|pod| before.contains(pod));
        say!(
            "{what}: ready after {:.1} s, old pods gone after {:.1} s; {} pods stayed, {} are new, {} went",
            ready.as_secs_f64(),
            began.elapsed().as_secs_f64(),
            stayed.len(),
            new.len(),
            before.len() - stayed.len()
        );
        load.goes_on().await.context(what)?;
    }
    load.no_request_failed().await
}
