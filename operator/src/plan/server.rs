//! The chat server: its Deployment and Service. It rolls behind the gate of the migration and the content; what the bot says it
//! reads from the database.

use std::collections::BTreeMap;

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, KeyToPath, PodSpec, PodTemplateSpec, ResourceRequirements,
    SecretVolumeSource, Volume, VolumeMount,
};

use super::{
    Observed, autoscaling,
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

const DATABASE_FOLDER: &str = "/etc/chat-server/database";

/// The server as the spec wants it, held back until the migration is done and, if it differs from the one that was let through
/// last, the content is loaded.
pub(crate) fn workload(
    app: &ChatApp,
    source: &Source<'_>,
    observed: &Observed,
    migration: &Migration,
    content: &Verdict,
) -> Workload {
    let template = template(app, source, &migration.key);
    let live = observed.get(&names::server(app));
    let is_new = live.as_ref().and_then(workload::applied_template).as_ref() != Some(&template);
    let behind = |reason, step, verdict: &Verdict| {
        let what = if live.is_some() {
            "the new version"
        } else {
            "the server"
        };
        (!verdict.is_done()).then(|| Verdict::behind(reason, what, step, verdict))
    };
    let held = behind(
        "WaitingForMigration",
        ConditionType::Migrated,
        &migration.verdict,
    )
    .or_else(|| {
        let content = behind("WaitingForContent", ConditionType::ContentLoaded, content);
        content.filter(|_| is_new)
    });
    Workload {
        component: Component::Server,
        condition: ConditionType::ServerAvailable,
        name: names::server(app),
        scale: autoscaling::scale(app),
        template,
        live,
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

fn template(app: &ChatApp, source: &Source<'_>, migration_key: &str) -> PodTemplateSpec {
    let (database_env, database_volume, database_mount) = database_access(app, source);
    let mut env = vec![
        variable("LISTEN", format!("0.0.0.0:{}", workload::CONTAINER_PORT)),
        database_env,
    ];
    env.extend(pooler::host(app).map(|host| variable(DATABASE_HOST, host)));
    let annotations = BTreeMap::from([(MIGRATION_ANNOTATION.to_owned(), migration_key.to_owned())]);
    let container = Container {
        name: "chat-server".to_owned(),
        image: Some(app.spec.server.image.clone()),
        args: Some(vec!["serve".to_owned()]),
        env: Some(environment(app, env)),
        resources: Some(resources(app)),
        volume_mounts: Some(vec![database_mount]),
        ..Container::default()
    };
    let pod = PodSpec {
        volumes: Some(vec![database_volume]),
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

/// How `serve` and Jobs get at the database: the URL in a file, which a rotated password reaches too.
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

pub(crate) fn variable(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

pub(crate) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
