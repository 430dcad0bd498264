//! What is left of former specs: objects of ours that the plan neither wants nor keeps. Kinds whose objects hold data, or whose end
//! has an order, are never among them ([`Kind::is_pruned`]).

use std::collections::BTreeSet;

use super::{Child, Deletion, Observed};
use crate::kinds::Kind;

/// An object that stays although the plan has nothing to apply to it.
pub(crate) type Kept = (Kind, String);

/// The objects to delete.
pub(crate) fn prune(observed: &Observed, children: &[Child], kept: &[Kept]) -> Vec<Deletion> {
    let wanted = children
        .iter()
        .filter_map(|child| Some((Kind::named(child.kind())?, child.name())));
    let kept = kept.iter().map(|(kind, name)| (*kind, name.as_str()));
    let stays: BTreeSet<(Kind, &str)> = wanted.chain(kept).collect();
    let kinds = Kind::ALL
        .iter()
        .filter(|kind| kind.is_pruned() && observed.knows(**kind));
    kinds
        .flat_map(|kind| {
            let ours = observed
                .found(*kind)
                .filter(|object| observed.is_ours(object));
            ours.filter_map(|object| Deletion::named(*kind, object))
        })
        .filter(|deletion| {
            !Kind::named(&deletion.kind).is_some_and(|kind| stays.contains(&(kind, &deletion.name)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chatapp_crds::{ChatApp, ConditionType};
    use serde_json::{Value, json};

    use super::*;

    fn object(name: &str, owner: &str) -> Value {
        json!({"metadata": {"name": name, "uid": format!("uid-of-{name}"), "ownerReferences": [{"uid": owner, "controller": true}]}})
    }

    fn observed() -> Observed {
        let mut app = ChatApp::new(
            "demo",
            serde_json::from_value(json!({"server": {"image": "s"}, "frontend": {"image": "f"},
            "database": {}}))
            .expect("a spec"),
        );
        app.metadata.uid = Some("app".to_owned());
        Observed::of(&app)
    }

    fn pruned(observed: &Observed, children: &[Child], kept: &[Kept]) -> Vec<String> {
        let deletions = prune(observed, children, kept).into_iter();
        deletions
            .map(|deletion| format!("{}/{} {}", deletion.kind, deletion.name, deletion.uid))
            .collect()
    }

    #[test]
    fn what_is_neither_wanted_nor_kept_goes_by_its_uid() {
        let mut observed = observed();
        for name in ["wanted", "kept", "left"] {
            observed.put(Kind::Ingress, object(name, "app"));
        }
        observed.put(Kind::Service, object("wanted", "app"));
        let wanted = Child::new(
            ConditionType::Ready,
            json!({"kind": "Ingress", "metadata": {"name": "wanted"}}),
        );
        let kept = [(Kind::Ingress, "kept".to_owned())];
        assert_eq!(
            pruned(&observed, &[wanted], &kept),
            ["Service/wanted uid-of-wanted", "Ingress/left uid-of-left"]
        );
    }

    #[test]
    fn what_others_own_or_is_on_its_way_out_is_left_alone() {
        let mut observed = observed();
        observed.put(Kind::Service, object("demo-db-rw", "cluster"));
        let mut leaving = object("leaving", "app");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        observed.put(Kind::Service, leaving);
        assert_eq!(pruned(&observed, &[], &[]), [""; 0]);
    }

    #[test]
    fn databases_pods_and_jobs_are_never_pruned() {
        let mut observed = observed();
        for kind in [Kind::Cluster, Kind::Pod, Kind::Job] {
            observed.put(kind, object("x", "app"));
        }
        assert_eq!(pruned(&observed, &[], &[]), [""; 0]);
    }
}
