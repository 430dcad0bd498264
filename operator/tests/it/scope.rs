//! What an operator looks at.

use chatapp_crds::{ChatApp, ConditionType, DATABASE_FINALIZER, RETAINED_LABEL};
use k8s_openapi::{
    api::{
        authorization::v1::SubjectAccessReview,
        batch::v1::Job,
        core::v1::Namespace,
        rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, CustomResourceExt},
};
use serde_json::json;

use crate::{
    api_server::{ApiServer, OPERATOR},
    operator::{Operator, Options},
    world::{World, app, spec},
};

#[tokio::test]
async fn several_namespaces_are_watched_and_no_others() {
    let server = ApiServer::shared().await;
    let one = World::without_operator(server, "scope-one").await;
    let two = World::without_operator(server, "scope-two").await;
    let other = World::without_operator(server, "scope-other").await;
    let options = Options {
        namespaces: "scope-one,scope-two".to_owned(),
        ..Options::default()
    };
    let operator = Operator::spawn(server, &one.directory, "operator", options);
    operator.until_ready().await;
    for world in [&other, &one, &two] {
        world.create_app(spec()).await;
    }
    one.bring_up().await;
    two.bring_up().await;
    let left: ChatApp = other.api().get("demo").await.expect("the ChatApp");
    assert!(left.status.is_none());
    assert!(
        !other
            .requests()
            .iter()
            .any(crate::audit::Request::is_by_operator)
    );
    operator.stop();
}

#[tokio::test]
async fn all_namespaces_are_watched_unless_some_are_named() {
    // Of its own: the others have operators too.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let one = World::without_operator(&server, "all-one").await;
    let two = World::without_operator(&server, "all-two").await;
    let operator = Operator::spawn(&server, &one.directory, "operator", Options::default());
    operator.until_ready().await;
    for world in [&one, &two] {
        world.create_app(spec()).await;
        world.bring_up().await;
    }
    operator.stop();
}

#[tokio::test]
async fn a_chatapp_that_can_not_be_read_stops_no_other() {
    // Of its own: its CRD lets everything through.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let mut world = World::without_operator(&server, "unreadable").await;
    let_everything_through(&world).await;
    create_odd(&world).await;
    world.start_operator().await;
    let good = app("demo", &complete_spec());
    world
        .api()
        .create(&PostParams::default(), &good)
        .await
        .expect("the ChatApp");
    world
        .until_reason(ConditionType::DatabaseReady, "ClusterNotReady")
        .await;
    world.bring_up().await;
}

/// As after a rollback of the operator, or of its CRD.
#[tokio::test]
async fn a_chatapp_that_can_not_be_read_can_be_deleted_and_its_database_stays() {
    // Of its own: its CRD lets everything through.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let mut world = World::without_operator(&server, "unreadable-deleted").await;
    let_everything_through(&world).await;
    let odd = create_odd(&world).await;
    create_database_of(&world, &odd).await;
    let labels =
        json!({"sillychat.io/chatapp": "odd", "app.kubernetes.io/managed-by": "chatapp-operator"});
    let template =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}});
    let job = json!({"metadata": {"name": "odd-migrate", "labels": labels}, "spec": {"template": template}});
    let job: Job = serde_json::from_value(job).expect("a Job");
    let created = world.api().create(&PostParams::default(), &job).await;
    created.expect("a Job");
    world.start_operator().await;
    let odds = odds(&world);
    let deleted = odds.delete("odd", &DeleteParams::default()).await;
    deleted.expect("a deletion");
    world
        .until("the end of the Job and of the ChatApp", async || {
            world.collect_garbage().await;
            let is_gone = odds.get_opt("odd").await.ok()?.is_none();
            (is_gone && world.all::<Job>().await.is_empty()).then_some(())
        })
        .await;
    assert!(is_retained(&world).await);

    // Nothing is decided in a namespace that goes, too.
    let mut world = World::without_operator(&server, "unreadable-going").await;
    let odd = create_odd(&world).await;
    create_database_of(&world, &odd).await;
    world.start_operator().await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let deleted = namespaces
        .delete("unreadable-going", &DeleteParams::default())
        .await;
    deleted.expect("a deletion");
    // As the controller of namespaces.
    let odds = self::odds(&world);
    let deleted = odds.delete("odd", &DeleteParams::default()).await;
    deleted.expect("a deletion");
    world
        .until("the end of the ChatApp", async || {
            odds.get_opt("odd").await.ok()?.is_none().then_some(())
        })
        .await;
    assert!(!is_retained(&world).await);
}

async fn let_everything_through(world: &World<'_>) {
    let crds: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let anything = json!({"spec": {"versions": [{
        "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }]}});
    crds.patch(
        ChatApp::crd_name(),
        &PatchParams::default(),
        &Patch::Merge(anything),
    )
    .await
    .expect("a looser CRD");
}

/// ChatApps of any shape.
fn odds(world: &World<'_>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<ChatApp>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

/// A ChatApp that can't be read, as soon as the API server takes it.
async fn create_odd(world: &World<'_>) -> DynamicObject {
    let odd = json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp",
        "metadata": {"name": "odd", "finalizers": [DATABASE_FINALIZER]}, "spec": {"server": {"image": 7}}});
    let odd: DynamicObject = serde_json::from_value(odd).expect("an object");
    world
        .until("the looser rules", async || {
            let created = odds(world).create(&PostParams::default(), &odd).await;
            created.ok()
        })
        .await
}

/// As the operator has made it when it could read the ChatApp, whose policy was `Delete`.
async fn create_database_of(world: &World<'_>, odd: &DynamicObject) {
    let owner = json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "name": "odd", "uid": odd.uid(), "controller": true});
    let cluster = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {
        "name": "odd-db", "ownerReferences": [owner],
        "labels": {"sillychat.io/chatapp": "odd", "app.kubernetes.io/managed-by": "chatapp-operator"},
    }});
    let cluster: DynamicObject = serde_json::from_value(cluster).expect("a Cluster");
    let created = world
        .clusters()
        .create(&PostParams::default(), &cluster)
        .await;
    created.expect("the Cluster");
}

