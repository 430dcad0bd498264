//! An API server with its etcd, of the test binary's own, with the CRDs and the operator's rights in it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{process::Process, wait::try_until};

/// Name of the operator, as `rbac.yaml` binds it and as the audit log shows it.
pub(crate) const OPERATOR: &str = "system:serviceaccount:chatapp-system:chatapp-operator";
/// Name of the tests.
pub(crate) const ADMINISTRATOR: &str = "administrator";

const CHATAPP_CRD: &str =
    include_str!("../../../manifests/platform/crds/chatapps.sillychat.io.yaml");
const OPERATOR_NAMESPACE: &str =
    include_str!("../../../manifests/platform/operator/namespace.yaml");
const OPERATOR_RIGHTS: &str = include_str!("../../../manifests/platform/operator/rbac.yaml");

/// A running API server.
pub(crate) struct ApiServer {
    port: u16,
    pub(crate) directory: PathBuf,
    // They end in this order.
    controllers: Option<Process>,
    program: Mutex<Option<Process>>,
    command: Vec<String>,
    _etcd: Process,
}

impl ApiServer {
    /// The one that tests share. It has stand-ins for the CRDs of CloudNativePG, of the Gateway API and of cert-manager, collects
    /// garbage and scales.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<ApiServer> = OnceCell::const_new();
        SHARED
            .get_or_init(async || {
                let mut server = Self::start().await;
                server.install_cloudnative_pg().await;
                for (api_version, kind, plural) in [
                    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
                    ("gateway.networking.k8s.io/v1", "Gateway", "gateways"),
                    ("cert-manager.io/v1", "Certificate", "certificates"),
                    // As the API of metrics-server, which autoscalers ask: what pods use is what a test has written down.
                    ("metrics.k8s.io/v1beta1", "PodMetrics", "pods"),
                ] {
                    server.install_stub(api_version, kind, plural).await;
                }
                server.start_controllers();
                server
            })
            .await
    }

    /// Starts one without CloudNativePG.
    pub(crate) async fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new()
            .prefix("chatapp-api-server-")
            .tempdir()
            .expect("a directory")
            .keep();
        let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());
        let file = |name: &str| directory.join(name).display().to_string();
        write_inputs(&directory);

        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd = Process::start(
            &[
                programs.join("etcd").display().to_string(),
                format!("--data-dir={}", file("etcd")),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=default={peer_url}"),
                // The data live no longer than the tests.
                "--unsafe-no-fsync".to_owned(),
                "--log-level=warn".to_owned(),
            ],
            &[],
            &directory.join("etcd.log"),
            "KILL",
            &directory.display().to_string(),
        );
        let command = vec![
            programs.join("kube-apiserver").display().to_string(),
            format!("--etcd-servers={etcd_url}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", file("certificates")),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!(
                "--service-account-signing-key-file={}",
                file("accounts.key")
            ),
            format!("--service-account-key-file={}", file("accounts.pub")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            // Stricter than the default: who sets an owner must have a say about the owner.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
            format!("--audit-policy-file={}", file("audit-policy.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
        ];
        let server = Self {
            port,
            directory,
            controllers: None,
            program: Mutex::default(),
            command,
            _etcd: etcd,
        };
        server.run().await;
        server.install_crd().await;
        server.apply(&documents(OPERATOR_NAMESPACE)).await;
        let mut rights = documents(OPERATOR_RIGHTS);
        rights.retain(|object| object["kind"] != "ServiceAccount");
        server.apply(&rights).await;
        server.wait_until_operator_may().await;
        server
            .wait_until_served("sillychat.io/v1alpha1", "ChatApp")
            .await;
        server
    }

    /// Starts the program, which isn't running, and waits until it serves.
    pub(crate) async fn run(&self) {
        let log = self.directory.join("kube-apiserver.log");
        let program = Process::start(&self.command, &[], &log, "KILL", "");
        self.program().replace(program);
        self.wait_until_ready().await;
    }

    /// Ends the program as the kernel does. What it has stored stays.
    pub(crate) fn kill(&self) {
        self.program().take();
    }

    fn program(&self) -> MutexGuard<'_, Option<Process>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our CRD.
    pub(crate) async fn install_crd(&self) {
        self.apply(&documents(CHATAPP_CRD)).await;
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The garbage collector, the end of namespaces and autoscalers are Kubernetes' own; what else its controllers do, the tests play. They
    /// learn of new kinds only after half a minute: what they have to know must be there.
    fn start_controllers(&mut self) {
        let kubeconfig = self.directory.join("controllers.kubeconfig");
        std::fs::write(
            &kubeconfig,
            self.kubeconfig(ADMINISTRATOR, None).to_string(),
        )
        .expect("a kubeconfig");
        let controllers = Process::start(
            &[
                programs()
                    .join("kube-controller-manager")
                    .display()
                    .to_string(),
                format!("--kubeconfig={}", kubeconfig.display()),
                "--controllers=garbage-collector-controller,namespace-controller,horizontal-pod-autoscaler-controller"
                    .to_owned(),
                "--horizontal-pod-autoscaler-sync-period=1s".to_owned(),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                "--kube-api-qps=200".to_owned(),
                "--kube-api-burst=400".to_owned(),
            ],
            &[],
            &self.directory.join("kube-controller-manager.log"),
            "KILL",
            "",
        );
        self.controllers = Some(controllers);
    }

    async fn wait_until_ready(&self) {
        let client = self.client().await;
        let ready = try_until(async || {
            let request = http::Request::get("/readyz").body(Vec::new()).ok()?;
            client.request_text(request).await.ok()
        });
        if ready.await.is_none() {
            let log = tail(&self.directory.join("kube-apiserver.log"));
            panic!("the API server does not get ready:\n{log}");
        }
    }

    /// Stand-ins for CloudNativePG's CRDs: any `Cluster` and any `Pooler` go.
    pub(crate) async fn install_cloudnative_pg(&self) {
        let api_version = "postgresql.cnpg.io/v1";
        self.install_stub(api_version, "Pooler", "poolers").await;
        self.install_stub(api_version, "Cluster", "clusters").await;
    }

    /// A stand-in for a CRD.
    async fn install_stub(&self, api_version: &str, kind: &str, plural: &str) {
        let (group, version) = api_version.split_once('/').expect("a group and a version");
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.{group}"),
                "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in in a test"},
            },
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{
                    "name": version, "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                }],
            },
        });
        self.apply(&[crd]).await;
        self.wait_until_served(api_version, kind).await;
    }

    async fn apply(&self, objects: &[Value]) {
        let client = self.client().await;
        for object in objects {
            let text = |pointer: &str| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .expect("a manifest")
            };
            let (group, version) = text("/apiVersion")
                .split_once('/')
                .unwrap_or(("", text("/apiVersion")));
            let kind = GroupVersionKind::gvk(group, version, text("/kind"));
            let resource = ApiResource::from_gvk(&kind);
            let namespace = object
                .pointer("/metadata/namespace")
                .and_then(Value::as_str);
            let api: Api<DynamicObject> = match namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            api.patch(
                text("/metadata/name"),
                &PatchParams::apply(ADMINISTRATOR),
                &Patch::Apply(object),
            )
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", text("/metadata/name")));
        }
    }

    /// The authorizer learns of new rights a moment later.
    async fn wait_until_operator_may(&self) {
        let api: Api<SubjectAccessReview> = Api::all(self.client().await);
        let review: SubjectAccessReview = serde_json::from_value(json!({
            "metadata": {},
            "spec": {"user": OPERATOR, "resourceAttributes": {
                "group": "sillychat.io", "resource": "chatapps", "subresource": "status", "verb": "patch", "namespace": "any",
            }},
        }))
        .expect("a review");
        try_until(async || {
            let answer = api.create(&PostParams::default(), &review).await.ok()?;
            answer.status?.allowed.then_some(())
        })
        .await
        .expect("rbac.yaml lets the operator write the status of ChatApps");
    }

    async fn wait_until_served(&self, api_version: &str, kind: &str) {
        let client = self.client().await;
        try_until(async || {
            let list = client.list_api_group_resources(api_version).await.ok()?;
            let mut kinds = list.resources.iter();
            kinds.any(|found| found.kind == kind).then_some(())
        })
        .await
        .unwrap_or_else(|| panic!("the API server does not serve {api_version} {kind}"));
    }

    /// A client with all rights.
    pub(crate) async fn client(&self) -> Client {
        let kubeconfig: Kubeconfig =
            serde_json::from_value(self.kubeconfig(ADMINISTRATOR, None)).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.expect("a configuration");
        config.default_retry = false;
        Client::try_from(config).expect("a client")
    }

    /// How a user of the token file gets at the API server; through `port`, if there is something in between.
    pub(crate) fn kubeconfig(&self, user: &str, port: Option<u16>) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": user}}],
            "clusters": [{"name": "it", "cluster": {
                "server": format!("https://127.0.0.1:{}", port.unwrap_or(self.port)),
                "insecure-skip-tls-verify": true,
            }}],
            "users": [{"name": user, "user": {"token": token(user)}}],
        })
    }
}

