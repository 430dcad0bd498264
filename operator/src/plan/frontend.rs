//! The page: its Deployment and Service. It rolls after the server, so that a new page never meets an old API.

use std::collections::BTreeMap;

use chatapp_crds::{ChatApp, ConditionType};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, PodSpec, PodTemplateSpec, Volume, VolumeMount,
};

use super::{
    Observed,
    names::{self, Component},
    server::variable,
    verdict::Verdict,
    workload::{self, Scale, Workload},
};

/// The page as the spec wants it, held back until the server has rolled out.
pub(crate) fn workload(
    app: &ChatApp,
    observed: &Observed,
    server: &Workload,
    server_verdict: &Verdict,
) -> Workload {
    let template = template(app);
    let live = observed.get(&names::frontend(app));
    // A page that needs no change is not held back: it serves, whatever the server does.
    let is_new = live.as_ref().and_then(workload::applied_template).as_ref() != Some(&template);
    let held = (is_new && !server.has_rolled_out()).then(|| {
        Verdict::behind(
            "WaitingForServer",
            "the page",
            ConditionType::ServerAvailable,
            server_verdict,
        )
    });
    Workload {
        component: Component::Frontend,
        condition: ConditionType::FrontendAvailable,
        name: names::frontend(app),
        scale: Scale::Fixed(if app.spec.suspend {
            0
        } else {
            app.spec.frontend.replicas
        }),
        template,
        live,
        held,
    }
}

fn template(app: &ChatApp) -> PodTemplateSpec {
    let container = Container {
        name: "frontend".to_owned(),
        image: Some(app.spec.frontend.image.clone()),
        env: Some(vec![
            variable("CHAT_SERVER_HOST", names::server(app)),
            variable("CHAT_SERVER_PORT", workload::SERVICE_PORT.to_string()),
        ]),
        resources: Some(
            app.spec
                .frontend
                .resources
                .clone()
                .unwrap_or_else(|| workload::resources("20m", "32Mi", "128Mi")),
        ),
        volume_mounts: Some(vec![VolumeMount {
            name: "tmp".to_owned(),
            mount_path: "/tmp".to_owned(),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    };
    let tmp = Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let pod = PodSpec {
        volumes: Some(vec![tmp]),
        ..PodSpec::default()
    };
    workload::serving_template(
        app,
        Component::Frontend,
        workload::FRONTEND_UID,
        BTreeMap::new(),
        container,
        pod,
    )
}
