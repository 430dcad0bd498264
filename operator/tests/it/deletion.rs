//! What becomes of the database when a ChatApp is deleted, in each of the ways in which people and Argo CD do it.

use chatapp_crds::{ChatApp, ConditionType, DATABASE_FINALIZER, RETAINED_LABEL};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::{CronJob, Job},
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    world::{APP, World, condition, spec},
};

const CLUSTER: &str = "demo-db";

fn deleting_spec() -> Value {
    let mut spec = spec();
    spec["database"]["deletionPolicy"] = json!("Delete");
    spec
}

async fn cluster(world: &World<'_>) -> Option<DynamicObject> {
    world.clusters().get_opt(CLUSTER).await.expect("an answer")
}

fn is_retained(cluster: &DynamicObject) -> bool {
    cluster.labels().get(RETAINED_LABEL).map(String::as_str) == Some("true")
}

async fn delete_app(world: &World<'_>, params: &DeleteParams) {
    let deleted = world.api::<ChatApp>().delete(APP, params).await;
    deleted.expect("a deletion");
}

async fn until_gone(world: &World<'_>) {
    world
        .until("the end of the ChatApp", async || {
            let app = world.api::<ChatApp>().get_opt(APP).await.ok()?;
            app.is_none().then_some(())
        })
        .await;
}

/// Retained, whichever way the ChatApp is deleted, and then adopted.
async fn is_retained_and_adopted(namespace: &str, params: &DeleteParams) {
    let server = ApiServer::shared().await;
    let world = World::new(server, namespace).await;
    let mut spec = spec();
    spec["retention"] = json!({"days": 30});
    world.create_app(spec.clone()).await;
    let app = world.bring_up().await;
    assert!(
        app.finalizers()
            .iter()
            .any(|name| name == DATABASE_FINALIZER)
    );
    let before = cluster(&world).await.expect("a Cluster");

    delete_app(&world, params).await;
    until_gone(&world).await;
    let left = cluster(&world).await.expect("the Cluster stays");
    assert_eq!(left.uid(), before.uid());
    assert!(
        left.metadata.deletion_timestamp.is_none() && is_retained(&left),
        "{left:?}"
    );
    assert_eq!(left.data["spec"], before.data["spec"]);

    assert!(
        world
            .api::<CronJob>()
            .get_opt("demo-purge")
            .await
            .expect("an answer")
            .is_none()
    );

    world.create_app(spec).await;
    world.bring_up().await;
    let adopted = cluster(&world).await.expect("the Cluster stays");
    assert_eq!(adopted.uid(), before.uid());
    assert!(!is_retained(&adopted), "{adopted:?}");
}

#[tokio::test]
async fn a_database_outlives_its_chat_app_and_is_adopted() {
    is_retained_and_adopted("deletion-background", &DeleteParams::background()).await;
}

#[tokio::test]
async fn a_database_outlives_a_deletion_in_the_foreground() {
    is_retained_and_adopted("deletion-foreground", &DeleteParams::foreground()).await;
}

#[tokio::test]
async fn a_database_whose_labels_were_changed_outlives_its_chat_app_too() {
    let server = ApiServer::shared().await;
    let mut world = World::new(server, "deletion-labels").await;
    world.create_app(spec()).await;
    world.bring_up().await;
    let before = cluster(&world).await.expect("a Cluster").uid();
    // While nobody puts them back.
    world.stop_operator();
    let change = json!({"metadata": {"labels": {"sillychat.io/chatapp": null, "app.kubernetes.io/managed-by": "Helm"}}});
    let patch = Patch::Merge(change);
    let clusters = world.clusters();
    let edited = clusters
        .patch(CLUSTER, &PatchParams::default(), &patch)
        .await;
    edited.expect("an edit");
    delete_app(&world, &DeleteParams::background()).await;
    world.start_operator().await;
    until_gone(&world).await;
    assert!(is_retained(&cluster(&world).await.expect("a Cluster")));

    world.create_app(spec()).await;
    world.bring_up().await;
    let adopted = cluster(&world).await.expect("the Cluster stays");
    assert_eq!(adopted.uid(), before);
    assert!(!is_retained(&adopted), "{adopted:?}");
}

