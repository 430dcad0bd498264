//! What server-side apply would make of a live object: what is wanted is put over it, what the operator decided before and doesn't
//! any more goes, and what others have decided stays. The API server's own defaults are those of the live object.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

use serde_json::{Map, Value, json};

use crate::{
    apply::FIELD_MANAGER,
    compare::{ATOMIC, RULES, SELECTORS, covers},
};

/// The object after `wanted` has been applied to `live`, which has its managed fields.
pub(crate) fn applied(live: &Value, wanted: &Value) -> Value {
    let mut object = live.clone();
    let (ours, others): (Vec<&Value>, Vec<&Value>) = managers(live)
        .partition(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply");
    let others: Vec<&Value> = others.iter().map(|entry| &entry["fieldsV1"]).collect();
    for entry in ours {
        give_up(&entry["fieldsV1"], &others, wanted, &mut object);
    }
    put_over(wanted, &mut object, "value");
    object
}

fn managers(object: &Value) -> impl Iterator<Item = &Value> {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    entries.into_iter().flatten()
}

/// Takes out of `object` what of `ours` isn't in `wanted` and none of the `others` has a say in. `ours` and `others` are sets of
/// fields: `f:<field>`, `k:<keys of a list's item>`, `v:<item of a list>`.
fn give_up(ours: &Value, others: &[&Value], wanted: &Value, object: &mut Value) {
    for (entry, below) in ours.as_object().into_iter().flatten() {
        let others: Vec<&Value> = others.iter().filter_map(|other| other.get(entry)).collect();
        let found = match (entry.split_once(':'), &mut *object) {
            (Some(("f", field)), Value::Object(fields)) => {
                let wanted = wanted.get(field).filter(|wanted| !wanted.is_null());
                if wanted.is_none() && others.is_empty() {
                    fields.remove(field);
                    continue;
                }
                fields.get_mut(field).zip(wanted.or(Some(&Value::Null)))
            }
            (Some((kind @ ("k" | "v"), key)), Value::Array(items)) => {
                let is_meant = |item: &Value| match kind {
                    "k" => has_keys(item, key),
                    _ => serde_json::from_str(key).is_ok_and(|key: Value| key == *item),
                };
                let wanted = wanted
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|item| is_meant(item));
                if wanted.is_none() && others.is_empty() {
                    items.retain(|item| !is_meant(item));
                    continue;
                }
                let item = items.iter_mut().find(|item| is_meant(item));
                item.zip(wanted.or(Some(&Value::Null)))
            }
            _ => None,
        };
        if let Some((object, wanted)) = found {
            give_up(below, &others, wanted, object);
        }
    }
}

/// Whether a list's item is the one of these keys, a JSON object. A key that an item leaves out has its default.
fn has_keys(item: &Value, keys: &str) -> bool {
    let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
    !keys.is_empty()
        && keys.iter().all(|(key, value)| {
            item.get(key)
                .map_or(key == "protocol", |found| found == value)
        })
}

/// Puts what is wanted over what is there, where it makes a difference. `context` is the field that the values are below: quantities
/// of resources are compared by value.
fn put_over(wanted: &Value, object: &mut Value, context: &str) {
    if covers(&json!({ context: object }), &json!({ context: wanted })) {
        return;
    }
    match (wanted, &mut *object) {
        (Value::Object(wanted), Value::Object(fields)) if !SELECTORS.contains(&context) => {
            for (name, wanted) in wanted {
                let is_quantity = matches!(context, "requests" | "limits");
                let context = if is_quantity { context } else { name };
                match fields.get_mut(name) {
                    Some(field) => put_over(wanted, field, context),
                    None if is_empty(wanted, context) => {}
                    None => {
                        fields.insert(name.clone(), wanted.clone());
                    }
                }
            }
        }
        (Value::Array(wanted), Value::Array(items)) => {
            let name = |item: &Value| item.get("name").cloned();
            let is_whole = RULES.contains(&context) || ATOMIC.contains(&context);
            if !is_whole && wanted.iter().all(|item| name(item).is_some()) {
                for wanted in wanted {
                    match items.iter_mut().find(|item| name(item) == name(wanted)) {
                        Some(item) => put_over(wanted, item, context),
                        None => items.push(wanted.clone()),
                    }
                }
            } else if wanted.len() == items.len() {
                for (wanted, item) in wanted.iter().zip(&mut *items) {
                    if name(item) == name(wanted) {
                        put_over(wanted, item, context);
                    } else {
                        item.clone_from(wanted);
                    }
                }
                if !covers(&json!({ context: items }), &json!({ context: wanted })) {
                    items.clone_from(wanted);
                }
            } else {
                items.clone_from(wanted);
            }
        }
        (wanted, object) => object.clone_from(wanted),
    }
}

