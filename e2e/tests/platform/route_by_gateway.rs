//! The page by host name and TLS, through a Gateway. A Gateway that refuses the route is told of; corrected, a person chats.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chatapp_crds::ConditionType;
use e2e::{browser, certificate::Authority, chatapp, edge::Edge, kubectl};
use serde_json::json;

use crate::{World, example, person};

const HOST: &str = "gateway.example.test";
const GATEWAY: &str = "edge";
const SECRET: &str = "gateway-tls";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let name = example::name()?;
    let authority = Authority::new()?;
    let certificate = authority.certify(HOST)?;
    kubectl::apply(example::NAMESPACE, &certificate.secret(SECRET)).await?;
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": GATEWAY},
        "spec": {"gatewayClassName": "traefik", "listeners": [{
            "name": "https", "protocol": "HTTPS", "port": 443, "hostname": HOST,
            "tls": {"certificateRefs": [{"name": SECRET}]},
        }]},
    });
    kubectl::apply(example::NAMESPACE, &gateway).await?;

    route("elsewhere.example.test").await?;
    let refused = ["HTTPRouteRefused", GATEWAY, "Accepted is False"];
    let app = (example::NAMESPACE, name.as_str());
    let told = chatapp::until_told(
        &world.client,
        app,
        ConditionType::RouteReady,
        &refused,
        PATIENCE,
    )
    .await?;
    say!("with a host that the Gateway doesn't have: {told}");

    let began = Instant::now();
    route(HOST).await?;
    example::ready_at(&world.client, HOST, PATIENCE).await?;
    say!("{HOST} after {:.1} s", began.elapsed().as_secs_f64());

    let edge = Edge::open().await?;
    edge.until_served(&format!("https://{HOST}/"), authority.file(), PATIENCE)
        .await?;
    let arguments = edge.chromium_arguments(HOST, &certificate);
    browser::visit_with(&arguments, async |page| {
        person::chats_by_https(&page, HOST).await
    })
    .await
    .context("chat by https")
}

/// The example with a route through the Gateway.
async fn route(host: &str) -> Result<()> {
    let parent = json!({"name": GATEWAY, "sectionName": "https"});
    let route = json!({"host": host, "gateway": {"parentRefs": [parent]}});
    let app = example::patched(json!({"spec": {"route": route}}))?;
    kubectl::apply(example::NAMESPACE, &app).await
}
