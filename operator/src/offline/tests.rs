use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn app(spec: &Value) -> Value {
    json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": "demo"}, "spec": spec})
}

fn spec() -> Value {
    json!({"server": {"image": "server:1"}, "frontend": {"image": "page:1"}, "database": {"cluster": {"storage": {"size": "1Gi"}}}})
}

fn said(object: &Value, former: Option<&Value>) -> Vec<String> {
    let problems = check(object, former).err().unwrap_or_default();
    // Whether maps keep their order depends on what else is built in the workspace.
    let mut said: Vec<String> = problems.iter().map(Problem::to_string).collect();
    said.sort();
    said
}

#[test]
fn a_small_chat_app_gets_defaults() {
    let app = check(&app(&spec()), None).expect("a ChatApp");
    assert_eq!(app.spec.frontend.replicas, 2);
    assert_eq!(app.spec.server.replicas, None);
    let cluster = app.spec.database.cluster.expect("a cluster");
    assert_eq!(cluster.instances, 3);
}

#[test]
fn null_is_as_absent() {
    let mut spec = spec();
    spec["server"]["resources"] = Value::Null;
    spec["server"]["autoscaling"] = json!({"maxReplicas": 4, "minReplicas": null});
    spec["frontend"]["replicas"] = Value::Null;
    let app = check(&app(&spec), None).expect("a ChatApp");
    assert_eq!(app.spec.frontend.replicas, 2);
    let autoscaling = app.spec.server.autoscaling.expect("autoscaling");
    assert_eq!(autoscaling.min_replicas, 2);
}

#[test]
fn the_number_that_can_be_scaled_is_never_null() {
    let mut spec = spec();
    spec["server"]["replicas"] = Value::Null;
    assert_eq!(
        said(&app(&spec), None),
        [
            "spec.server.replicas: Invalid value: null: it must be a number; leave the field out if there is to be none"
        ]
    );
}

#[test]
fn an_unknown_field_is_told_with_what_was_meant() {
    let mut object = app(&spec());
    object["spec"]["server"]["imagee"] = json!("server:1");
    object["spec"]["frontend"]["colour"] = json!("blue");
    object["spec"]["database"]["cluster"]["storage"]["class"] = json!("fast");
    assert_eq!(
        said(&object, None),
        [
            "spec.database.cluster.storage.class: unknown field, known are size, storageClass",
            "spec.frontend.colour: unknown field, known are image, replicas, resources",
            r#"spec.server.imagee: unknown field, did you mean "image"?"#,
        ]
    );
}

#[test]
fn types_and_what_is_missing_are_told_all_at_once() {
    let object = app(&json!({
        "server": {"replicas": "two", "env": [{"name": "A"}, {"name": "A"}]},
        "frontend": {"image": 5, "replicas": 2.5},
        "database": {"deletionPolicy": "Keep"},
        "retention": {"days": 5_000_000_000_u64},
    }));
    assert_eq!(
        said(&object, None),
        [
            r#"Invalid value: "": Checked value must be of type integer with format int32 in spec.frontend.replicas"#,
            r#"Invalid value: "": Checked value must be of type integer with format int32 in spec.retention.days"#,
            r#"spec.database.deletionPolicy: Unsupported value: "Keep": supported values: "Retain", "Delete""#,
            r#"spec.frontend.image: Invalid value: "integer": spec.frontend.image in body must be of type string: "integer""#,
            r#"spec.frontend.replicas: Invalid value: "float64": spec.frontend.replicas in body must be of type int32: "float64""#,
            "spec.retention.days: Invalid value: 5000000000: spec.retention.days in body should be less than or equal to 36500",
            r#"spec.server.env[1]: Duplicate value: {"name":"A"}"#,
            "spec.server.image: Required value",
            r#"spec.server.replicas: Invalid value: "string": spec.server.replicas in body must be of type integer: "string""#,
        ]
    );
}

#[test]
fn a_rule_about_changes_needs_a_former_object() {
    let mut former = app(&spec());
    former["spec"]["database"]["cluster"]["storage"]["size"] = json!("2Gi");
    assert_eq!(said(&app(&spec()), None), [""; 0]);
    assert_eq!(
        said(&app(&spec()), Some(&former)),
        [
            r#"spec.database.cluster.storage.size: Invalid value: "1Gi": the volumes of a database can't shrink: write the present size or a larger one"#
        ]
    );
}

#[test]
fn names_and_labels_follow_their_own_rules() {
    let mut object = app(&spec());
    object["metadata"] =
        json!({"name": "Chat", "namespace": "a.b", "labels": {"a/b/c": "x", "team": "x y"}});
    let said = said(&object, None);
    let fields: Vec<&str> = said
        .iter()
        .filter_map(|said| said.split(": ").next())
        .collect();
    // The name breaks a rule of ours, too.
    assert_eq!(
        fields,
        [
            "Invalid value",
            "metadata.labels",
            "metadata.labels",
            "metadata.name",
            "metadata.namespace"
        ]
    );
}

/// All keywords that the CRD's schema uses, and all of its rules.
fn walk(schema: &Value, keywords: &mut BTreeSet<String>, rules: &mut BTreeSet<String>) {
    let Some(fields) = schema.as_object() else {
        return;
    };
    keywords.extend(fields.keys().cloned());
    let of_node = schema["x-kubernetes-validations"].as_array();
    let of_node = of_node.into_iter().flatten();
    rules.extend(of_node.filter_map(|rule| rule["rule"].as_str().map(str::to_owned)));
    for child in schema["properties"].as_object().into_iter().flatten() {
        walk(child.1, keywords, rules);
    }
    for child in ["items", "additionalProperties"] {
        walk(&schema[child], keywords, rules);
    }
}

#[test]
fn no_keyword_and_no_rule_of_the_crd_is_unknown_here() {
    let known: BTreeSet<String> = [
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ]
    .map(str::to_owned)
    .into();
    let (mut keywords, mut rules) = (BTreeSet::new(), BTreeSet::new());
    walk(&crd_schema(), &mut keywords, &mut rules);
    assert_eq!(keywords.difference(&known).collect::<Vec<_>>(), [""; 0]);
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        let compiled = kube_cel::cel::Program::compile(&rule);
        assert!(compiled.is_ok(), "{rule}: {compiled:?}");
    }
}
