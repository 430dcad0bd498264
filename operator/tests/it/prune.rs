//! Objects that no plan wants any more go; objects of others stay, even with the ChatApp's label.

use k8s_openapi::{
    api::core::v1::{ConfigMap, Service},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};

use crate::{
    api_server::ApiServer,
    world::{APP, World, spec},
};

fn labelled(name: &str, owner: Option<OwnerReference>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some([("sillychat.io/chatapp".to_owned(), APP.to_owned())].into()),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

#[tokio::test]
async fn what_a_former_operator_made_goes_and_what_others_made_stays() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "prune").await;
    world.create_app(spec()).await;
    let app = world.bring_up().await;
    let of_app = app.controller_owner_ref(&()).expect("an owner reference");
    let of_service = world.api::<Service>().get("demo-server").await;
    let of_service = of_service.expect("a Service").controller_owner_ref(&());
    let of_former = OwnerReference {
        uid: "5bd2ff5a-0000-0000-0000-000000000000".to_owned(),
        ..of_app.clone()
    };
    for (name, owner) in [
        ("former", Some(of_app)),
        ("of-another", of_service),
        ("of-a-former-app", Some(of_former)),
        ("of-nobody", None),
    ] {
        let object = ConfigMap {
            metadata: labelled(name, owner),
            ..ConfigMap::default()
        };
        let created = world.api().create(&PostParams::default(), &object).await;
        created.expect("a ConfigMap");
    }

    world
        .until("the end of the former one", async || {
            let former = world.api::<ConfigMap>().get_opt("former").await.ok()?;
            former.is_none().then_some(())
        })
        .await;
    // The passes after it leave the others alone.
    world.touch_app().await;
    world.bring_up().await;
    let mut left: Vec<String> = world
        .all::<ConfigMap>()
        .await
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    left.retain(|name| name.starts_with("of-"));
    assert_eq!(left, ["of-a-former-app", "of-another", "of-nobody"]);
}
