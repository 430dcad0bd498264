//! The page by host name and TLS, through an Ingress and a certificate that is given: a person types the host, is sent on to https and
//! chats. A host that nobody has is not found.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::{
    browser,
    certificate::Authority,
    edge::{Answer, Edge},
    kubectl,
    wait::{self, Seen},
};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use serde_json::{Value, json};

use crate::{World, example, person};

const HOST: &str = "chat.example.test";
const SECRET: &str = "chat-tls";
/// As `components/route-ingress` has it.
const BY_TLS_ONLY: (&str, &str) = ("traefik.ingress.kubernetes.io/router.entrypoints", "https");

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let name = example::name()?;
    let authority = Authority::new()?;
    let certificate = authority.certify(HOST)?;
    kubectl::apply(example::NAMESPACE, &certificate.secret(SECRET)).await?;

    let began = Instant::now();
    let annotations = json!({BY_TLS_ONLY.0: BY_TLS_ONLY.1});
    route(json!({"secretName": SECRET}), &annotations).await?;
    example::ready_at(&world.client, HOST, example::PATIENCE).await?;
    say!("{HOST} after {:.1} s", began.elapsed().as_secs_f64());

    let edge = Edge::open().await?;
    let page = format!("https://{HOST}/");
    edge.until_served(&page, authority.file(), person::PATIENCE)
        .await?;
    let plain = edge.get(&format!("http://{HOST}/x?y=z"), None).await?;
    let secure = format!("https://{HOST}/x?y=z");
    ensure!(plain == answer(301, &secure), "http: {plain:?}");
    let unknown = edge.get("https://nobody.example.test/", None).await?;
    ensure!(unknown == answer(404, ""), "an unknown host: {unknown:?}");
    let stranger = Authority::new()?;
    let distrusted = edge.get(&page, Some(stranger.file())).await;
    ensure!(distrusted.is_err(), "a client trusts another authority");

    let arguments = edge.chromium_arguments(HOST, &certificate);
    browser::visit_with(&arguments, async |page| {
        person::chats_by_https(&page, HOST).await
    })
    .await
    .context("chat by https")?;

    certificates_of_cert_manager(world, &name, &annotations).await
}

/// With an issuer instead of a Secret, the Ingress says to cert-manager what it wants to know.
async fn certificates_of_cert_manager(world: &World, name: &str, others: &Value) -> Result<()> {
    route(
        json!({"issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"}}),
        others,
    )
    .await?;
    let ingresses = Api::<Ingress>::namespaced(world.client.clone(), example::NAMESPACE);
    wait::until("the issuer's name", person::PATIENCE, async || {
        let ingress = ingresses.get(name).await?;
        let annotations = json!(ingress.metadata.annotations);
        let secret = json!(ingress.spec)["tls"][0]["secretName"].clone();
        let is_told = annotations["cert-manager.io/cluster-issuer"] == "letsencrypt"
            && annotations[BY_TLS_ONLY.0] == BY_TLS_ONLY.1
            && secret == format!("{name}-tls");
        Ok(Seen::when(is_told, || {
            format!("{annotations} and Secret {secret}")
        }))
    })
    .await
}

fn answer(status: u16, location: &str) -> Answer {
    Answer {
        status,
        location: location.to_owned(),
    }
}

/// The example with a route.
async fn route(tls: Value, annotations: &Value) -> Result<()> {
    let route = json!({
        "host": HOST, "tls": tls,
        "ingress": {"className": "traefik", "annotations": annotations},
    });
    let app = example::patched(json!({"spec": {"route": route}}))?;
    kubectl::apply(example::NAMESPACE, &app).await
}