/// The programs that `./just tools` builds.
pub(crate) fn programs() -> PathBuf {
    let directory = std::env::var_os("CHATAPP_KUBE_BIN").map_or_else(
        || {
            let home = std::env::var_os("HOME").expect("HOME");
            Path::new(&home).join(".cache/chatapp/bin")
        },
        PathBuf::from,
    );
    for program in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        assert!(
            directory.join(program).exists(),
            "{program} is not in {}: run ./just tools (or set CHATAPP_KUBE_BIN)",
            directory.display()
        );
    }
    directory
}

/// Files that the API server reads at its start.
fn write_inputs(directory: &Path) {
    let write = |name: &str, content: String| {
        std::fs::write(directory.join(name), content).expect("a file");
    };
    let users = format!(
        "{},{ADMINISTRATOR},1,system:masters\n{},{OPERATOR},2\n",
        token(ADMINISTRATOR),
        token(OPERATOR)
    );
    write("tokens.csv", users);
    // Requests are logged before they are handled: who has an answer finds the request in the log.
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["ResponseStarted", "ResponseComplete", "Panic"],
        "rules": [{"level": "Metadata"}],
    });
    write("audit-policy.yaml", policy.to_string());
    for arguments in [
        "genrsa -out accounts.key 2048",
        "rsa -in accounts.key -pubout -out accounts.pub",
    ] {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory)
            .output()
            .expect("openssl");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

/// The API server is only there for the tests: its tokens are no secrets.
fn token(user: &str) -> String {
    user.replace(':', "-")
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).expect("YAML")
}
