//! A certificate authority of a test's own, and what it certifies: what a platform team would be given. It ends with its value.

use std::path::Path;

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// Who is to be trusted.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, "an authority of the tests");
        let key = KeyPair::generate().context("make a key")?;
        let issuer = CertifiedIssuer::self_signed(parameters, key).context("make an authority")?;
        let file = NamedTempFile::new().context("make a file")?;
        std::fs::write(&file, issuer.pem()).context("write the authority's certificate")?;
        Ok(Self { issuer, file })
    }

    /// The file with its certificate, for clients that are to trust it.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// A certificate for a host.
    pub fn certify(&self, host: &str) -> Result<Certificate> {
        let mut parameters = CertificateParams::new([host.to_owned()])
            .with_context(|| format!("the host name {host}"))?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().context("make a key")?;
        let signed = parameters
            .signed_by(&key, &self.issuer)
            .context("sign a certificate")?;
        Ok(Certificate {
            pem: signed.pem(),
            key: key.serialize_pem(),
            pin: BASE64_STANDARD.encode(Sha256::digest(key.subject_public_key_info())),
        })
    }
}

/// What a server shows, and the key to it.
pub struct Certificate {
    pem: String,
    key: String,
    /// The SHA-256 of its public key, by which Chromium knows it (`--ignore-certificate-errors-spki-list`).
    pub pin: String,
}

impl Certificate {
    /// The Secret in which Ingresses and Gateways look for it.
    #[must_use]
    pub fn secret(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name},
            "stringData": {"tls.crt": self.pem, "tls.key": self.key},
        })
    }
}