#[tokio::test]
async fn what_a_deletion_without_children_leaves_is_taken_over() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-orphan").await;
    world.create_app(deleting_spec()).await;
    world.bring_up().await;
    let before = cluster(&world).await.expect("a Cluster").uid();
    let former: Deployment = world.api().get("demo-server").await.expect("the server");

    delete_app(&world, &DeleteParams::orphan()).await;
    until_gone(&world).await;
    let app = world.create_app(deleting_spec()).await;
    world.bring_up().await;
    assert_eq!(cluster(&world).await.expect("a Cluster").uid(), before);
    let present: Deployment = world.api().get("demo-server").await.expect("the server");
    assert_eq!(present.uid(), former.uid());
    assert_eq!(
        present
            .owner_references()
            .first()
            .map(|owner| owner.uid.clone()),
        app.uid()
    );
}

#[tokio::test]
async fn with_delete_the_database_goes_too() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-delete").await;
    world.create_app(deleting_spec()).await;
    world.bring_up().await;
    delete_app(&world, &DeleteParams::background()).await;
    until_gone(&world).await;
    world
        .until("nothing left", async || {
            let is_empty = cluster(&world).await.is_none()
                && world.all::<Deployment>().await.is_empty()
                && world.all::<Job>().await.is_empty();
            is_empty.then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_policy_that_changes_back_and_forth_takes_the_owner_off_again() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-policy").await;
    world.create_app(deleting_spec()).await;
    world.bring_up().await;
    assert_eq!(
        cluster(&world)
            .await
            .expect("a Cluster")
            .owner_references()
            .len(),
        1
    );
    world
        .edit::<ChatApp>(
            APP,
            json!({"spec": {"database": {"deletionPolicy": "Retain"}}}),
        )
        .await;
    world
        .until("a Cluster without an owner", async || {
            cluster(&world)
                .await?
                .owner_references()
                .is_empty()
                .then_some(())
        })
        .await;
}

/// The collector doesn't ask what the Cluster was refused for.
#[tokio::test]
async fn a_database_that_was_grown_by_hand_can_still_be_kept() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-grown").await;
    world.create_app(deleting_spec()).await;
    world.bring_up().await;
    let grow = Patch::Merge(json!({"spec": {"storage": {"size": "2Gi"}}}));
    let grown = world
        .clusters()
        .patch(CLUSTER, &PatchParams::default(), &grow)
        .await;
    grown.expect("an edit");
    let type_ = ConditionType::DatabaseReady;
    world.until_reason(type_, "StorageWouldShrink").await;
    let keep = json!({"spec": {"database": {"deletionPolicy": "Retain"}}});
    world.edit::<ChatApp>(APP, keep).await;
    world.until_reason(type_, "StorageWouldShrink").await;

    delete_app(&world, &DeleteParams::foreground()).await;
    until_gone(&world).await;
    let left = cluster(&world).await.expect("the Cluster stays");
    assert!(
        left.metadata.deletion_timestamp.is_none() && is_retained(&left),
        "{left:?}"
    );
    assert_eq!(left.data["spec"]["storage"]["size"], "2Gi");
}

/// The pod that is waited for otherwise still runs, and Kubernetes deletes nothing else as long as it does.
#[tokio::test]
async fn a_namespace_that_is_deleted_does_not_hang() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-namespace").await;
    world.create_app(spec()).await;
    world.report_cluster(3, "healthy").await;
    begin(&world, &world.until_job().await).await;
    delete_app(&world, &DeleteParams::background()).await;
    world.until_reason(ConditionType::Ready, "Deleting").await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces
        .delete("deletion-namespace", &DeleteParams::default())
        .await
        .expect("a deletion");
    until_gone(&world).await;
    assert_eq!(world.all::<Pod>().await.len(), 1);
    assert!(cluster(&world).await.is_some());

    end(&world).await;
    world
        .until("the end of the namespace", async || {
            world.collect_garbage().await;
            let namespace = namespaces.get_opt("deletion-namespace").await.ok()?;
            namespace.is_none().then_some(())
        })
        .await;
}

