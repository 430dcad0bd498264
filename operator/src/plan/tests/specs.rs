//! Any spec that the rules of the API let through, with every field there or not. The integration tests ask the API server
//! whether it agrees.

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

type Values = BoxedStrategy<Value>;
/// A field, which may be absent.
type Field = (&'static str, BoxedStrategy<Option<Value>>);

/// A ChatApp's name.
pub(crate) fn name() -> impl Strategy<Value = String> {
    "[a-z]([-a-z0-9]{0,38}[a-z0-9])?"
}

/// A ChatApp's spec.
pub(crate) fn spec() -> Values {
    object(vec![
        always("server", server()),
        always(
            "frontend",
            object(vec![
                always("image", image()),
                maybe("replicas", 0..4),
                maybe("resources", resources()),
            ]),
        ),
        always("database", database()),
        maybe("route", route()),
        maybe("content", object(vec![always("configMapRef", reference())])),
        maybe("import", object(vec![always("sqlite", import())])),
        maybe("retention", object(vec![always("days", 1..36_501)])),
        maybe("scheduling", scheduling()),
        maybe(
            "imagePullSecrets",
            subsequence(vec!["one", "two", "three"], 0..=3).prop_map(|names| {
                names
                    .iter()
                    .map(|name| json!({ "name": name }))
                    .collect::<Vec<_>>()
            }),
        ),
        maybe("suspend", any::<bool>()),
    ])
}

fn server() -> Values {
    let scaled = object(vec![
        always("image", image()),
        always("autoscaling", autoscaling()),
        maybe("resources", with_cpu()),
        maybe("env", env()),
    ]);
    let fixed = object(vec![
        always("image", image()),
        maybe("replicas", 0..5),
        maybe("resources", resources()),
        maybe("env", env()),
    ]);
    prop_oneof![scaled, fixed].boxed()
}

fn autoscaling() -> impl Strategy<Value = Value> {
    let numbers = (option::of(1..9), 0..9, option::of(1..200));
    numbers.prop_map(|(min, more, target)| {
        let mut autoscaling = json!({"maxReplicas": min.unwrap_or(2) + more});
        if let Some(min) = min {
            autoscaling["minReplicas"] = json!(min);
        }
        if let Some(target) = target {
            autoscaling["targetCPUUtilizationPercentage"] = json!(target);
        }
        autoscaling
    })
}

fn env() -> impl Strategy<Value = Vec<Value>> {
    let optional = || option::of(any::<bool>());
    let key = |kind: &'static str| {
        (word(), optional()).prop_map(move |(name, optional)| {
            let mut source = json!({"name": name, "key": "key"});
            if let Some(optional) = optional {
                source["optional"] = json!(optional);
            }
            json!({"valueFrom": {kind: source}})
        })
    };
    let value = prop_oneof![
        "[ -~]{0,9}".prop_map(|value| json!({ "value": value })),
        Just(json!({})),
        Just(json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})),
        select(vec!["1", "1m", "1000m", "1Ki"]).prop_map(|divisor| {
            json!({"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": divisor}}})
        }),
        key("secretKeyRef"),
        key("configMapKeyRef"),
    ];
    // None of ours begins like this.
    let name = prop_oneof![
        "X_[A-Z0-9_]{0,6}",
        Just("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned())
    ];
    btree_map(name, value, 0..4).prop_map(|variables| {
        let variables = variables.into_iter().map(|(name, mut variable)| {
            variable["name"] = json!(name);
            variable
        });
        variables.collect()
    })
}

/// Requests are never larger than limits.
fn resources() -> Values {
    let requests = quantities(vec![
        ("cpu", vec!["100m", "0.1", "1e-1", "0", "12.5m", "0.0125"]),
        (
            "memory",
            vec!["64Mi", "65536Ki", "67108864", "1e7", "0.33333Gi"],
        ),
        ("ephemeral-storage", vec!["1G"]),
    ]);
    object(vec![maybe("requests", requests), maybe("limits", limits())])
}

fn with_cpu() -> Values {
    let requests = quantities(vec![("memory", vec!["64Mi"])]).prop_map(|mut requests| {
        requests["cpu"] = json!("1000m");
        requests
    });
    object(vec![
        always("requests", requests),
        maybe("limits", limits()),
    ])
}

fn limits() -> Values {
    quantities(vec![
        ("cpu", vec!["1", "1000m", "1.5", "2000m"]),
        ("memory", vec!["1Gi", "1024Mi", "1.5Gi", "1073741824"]),
        ("ephemeral-storage", vec!["2G", "2000M"]),
    ])
}

fn quantities(resources: Vec<(&'static str, Vec<&'static str>)>) -> Values {
    let fields = resources.into_iter();
    object(
        fields
            .map(|(name, quantities)| maybe(name, select(quantities)))
            .collect(),
    )
}

