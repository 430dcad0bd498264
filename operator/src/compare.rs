//! Whether a live object already is as wanted. It knows what the API server does to objects on the way in (defaults, empty fields
//! left out, quantities written its own way) and nothing of what the objects are.

use serde_json::Value;

/// Fields that say more or less than nothing where they are left out: a policy with one that others have added is another policy.
const DECISIVE: [&str; 6] = [
    "endPort",
    "from",
    "ipBlock",
    "namespaceSelector",
    "podSelector",
    "to",
];
/// Selectors are values as a whole: a label that is added to one selects less. Not `labelSelector`: the API server adds labels to
/// those of a pod.
pub(crate) const SELECTORS: [&str; 3] = ["namespaceSelector", "podSelector", "selector"];
/// Lists that let nothing through where they are empty: an item that others have added is a difference.
pub(crate) const RULES: [&str; 2] = ["egress", "ingress"];

/// Lists that the API takes as a whole although their items have names (`x-kubernetes-list-type: atomic`): nobody takes out again what
/// others have added.
pub(crate) const ATOMIC: [&str; 2] = ["backendRefs", "parentRefs"];

/// Whether everything in `wanted` is in `live`, which may hold more: defaults, and fields of others. Lists of named things are
/// compared by name unless they are [`ATOMIC`], other lists as a whole.
pub(crate) fn covers(live: &Value, wanted: &Value) -> bool {
    is_subset(wanted, live, false)
}

/// `quantity`: the values are quantities of resources.
fn is_subset(wanted: &Value, live: &Value, quantity: bool) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            let is_added = |key: &str| live.contains_key(key) && !wanted.contains_key(key);
            !DECISIVE.iter().any(|key| is_added(key))
                && wanted.iter().all(|(key, wanted)| {
                    let key = key.as_str();
                    let quantity = quantity || matches!(key, "requests" | "limits" | "divisor");
                    live.get(key).map_or_else(
                        || is_empty(wanted),
                        |live| {
                            let is_whole =
                                !SELECTORS.contains(&key) || is_subset(live, wanted, false);
                            let is_closed =
                                !RULES.contains(&key) || !is_empty(wanted) || is_empty(live);
                            let is_complete = match (wanted, live) {
                                (Value::Array(wanted), Value::Array(live)) => {
                                    !ATOMIC.contains(&key) || is_same_list(wanted, live, quantity)
                                }
                                _ => true,
                            };
                            is_whole
                                && is_closed
                                && is_complete
                                && is_subset(wanted, live, quantity)
                        },
                    )
                })
        }
        (Value::Array(wanted), Value::Array(live)) => {
            let named = wanted.iter().all(|item| item.get("name").is_some());
            if named {
                wanted.iter().all(|wanted| {
                    live.iter().any(|live| {
                        live["name"] == wanted["name"] && is_subset(wanted, live, quantity)
                    })
                })
            } else {
                is_same_list(wanted, live, quantity)
            }
        }
        (Value::String(wanted), Value::String(live)) if quantity => {
            wanted == live || same_quantity(wanted, live)
        }
        _ => wanted == live,
    }
}

fn is_same_list(wanted: &[Value], live: &[Value], quantity: bool) -> bool {
    let mut pairs = wanted.iter().zip(live);
    wanted.len() == live.len() && pairs.all(|(wanted, live)| is_subset(wanted, live, quantity))
}

/// The API server leaves out what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The API server writes quantities in its own way, `1000m` becomes `1`, and rounds those of pods up to thousandths. A change that is
/// smaller is no difference here; it is one in the hash of what was applied.
fn same_quantity(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (parse_quantity(one), parse_quantity(other)) else {
        return false;
    };
    let (one, other) = (thousandths(one), thousandths(other));
    is_close(one, other)
}

/// Rounded up.
fn thousandths(quantity: f64) -> f64 {
    let exact = quantity * 1000.0;
    let nearest = exact.round();
    if is_close(exact, nearest) {
        nearest
    } else {
        exact.ceil()
    }
}

/// But for what is lost in computing: three operations at most.
fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 3.0 * f64::EPSILON * one.abs().max(other.abs())
}