/// As the Job controller and a kubelet: the Job has a pod that runs until [`end`].
async fn begin(world: &World<'_>, job: &Job) {
    let mut template = job.spec.as_ref().expect("a spec").template.clone();
    let metadata = template.metadata.get_or_insert_default();
    metadata.name = Some("migrating".to_owned());
    let labels = metadata.labels.get_or_insert_default();
    labels.insert("batch.kubernetes.io/job-name".to_owned(), job.name_any());
    let mut pod: Pod = serde_json::from_value(json!(template)).expect("a Pod");
    pod.metadata.finalizers = Some(vec!["example.org/runs".to_owned()]);
    let spec = pod.spec.get_or_insert_default();
    spec.service_account_name = None;
    world
        .api::<Pod>()
        .create(&PostParams::default(), &pod)
        .await
        .expect("the pod");
}

async fn end(world: &World<'_>) {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let pods = world.api::<Pod>();
    pods.patch("migrating", &PatchParams::default(), &patch)
        .await
        .expect("an edit");
    let at_once = DeleteParams::default().grace_period(0);
    // If it was to end already, it is gone with its finalizer.
    let _ = pods.delete("migrating", &at_once).await;
}

#[tokio::test]
async fn a_migration_ends_before_its_database_is_left_behind() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-migration").await;
    world.create_app(spec()).await;
    world.report_cluster(3, "healthy").await;
    begin(&world, &world.until_job().await).await;

    delete_app(&world, &DeleteParams::background()).await;
    let app = world.until_reason(ConditionType::Ready, "Deleting").await;
    let message = &condition(&app, ConditionType::Ready)
        .expect("a condition")
        .message;
    assert!(message.contains("pod migrating"), "{message}");
    world
        .until("the Job is gone", async || {
            world.all::<Job>().await.is_empty().then_some(())
        })
        .await;
    assert!(!is_retained(&cluster(&world).await.expect("a Cluster")));

    end(&world).await;
    until_gone(&world).await;
    assert!(is_retained(&cluster(&world).await.expect("a Cluster")));
}

#[tokio::test]
async fn an_adopted_database_is_not_asked_to_shrink_and_a_foreign_one_not_touched() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "deletion-foreign").await;
    let foreign: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
        "metadata": {"name": CLUSTER, "labels": {"sillychat.io/chatapp": APP}},
        "spec": {"instances": 1, "storage": {"size": "5Gi"}},
    }))
    .expect("a Cluster");
    let params = PostParams::default();
    let foreign = world
        .clusters()
        .create(&params, &foreign)
        .await
        .expect("the Cluster");
    world.create_app(spec()).await;
    let type_ = ConditionType::DatabaseReady;
    world.until_reason(type_, "ApplyRefused").await;
    assert_eq!(cluster(&world).await, Some(foreign));
    world
        .clusters()
        .delete(CLUSTER, &DeleteParams::default())
        .await
        .expect("a deletion");
    world.touch_app().await;
    world.bring_up().await;

    let grow = json!({"spec": {"database": {"cluster": {"storage": {"size": "2Gi"}}}}});
    world.edit::<ChatApp>(APP, grow.clone()).await;
    world.bring_up().await;
    let before = cluster(&world).await.expect("a Cluster").uid();
    delete_app(&world, &DeleteParams::background()).await;
    until_gone(&world).await;
    world.create_app(spec()).await;
    let app = world.until_reason(type_, "StorageWouldShrink").await;
    let message = &condition(&app, type_).expect("a condition").message;
    assert!(message.contains("write 2Gi or more"), "{message}");
    assert!(is_retained(&cluster(&world).await.expect("a Cluster")));
    world.edit::<ChatApp>(APP, grow).await;
    world.bring_up().await;
    assert_eq!(cluster(&world).await.expect("a Cluster").uid(), before);
}
