//! Objects of others that decide whether a route works: its Gateways, cert-manager's Certificate, the Secret of an Ingress. Who
//! needs which is `plan::route`'s business. Of a Secret only the metadata is asked for, and who hasn't given the operator the right to
//! that is told that it doesn't know (docs/adr/0009).

use futures::future::try_join_all;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::json;

use crate::{
    pass::PassError,
    plan::{Neighbour, Observed, Sight},
};

/// Looks at them. An object that can't be read for another reason than a missing right fails the pass: it is to be tried again.
pub(crate) async fn observe(
    client: &Client,
    neighbours: Vec<Neighbour>,
    observed: &mut Observed,
) -> Result<(), PassError> {
    let looks = neighbours.into_iter().map(|neighbour| async {
        let sight = look(client, &neighbour).await?;
        Ok::<_, PassError>((neighbour, sight))
    });
    observed.neighbours = try_join_all(looks).await?.into_iter().collect();
    Ok(())
}

async fn look(client: &Client, neighbour: &Neighbour) -> Result<Sight, PassError> {
    let kind = GroupVersionKind::gvk(neighbour.group, neighbour.version, neighbour.kind);
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &neighbour.namespace, &resource);
    let found = if neighbour.is_secret() {
        let found = api.get_metadata_opt(&neighbour.name).await;
        found.map(|found| found.map(|_| json!({})))
    } else {
        let found = api.get_opt(&neighbour.name).await;
        found.map(|found| found.map(|found| json!(found)))
    };
    match found {
        Ok(Some(object)) => Ok(Sight::Found(object)),
        Ok(None) => Ok(Sight::Missing),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Sight::Hidden),
        // Without the CRD (cert-manager isn't installed) nobody speaks of a reason.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Sight::Missing),
        Err(source) => Err(PassError::Read {
            what: format!("{} {}", neighbour.kind, neighbour.name),
            source,
        }),
    }
}
