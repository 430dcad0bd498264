//! The chat server: its Deployment and Service. It rolls behind the gate of the migration, and only with content that exists.

use std::collections::BTreeMap;

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EnvVar, KeyToPath, PodSpec, PodTemplateSpec,
    ResourceRequirements, SecretVolumeSource, Volume, VolumeMount,
};

use super::{
    Observed, autoscaling,
    content::ContentState,
    database::{self, Source},
    migration::Migration,
    names::{self, Component},
    pooler,
    verdict::Verdict,
    workload::{self, Workload},
};

/// Variable of the servers that connect through a pool: its host.
pub(crate) const DATABASE_HOST: &str = "DATABASE_HOST";

/// Annotation of the pod template: the migration that it was let through by.
const MIGRATION_ANNOTATION: &str = "sillychat.io/migration";
/// Annotation of the pod template: hash of the content, so that a change rolls the pods.
const CONTENT_ANNOTATION: &str = "sillychat.io/content-hash";

const DATABASE_FOLDER: &str = "/etc/chat-server/database";
const CONTENT_FOLDER: &str = "/etc/chat-server/content";

/// The server as the spec wants it, held back until the migration is done and the content is there.
pub(crate) fn workload(
    app: &ChatApp,
    source: &Source<'_>,
    observed: &Observed,
    migration: &Migration,
    content: &ContentState,
) -> Workload {
    let held = match &migration.verdict {
        Verdict::Done(_) => content.trouble(),
        Verdict::Failed(reason) => Some(Verdict::failed(reason.reason, reason.message.clone())),
        Verdict::Waiting(reason) => Some(Verdict::waiting(
            "WaitingForMigration",
            reason.message.clone(),
        )),
    };
    Workload {
        component: Component::Server,
        condition: ConditionType::ServerAvailable,
        name: names::server(app),
        scale: autoscaling::scale(app),
        template: template(app, source, &migration.key, content),
        live: observed.get(&names::server(app)),
        held,
    }
}

/// The mark that [`template`] put on.
pub(crate) fn migration_mark(template: &PodTemplateSpec) -> Option<&String> {
    template
        .metadata
        .as_ref()?
        .annotations
        .as_ref()?
        .get(MIGRATION_ANNOTATION)
}

fn template(
    app: &ChatApp,
    source: &Source<'_>,
    migration_key: &str,
    content: &ContentState,
) -> PodTemplateSpec {
    let (database_env, database_volume, database_mount) = database_access(app, source);
    let mut env = vec![
        variable("LISTEN", format!("0.0.0.0:{}", workload::CONTAINER_PORT)),
        database_env,
    ];
    env.extend(pooler::host(app).map(|host| variable(DATABASE_HOST, host)));
    let mut volumes = vec![database_volume];
    let mut mounts = vec![database_mount];
    let mut annotations =
        BTreeMap::from([(MIGRATION_ANNOTATION.to_owned(), migration_key.to_owned())]);
    if let ContentState::Present { config_map, hash } = content {
        annotations.insert(CONTENT_ANNOTATION.to_owned(), hash.clone());
        env.push(variable(
            "CONTENT_FILE",
            format!("{CONTENT_FOLDER}/{}", chatapp_crds::CONTENT_KEY),
        ));
        volumes.push(Volume {
            name: "content".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
        mounts.push(mount("content", CONTENT_FOLDER));
    }
    let container = Container {
        name: "chat-server".to_owned(),
        image: Some(app.spec.server.image.clone()),
        args: Some(vec!["serve".to_owned()]),
        env: Some(environment(app, env)),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: workload::CONTAINER_PORT,
            ..ContainerPort::default()
        }]),
        resources: Some(resources(app)),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let pod = PodSpec {
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    workload::serving_template(
        app,
        Component::Server,
        workload::SERVER_UID,
        annotations,
        container,
        pod,
    )
}

/// How `serve` and `migrate` get at the database: the URL in a file, which a rotated password reaches too.
pub(crate) fn database_access(app: &ChatApp, source: &Source<'_>) -> (EnvVar, Volume, VolumeMount) {
    let (secret, key) = database::url_secret(app, source);
    let volume = Volume {
        name: "database".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            items: Some(vec![KeyToPath {
                key,
                path: "url".to_owned(),
                mode: None,
            }]),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    (
        variable("DATABASE_URL_FILE", format!("{DATABASE_FOLDER}/url")),
        volume,
        mount("database", DATABASE_FOLDER),
    )
}

/// Our variables, then the user's; the API server refuses names that are ours.
pub(crate) fn environment(app: &ChatApp, mut ours: Vec<EnvVar>) -> Vec<EnvVar> {
    ours.push(variable("LOG_FORMAT", "json".to_owned()));
    ours.extend(app.spec.server.env.iter().cloned());
    ours
}

pub(crate) fn resources(app: &ChatApp) -> ResourceRequirements {
    app.spec
        .server
        .resources
        .clone()
        .unwrap_or_else(|| workload::resources("50m", "64Mi", "256Mi"))
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