fn database() -> Values {
    let external = object(vec![always(
        "external",
        object(vec![always(
            "urlSecretRef",
            object(vec![always("name", word()), always("key", word())]),
        )]),
    )]);
    let cluster = object(vec![
        maybe("instances", 1..6),
        maybe("image", image()),
        always(
            "storage",
            object(vec![
                always("size", select(vec!["1Gi", "1024Mi", "1.5Gi"])),
                maybe("storageClass", word()),
            ]),
        ),
        maybe("resources", resources()),
        maybe("parameters", btree_map("[a-z_]{3,9}", "[ -~]{0,9}", 0..3)),
        maybe(
            "pooler",
            object(vec![
                maybe("instances", 1..4),
                maybe("mode", select(vec!["transaction", "session"])),
            ]),
        ),
    ]);
    let cluster = object(vec![
        always("cluster", cluster),
        maybe("deletionPolicy", select(vec!["Retain", "Delete"])),
    ]);
    prop_oneof![1 => external, 3 => cluster].boxed()
}

fn route() -> Values {
    let host = || "[a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?([.][a-z]{2,5}){1,2}";
    let issuer = object(vec![
        maybe("kind", select(vec!["Issuer", "ClusterIssuer"])),
        always("name", word()),
    ]);
    let tls = prop_oneof![
        object(vec![always("secretName", word())]),
        object(vec![always("issuerRef", issuer)]),
    ];
    let annotations = btree_map("example[.]org/[a-z]{1,5}", "[ -~]{0,9}", 0..3);
    let ingress = object(vec![
        always("host", host()),
        always(
            "ingress",
            object(vec![
                maybe("className", word()),
                maybe("annotations", annotations),
            ]),
        ),
        maybe("tls", tls),
    ]);
    let parent = object(vec![
        always("name", word()),
        maybe("namespace", word()),
        maybe("sectionName", select(vec!["http", "https"])),
        maybe("port", 1..65_536),
    ]);
    let gateway = object(vec![
        always("host", host()),
        always(
            "gateway",
            object(vec![always("parentRefs", vec(parent, 1..3))]),
        ),
    ]);
    prop_oneof![ingress, gateway].boxed()
}

fn import() -> Values {
    let claim = object(vec![
        always("claimName", word()),
        always("path", "[a-z]{1,5}(/[a-z]{1,5}[.]db)?"),
    ]);
    let key = object(vec![
        always("name", word()),
        always("key", "[-._a-zA-Z0-9]{1,9}"),
    ]);
    let rejects = || maybe("rejects", select(vec!["Refuse", "Skip"]));
    prop_oneof![
        object(vec![always("persistentVolumeClaim", claim), rejects()]),
        object(vec![always("configMapRef", key), rejects()]),
    ]
    .boxed()
}

fn scheduling() -> Values {
    let node = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]});
    let pods = json!({"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "rack"});
    let affinity = subsequence(
        vec![
            ("nodeAffinity", json!({"requiredDuringSchedulingIgnoredDuringExecution": node})),
            ("podAffinity", json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": pods}]})),
            ("podAntiAffinity", json!({"requiredDuringSchedulingIgnoredDuringExecution": [pods]})),
        ],
        0..=3,
    )
    .prop_map(|terms| json!(terms.into_iter().collect::<std::collections::BTreeMap<_, _>>()));
    let tolerations = subsequence(
        vec![
            json!({"operator": "Exists"}),
            json!({"key": "spot", "operator": "Exists"}),
            json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"}),
            json!({"key": "slow", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}),
        ],
        0..=4,
    );
    let spread = subsequence(
        vec![
            json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}),
            json!({"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2}),
            json!({"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"a": "b"}}, "nodeTaintsPolicy": "Honor"}),
        ],
        0..=3,
    );
    object(vec![
        maybe("nodeSelector", btree_map(word(), "[a-z]{0,5}", 0..3)),
        maybe("tolerations", tolerations),
        maybe("affinity", affinity),
        maybe("topologySpreadConstraints", spread),
    ])
}

fn reference() -> Values {
    object(vec![always("name", word())])
}

fn image() -> impl Strategy<Value = String> {
    prop_oneof![
        "registry[.]example[.]org/[a-z]{1,5}:[1-3]",
        "[a-z]{1,5}@sha256:[0-9a-f]{64}",
    ]
}

/// A name of an object.
fn word() -> impl Strategy<Value = String> {
    "[a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?"
}

fn always<V: serde::Serialize + std::fmt::Debug + 'static>(
    name: &'static str,
    value: impl Strategy<Value = V> + 'static,
) -> Field {
    (name, value.prop_map(|value| Some(json!(value))).boxed())
}

fn maybe<V: serde::Serialize + std::fmt::Debug + 'static>(
    name: &'static str,
    value: impl Strategy<Value = V> + 'static,
) -> Field {
    let value = option::of(value);
    (
        name,
        value
            .prop_map(|value| value.map(|value| json!(value)))
            .boxed(),
    )
}

fn object(fields: Vec<Field>) -> Values {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values
        .prop_map(move |values| {
            let fields = names.iter().zip(values);
            let present = fields.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            Value::Object(present.collect::<Map<_, _>>())
        })
        .boxed()
}