/// Marked, and out of the garbage collector's reach.
async fn is_retained(world: &World<'_>) -> bool {
    let cluster = world.clusters().get("odd-db").await;
    let cluster = cluster.expect("the Cluster stays");
    cluster.labels().contains_key(RETAINED_LABEL) && cluster.owner_references().is_empty()
}

#[tokio::test]
async fn a_namespace_where_a_kind_is_hidden_stops_no_other_and_no_deletion() {
    // Of its own: its operator has fewer rights.
    let server = ApiServer::start().await;
    server.install_cloudnative_pg().await;
    let one = World::without_operator(&server, "rights-one").await;
    let two = World::without_operator(&server, "rights-two").await;
    let bindings: Api<ClusterRoleBinding> = Api::all(one.client.clone());
    let deleted = bindings
        .delete("chatapp-operator", &DeleteParams::default())
        .await;
    deleted.expect("a deletion");
    grant(&one, None).await;
    grant(&two, Some(HIDDEN)).await;
    one.until("the rights of each", async || {
        let other = may_list_hidden(&two).await?;
        (may_list_hidden(&one).await? && !other).then_some(())
    })
    .await;
    // More than are worked on at a time.
    let names: Vec<String> = (0..20).map(|number| format!("chat-{number}")).collect();
    for name in &names {
        let mut app = app(name, &spec());
        app.metadata.finalizers = Some(vec![DATABASE_FINALIZER.to_owned()]);
        let created = two.api().create(&PostParams::default(), &app).await;
        created.expect("the ChatApp");
    }
    let options = Options {
        namespaces: "rights-one,rights-two".to_owned(),
        ..Options::default()
    };
    let operator = Operator::spawn(&server, &one.directory, "operator", options);
    let missing = "PodDisruptionBudget objects are not known yet";
    operator.until_answer("readyz", missing).await;
    one.create_app(spec()).await;
    one.bring_up().await;
    for name in &names[..10] {
        two.delete::<ChatApp>(name).await;
    }
    two.until("the end of what was deleted", async || {
        (two.all::<ChatApp>().await.len() == 10).then_some(())
    })
    .await;
    let (status, text) = operator.ask("livez").await.expect("an answer");
    assert_eq!(status, 200, "a restart would not help: {text}");
    operator.until_answer("readyz", missing).await;
    assert!(
        two.all::<ChatApp>()
            .await
            .iter()
            .all(|app| app.status.is_none())
    );

    // As soon as the kind is seen, all of them are looked at.
    grant(&two, None).await;
    two.until("a look at all", async || {
        let apps = two.all::<ChatApp>().await;
        apps.iter().all(|app| app.status.is_some()).then_some(())
    })
    .await;
    operator.until_ready().await;
    operator.stop();
}

/// A resource that an operator may not see.
const HIDDEN: &str = "poddisruptionbudgets";

/// As a namespace's administrator: the operator has the rights of `rbac.yaml` there, but not to objects of a resource.
async fn grant(world: &World<'_>, but: Option<&str>) {
    let all: Api<ClusterRole> = Api::all(world.client.clone());
    let all = all.get("chatapp-operator").await.expect("a ClusterRole");
    let is_left = |rule: &PolicyRule| {
        let mut resources = rule.resources.iter().flatten();
        !resources.any(|resource| Some(resource.as_str()) == but)
    };
    let rules: Vec<PolicyRule> = all.rules.into_iter().flatten().filter(is_left).collect();
    let name = "chatapp-operator";
    let api_group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{api_group}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules});
    let binding = json!({"apiVersion": format!("{api_group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": api_group, "kind": "Role", "name": name},
        "subjects": [{"kind": "User", "apiGroup": api_group, "name": OPERATOR}]});
    let params = PatchParams::apply("hand").force();
    let api = world.api::<Role>();
    let made = api.patch(name, &params, &Patch::Apply(role)).await;
    made.expect("a Role");
    let api = world.api::<RoleBinding>();
    let made = api.patch(name, &params, &Patch::Apply(binding)).await;
    made.expect("a RoleBinding");
}

async fn may_list_hidden(world: &World<'_>) -> Option<bool> {
    let reviews: Api<SubjectAccessReview> = Api::all(world.client.clone());
    let attributes = json!({"group": "policy", "resource": HIDDEN, "verb": "list", "namespace": world.namespace});
    let review =
        json!({"metadata": {}, "spec": {"user": OPERATOR, "resourceAttributes": attributes}});
    let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
    let answer = reviews.create(&PostParams::default(), &review).await;
    Some(answer.ok()?.status?.allowed)
}

/// With what the CRD would add.
fn complete_spec() -> serde_json::Value {
    let mut spec = spec();
    spec["server"]["replicas"] = json!(2);
    spec["frontend"]["replicas"] = json!(2);
    spec["database"]["cluster"]["instances"] = json!(1);
    spec
}