/// The API server leaves it out.
fn is_empty(wanted: &Value, context: &str) -> bool {
    covers(&json!({}), &json!({ context: wanted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(spec: &Value, ours: &Value, others: &Value) -> Value {
        json!({
            "metadata": {"name": "demo", "managedFields": [
                {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": ours},
                {"manager": "hand", "operation": "Update", "fieldsV1": others},
            ]},
            "spec": spec,
        })
    }

    #[test]
    fn what_others_and_defaults_add_stays_and_what_is_wanted_is_put_over_it() {
        let live = deployment(
            &json!({"paused": false, "replicas": 2, "containers": [{"name": "sidecar"}, {"name": "a", "image": "x", "tty": false, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]}),
            &json!({}),
            &json!({}),
        );
        let wanted = json!({"spec": {"replicas": 3, "containers": [{"name": "a", "image": "y", "env": [], "resources": {"requests": {"cpu": "1000m", "memory": "2Gi"}}}]}});
        assert_eq!(
            applied(&live, &wanted)["spec"],
            json!({"paused": false, "replicas": 3, "containers": [{"name": "sidecar"}, {"name": "a", "image": "y", "tty": false, "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}}]})
        );
    }

    #[test]
    fn what_the_operator_decided_and_does_not_any_more_goes_unless_others_have_a_say() {
        let live = deployment(
            &json!({"color": "red", "size": 5, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "words": ["x", "y"]}),
            &json!({"f:spec": {"f:color": {}, "f:size": {}, "f:words": {"v:\"x\"": {}, "v:\"y\"": {}},
                "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}, "k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:value": {}}}}}),
            &json!({"f:spec": {"f:size": {}}}),
        );
        let wanted = json!({"spec": {"env": [{"name": "B", "value": "2"}], "words": ["y"]}});
        assert_eq!(
            applied(&live, &wanted)["spec"],
            json!({"size": 5, "env": [{"name": "B", "value": "2"}], "words": ["y"]})
        );
    }

    #[test]
    fn a_selector_is_one_value() {
        let live = json!({"spec": {"selector": {"app": "a", "x": "y"}}});
        let wanted = json!({"spec": {"selector": {"app": "a"}}});
        assert_eq!(applied(&live, &wanted), wanted);
    }

    #[test]
    fn a_policy_that_was_opened_is_closed() {
        let policy = |from: Value, ingress: Value| json!({"spec": {"podSelector": {"matchLabels": from}, "ingress": ingress}});
        let rule =
            |peer: Value| json!([{"from": [peer], "ports": [{"port": 80, "protocol": "TCP"}]}]);
        let page = json!({"podSelector": {"matchLabels": {"app": "page"}}});
        let anywhere =
            json!({"podSelector": {"matchLabels": {"app": "page"}}, "namespaceSelector": {}});
        let wanted = policy(json!({"app": "a"}), rule(page));
        let opened = policy(json!({"app": "a", "x": "y"}), rule(anywhere));
        assert_eq!(applied(&opened, &wanted), wanted);
        let closed = policy(json!({"app": "a"}), json!([]));
        assert_eq!(applied(&wanted, &closed), closed);
    }

    #[test]
    fn backends_of_a_route_are_one_value() {
        let route = |backends: Value| json!({"spec": {"rules": [{"backendRefs": backends}]}});
        let wanted = route(json!([{"name": "a", "port": 80}]));
        let ours = json!({"name": "a", "port": 80, "weight": 1});
        let theirs = json!({"name": "b", "port": 80, "namespace": "c"});
        for (live, merged) in [
            (json!([ours]), route(json!([ours]))),
            (json!([ours, theirs]), wanted.clone()),
            (json!([theirs]), wanted.clone()),
        ] {
            assert_eq!(applied(&route(live.clone()), &wanted), merged, "{live}");
        }
    }

    proptest::proptest! {
        /// What is applied is there, and applying it again changes nothing.
        #[test]
        fn what_is_applied_is_covered(
            live in proptest::collection::btree_map("[a-d]", "[0-9]{1,2}", 0..4),
            wanted in proptest::collection::btree_map("[a-d]", "[0-9]{1,2}", 0..4),
            items in proptest::collection::btree_set("[a-d]", 0..4),
            wanted_items in proptest::collection::btree_set("[a-d]", 0..4),
        ) {
            let named = |items: &std::collections::BTreeSet<String>, fields: &std::collections::BTreeMap<String, String>| {
                items.iter().map(|item| json!({"name": item, "fields": fields})).collect::<Vec<_>>()
            };
            let live = json!({"spec": {"items": named(&items, &live), "limits": live}});
            let wanted = json!({"spec": {"items": named(&wanted_items, &wanted), "limits": wanted}});
            let once = applied(&live, &wanted);
            proptest::prop_assert!(covers(&once, &wanted), "{once}");
            proptest::prop_assert_eq!(&applied(&once, &wanted), &once);
        }
    }
}