/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub(crate) fn parse_quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let suffixed = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|number| (number, factor)));
    let (number, factor) = suffixed.unwrap_or((text, &1.0));
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_and_defaults_add_is_no_difference() {
        let wanted = json!({"spec": {"replicas": 2, "containers": [{"name": "a", "image": "x", "env": []}]}});
        let live = json!({"spec": {"replicas": 2, "paused": false, "containers": [{"name": "sidecar"}, {"name": "a", "image": "x", "tty": false}]}});
        assert!(covers(&live, &wanted));
    }

    #[test]
    fn a_changed_a_missing_and_a_shortened_value_are_differences() {
        let wanted = json!({"spec": {"replicas": 2, "args": ["a", "b"]}});
        for live in [
            json!({"spec": {"replicas": 3, "args": ["a", "b"]}}),
            json!({"spec": {"args": ["a", "b"]}}),
            json!({"spec": {"replicas": 2, "args": ["a"]}}),
            json!({}),
        ] {
            assert!(!covers(&live, &wanted), "{live}");
        }
    }

    #[test]
    fn a_label_that_is_added_to_a_selector_is_a_difference() {
        let service = |selector: serde_json::Value| json!({"spec": {"selector": selector}});
        let wanted = service(json!({"app": "a"}));
        assert!(covers(&service(json!({"app": "a"})), &wanted));
        assert!(!covers(&service(json!({"app": "a", "x": "y"})), &wanted));
    }

    #[test]
    fn a_network_policy_that_lets_more_or_less_through_is_a_difference() {
        let policy = |pods: Value, ingress: Value| json!({"spec": {"podSelector": {"matchLabels": pods}, "ingress": ingress}});
        let peer = json!({"podSelector": {"matchLabels": {"app": "page"}}});
        let rule = |peer: &Value, port: Value| json!([{"from": [peer], "ports": [port]}]);
        let port = json!({"port": 80, "protocol": "TCP"});
        let wanted = policy(json!({"app": "a"}), rule(&peer, port.clone()));
        assert!(covers(&wanted, &wanted));
        let mut wider = peer.clone();
        wider["namespaceSelector"] = json!({});
        let mut many = port.clone();
        many["endPort"] = json!(90);
        for live in [
            policy(json!({"app": "a", "x": "y"}), rule(&peer, port.clone())),
            policy(json!({"app": "a"}), rule(&wider, port.clone())),
            policy(json!({"app": "a"}), rule(&peer, many)),
        ] {
            assert!(!covers(&live, &wanted), "{live}");
        }
        let closed = policy(json!({"app": "a"}), json!([]));
        assert!(covers(
            &json!({"spec": {"podSelector": {"matchLabels": {"app": "a"}}}}),
            &closed
        ));
        assert!(!covers(&policy(json!({"app": "a"}), json!([{}])), &closed));
        let open = policy(json!({"app": "a"}), json!([{"ports": [port]}]));
        assert!(!covers(&wanted, &open), "not from everywhere any more");
    }

    #[test]
    fn a_backend_or_a_gateway_that_is_added_to_a_route_is_a_difference() {
        for list in ["backendRefs", "parentRefs"] {
            let route = |items: Value| json!({"spec": {"rules": [{ list: items }]}});
            let wanted = route(json!([{"name": "a", "port": 80}]));
            let ours = json!({"name": "a", "port": 80, "kind": "Service", "weight": 1});
            assert!(covers(&route(json!([ours])), &wanted), "defaults");
            let theirs = json!({"name": "b", "port": 80});
            for items in [json!([ours, theirs]), json!([theirs, ours]), json!([])] {
                assert!(!covers(&route(items.clone()), &wanted), "{list}: {items}");
            }
        }
    }

    #[test]
    fn quantities_are_compared_by_value_and_only_where_there_are_quantities() {
        let resources = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        assert!(covers(&resources("1"), &resources("1000m")));
        assert!(covers(
            &json!({"limits": {"memory": "1024Mi"}}),
            &json!({"limits": {"memory": "1Gi"}})
        ));
        assert!(!covers(&resources("1"), &resources("1001m")));
        for (live, wanted) in [
            ("13m", "12.5m"),
            ("13m", "0.0125"),
            ("357910362194m", "0.33333Gi"),
            ("57m", "57m"),
            ("0.057", "57m"),
            ("1m", "1n"),
        ] {
            assert!(covers(&resources(live), &resources(wanted)), "{wanted}");
        }
        assert!(!covers(&resources("12m"), &resources("12.5m")));
        assert!(!covers(&resources("14m"), &resources("12.5m")));
        let divided = |by: &str| json!({"resourceFieldRef": {"divisor": by}});
        assert!(covers(&divided("1"), &divided("1000m")));
        assert!(!covers(&json!({"image": "1"}), &json!({"image": "1000m"})));
    }

    proptest::proptest! {
        /// What is wanted is covered by itself with anything added, and not by itself with anything taken away.
        #[test]
        fn additions_are_covered_and_losses_are_not(
            wanted in proptest::collection::btree_map("[a-z]{1,3}", 1_u32..9, 1..5),
            added in proptest::collection::btree_map("[A-Z]{1,3}", 1_u32..9, 0..5),
            lost in proptest::prelude::any::<proptest::sample::Index>(),
        ) {
            let mut live = wanted.clone();
            live.extend(added);
            let object = |spec: &std::collections::BTreeMap<String, u32>| json!({ "spec": spec });
            let covered = covers(&object(&live), &object(&wanted));
            proptest::prop_assert!(covered, "with additions");
            let key = wanted.keys().nth(lost.index(wanted.len())).cloned().unwrap_or_default();
            live.remove(&key);
            let covered = covers(&object(&live), &object(&wanted));
            proptest::prop_assert!(!covered, "without {}", key);
        }
    }
}
