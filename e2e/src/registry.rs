//! The local node's image registry, by the OCI distribution API: makes new images of the ones that are there, by changing what
//! their configuration says, or by a layer on top. Each is an image in its own right, with a digest of its own, and costs no build.

use std::env;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The registry at `CHATAPP_E2E_REGISTRY`.
#[derive(Debug)]
pub struct Registry {
    http: Client,
    url: String,
}

impl Registry {
    /// The one that `./just test-e2e` names.
    pub fn from_env() -> Result<Self> {
        let url = env::var("CHATAPP_E2E_REGISTRY").unwrap_or_default();
        ensure!(
            !url.is_empty(),
            "CHATAPP_E2E_REGISTRY is not set: this story makes images, which it can on the local node only (./just up)"
        );
        let http = Client::builder()
            .no_proxy()
            .build()
            .context("make an HTTP client")?;
        Ok(Self { http, url })
    }

    /// A new image like `image` (`host/path@sha256:...`), with the configuration that `change` makes of the old one's
    /// (<https://github.com/opencontainers/image-spec/blob/main/config.md>). The answer names it in the same way.
    pub async fn derive(&self, image: &str, change: impl FnOnce(&mut Value)) -> Result<String> {
        self.make(image, None, change).await
    }

    /// A new image like `image`, with what is in this tar file on top.
    pub async fn add_layer(&self, image: &str, layer: Vec<u8>) -> Result<String> {
        let digest = digest_of(&layer);
        let on_top = move |config: &mut Value| {
            if let Some(layers) = config["rootfs"]["diff_ids"].as_array_mut() {
                layers.push(json!(digest));
            }
            if let Some(history) = config["history"].as_array_mut() {
                history.push(json!({"created_by": "e2e"}));
            }
        };
        self.make(image, Some(layer), on_top).await
    }

    async fn make(
        &self,
        image: &str,
        layer: Option<Vec<u8>>,
        change: impl FnOnce(&mut Value),
    ) -> Result<String> {
        let (name, digest) = image
            .split_once('@')
            .with_context(|| format!("{image} has no digest"))?;
        let (_, path) = name
            .split_once('/')
            .with_context(|| format!("{image} has no registry"))?;
        // A tag between the path and the digest says nothing.
        let path = path.split(':').next().unwrap_or(path);
        let mut manifest = self.json(&format!("{path}/manifests/{digest}")).await?;
        let config = manifest["config"]["digest"]
            .as_str()
            .context("a manifest without configuration")?;
        let mut config = self.json(&format!("{path}/blobs/{config}")).await?;
        change(&mut config);
        let config = serde_json::to_vec(&config)?;
        self.put_blob(path, &config).await?;
        manifest["config"]["digest"] = json!(digest_of(&config));
        manifest["config"]["size"] = json!(config.len());
        if let Some(layer) = layer {
            self.put_blob(path, &layer).await?;
            let layers = manifest["layers"]
                .as_array_mut()
                .context("a manifest without layers")?;
            let (digest, size) = (digest_of(&layer), layer.len());
            layers.push(json!({"mediaType": LAYER, "digest": digest, "size": size}));
        }
        let manifest = serde_json::to_vec(&manifest)?;
        let digest = digest_of(&manifest);
        let request = self
            .http
            .put(format!("{}/v2/{path}/manifests/{digest}", self.url));
        let request = request
            .header(header::CONTENT_TYPE, MANIFEST)
            .body(manifest);
        good(request.send().await?)
            .await
            .context("put a manifest")?;
        Ok(format!("{name}@{digest}"))
    }

    async fn json(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}/v2/{path}", self.url));
        let answer = good(request.header(header::ACCEPT, MANIFEST).send().await?).await;
        let answer = answer.with_context(|| format!("read {path}"))?;
        Ok(answer.json().await?)
    }

    async fn put_blob(&self, path: &str, blob: &[u8]) -> Result<()> {
        let request = self
            .http
            .post(format!("{}/v2/{path}/blobs/uploads/", self.url));
        let begun = good(request.send().await?)
            .await
            .context("begin an upload")?;
        let place = begun
            .headers()
            .get(header::LOCATION)
            .and_then(|place| place.to_str().ok())
            .context("an upload without a place")?;
        // Relative, or with what the registry takes for its address.
        let mut place = begun.url().join(place)?;
        let own = begun.url();
        let moved = place.set_host(own.host_str()).is_ok() && place.set_port(own.port()).is_ok();
        ensure!(moved, "an upload at {place}");
        place
            .query_pairs_mut()
            .append_pair("digest", &digest_of(blob));
        let put = self.http.put(place).body(blob.to_vec());
        let put = put.header(header::CONTENT_TYPE, "application/octet-stream");
        good(put.send().await?).await.context("put a blob")?;
        Ok(())
    }
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

async fn good(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().await.unwrap_or_default();
    anyhow::bail!("the registry says {status}: {body}")
}
