//! How people reach the page from outside of the cluster: by an Ingress or through a Gateway.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The host, and exactly one of `ingress` and `gateway`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.ingress) != has(self.gateway)")
        .message("spec.route needs exactly one of 'ingress' (write 'ingress: {}' for the cluster's default class) and 'gateway' \
            (with the Gateways as parentRefs): write one of them and remove the other"),
    validation = Rule::new("!(has(self.gateway) && has(self.tls))")
        .message("spec.route.tls goes with 'ingress' only: with 'gateway' the certificate belongs to the Gateway's listener; \
            remove tls and name the listener in gateway.parentRefs[].sectionName")
)]
pub struct Route {
    /// Host name that people type, for example `chat.example.org`. Its DNS entry is yours to make.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
            .message("must be a host name in lower case such as 'chat.example.org', without scheme, port, path or '*'"),
        validation = Rule::new("!self.matches('^[0-9]+([.][0-9]+){3}$')")
            .message("must be a host name, not an IP address: neither an Ingress nor a Gateway takes one")
    )]
    pub host: String,
    /// An Ingress named `<name>` for an ingress controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressRoute>,
    /// An HTTPRoute named `<name>` for a Gateway. It needs the Gateway API in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayRoute>,
    /// HTTPS by the Ingress. Absent: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// What the Ingress is like.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressRoute {
    /// IngressClass. Absent: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// Annotations of the Ingress, for the ingress controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    #[x_kube(
        validation = Rule::new("!self.exists(key, key.startsWith('sillychat.io/') || key.startsWith('argocd.argoproj.io/'))")
            .message("annotations of sillychat.io/ and argocd.argoproj.io/ are not yours to set on the Ingress: remove them")
    )]
    pub annotations: BTreeMap<String, String>,
}

/// Which Gateways the HTTPRoute is for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRoute {
    /// The Gateways. At least one.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentRef>,
}

/// Names a Gateway.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the Gateway. Absent: the ChatApp's. The Gateway has to allow routes from the ChatApp's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Listener of the Gateway. Absent: all of its listeners that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// Port of the listeners. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// Exactly one of `secretName` and `issuerRef`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.secretName) != has(self.issuerRef)")
        .message("spec.route.tls needs exactly one of 'secretName' (a Secret with your certificate) and 'issuerRef' \
            (cert-manager makes one): write one of them and remove the other")
)]
pub struct Tls {
    /// A Secret of type kubernetes.io/tls in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub secret_name: Option<String>,
    /// cert-manager's issuer: it makes a certificate in Secret `<name>-tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
}

/// Names an issuer of cert-manager.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// `Issuer` (in this namespace) or `ClusterIssuer`.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Name of the issuer.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// cert-manager's two kinds of issuers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IssuerKind {
    /// One for its namespace.
    #[default]
    Issuer,
    /// One for all namespaces.
    ClusterIssuer,
}
