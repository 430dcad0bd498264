//! The structural schema: types, required fields, limits, enumerations and patterns.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>
//!
//! It knows the keywords that the CRD uses; a test fails when the CRD begins to use another.

use std::{cmp::Ordering, collections::BTreeSet};

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::Problem;

/// Fields that no schema describes because they are Kubernetes' own.
const OF_ALL: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// How different a misspelt field may be from the one that was meant.
const RESEMBLANCE: f64 = 0.7;

/// Fields that the schema doesn't have; the API server drops them, `kubectl` doesn't send them.
pub(crate) fn unknown_fields(schema: &Value, object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    find_unknown(schema, object, "", &mut problems);
    problems
}

fn find_unknown(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                find_unknown(
                    &schema["items"],
                    item,
                    &format!("{path}[{place}]"),
                    problems,
                );
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child_path(path, name);
                match field_schema(schema, name) {
                    _ if OF_ALL.contains(&path.as_str()) => {}
                    Some(schema) => find_unknown(schema, value, &path, problems),
                    None => problems.push(Problem::new(path, unknown(schema, name))),
                }
            }
        }
        _ => {}
    }
}

/// What was meant instead, or what there is.
fn unknown(schema: &Value, name: &str) -> String {
    let properties = schema["properties"].as_object();
    let known = || properties.into_iter().flat_map(Map::keys);
    let resemblance =
        |known: &str| strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase());
    let similar = known()
        .map(|known| (resemblance(known), known))
        .filter(|(resemblance, _)| *resemblance >= RESEMBLANCE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    if let Some((_, similar)) = similar {
        return format!("unknown field, did you mean {similar:?}?");
    }
    let known: Vec<&str> = known().map(String::as_str).collect();
    format!("unknown field, known are {}", known.join(", "))
}

fn child_path(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The schema of a field; in a map, that of all values.
fn field_schema<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let property = schema["properties"].get(name);
    property.or_else(|| schema.get("additionalProperties"))
}

/// Fields without a value are as absent, unless the schema lets null be a value of its own.
pub(crate) fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Array(items) => {
            for item in items {
                drop_nulls(&schema["items"], item);
            }
        }
        Value::Object(fields) => {
            let is_dropped = |name: &str, value: &Value| {
                let schema = field_schema(schema, name);
                value.is_null() && schema.is_some_and(|schema| schema["nullable"] != true)
            };
            fields.retain(|name, value| !is_dropped(name, value));
            for (name, value) in fields {
                if let Some(schema) = field_schema(schema, name) {
                    drop_nulls(schema, value);
                }
            }
        }
        _ => {}
    }
}

/// What the schema has against the object.
pub(crate) fn problems(schema: &Value, object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    check(schema, object, "", &mut problems);
    problems
}

fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    problems.extend(wrong_type(schema, value, path));
    problems.extend(not_listed(schema, value, path));
    match value {
        Value::String(text) => problems.extend(wrong_text(schema, text, path)),
        Value::Number(number) => problems.extend(wrong_number(schema, number, path)),
        Value::Array(items) => {
            problems.extend(wrong_length(schema, items, path));
            problems.extend(doubled(schema, items, path));
            for (place, item) in items.iter().enumerate() {
                check(
                    &schema["items"],
                    item,
                    &format!("{path}[{place}]"),
                    problems,
                );
            }
        }
        Value::Object(fields) => {
            problems.extend(too_many(fields.len(), &schema["maxProperties"], path));
            problems.extend(missing(schema, fields, path));
            for (name, value) in fields {
                if let Some(schema) = field_schema(schema, name) {
                    check(schema, value, &child_path(path, name), problems);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn missing(schema: &Value, fields: &Map<String, Value>, path: &str) -> Vec<Problem> {
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .filter(|name| !fields.contains_key(*name));
    missing
        .map(|name| Problem::of_shape(child_path(path, name), "Required value"))
        .collect()
}

/// As the API server calls the types.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(schema: &Value, value: &Value, path: &str) -> Option<Problem> {
    let types: Vec<&str> = if schema["x-kubernetes-int-or-string"] == true {
        vec!["integer", "string"]
    } else {
        schema["type"].as_str().into_iter().collect()
    };
    let found = type_of(value);
    let is_whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = types.is_empty()
        || types.contains(&found)
        || (found == "integer" && types.contains(&"number"))
        || (is_whole && types.contains(&"integer"))
        || (found == "null" && schema["nullable"] == true);
    if fits {
        return None;
    }
    // Where the schema has a format, the API server names formats; most types have none.
    let format = schema["format"].as_str();
    let format = format.filter(|_| !matches!(found, "string" | "array" | "null"));
    let (wanted, found) = match (format, found) {
        (Some(format), "number") => (format.to_owned(), "float64"),
        (Some(format), _) => (format.to_owned(), ""),
        (None, found) => (types.join(","), found),
    };
    let message =
        format!("Invalid value: {found:?}: {path} in body must be of type {wanted}: {found:?}");
    Some(Problem::of_shape(path, message))
}

fn not_listed(schema: &Value, value: &Value, path: &str) -> Option<Problem> {
    let allowed = schema["enum"].as_array()?;
    if allowed.contains(value) {
        return None;
    }
    let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
    let message = format!(
        "Unsupported value: {value}: supported values: {}",
        allowed.join(", ")
    );
    Some(Problem::of_shape(path, message))
}

/// Only the first thing that is wrong.
fn wrong_text(schema: &Value, text: &str, path: &str) -> Option<Problem> {
    let length = text.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        let message = format!("Too long: may not be more than {most} bytes");
        return Some(Problem::of_shape(path, message));
    }
    let invalid = |what: String| {
        Problem::new(
            path,
            format!("Invalid value: {text:?}: {path} in body should {what}"),
        )
    };
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        return Some(invalid(format!("be at least {least} chars long")));
    }
    let pattern = schema["pattern"].as_str()?;
    let matches = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    (!matches).then(|| invalid(format!("match '{pattern}'")))
}

fn wrong_number(schema: &Value, number: &Number, path: &str) -> Vec<Problem> {
    let beyond = |limit: &str| {
        let limit = schema[limit].as_f64()?;
        Some((number.as_f64()?.total_cmp(&limit), limit))
    };
    let invalid = |what: String| {
        Problem::new(
            path,
            format!("Invalid value: {number}: {path} in body should be {what}"),
        )
    };
    let mut problems = Vec::new();
    let is_whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
    let is_small = number
        .as_f64()
        .is_some_and(|number| (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number));
    if schema["format"] == "int32" && !(is_whole && is_small) {
        // The API server doesn't say of which field.
        let message = format!(
            "Invalid value: \"\": Checked value must be of type integer with format int32 in {path}"
        );
        problems.push(Problem::new("", message));
    }
    if let Some((Ordering::Greater, most)) = beyond("maximum") {
        problems.push(invalid(format!("less than or equal to {most}")));
    }
    if let Some((Ordering::Less, least)) = beyond("minimum") {
        problems.push(invalid(format!("greater than or equal to {least}")));
    }
    problems
}

fn wrong_length(schema: &Value, items: &[Value], path: &str) -> Option<Problem> {
    let length = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|least| length < *least) {
        let message =
            format!("Invalid value: {length}: {path} in body should have at least {least} items");
        return Some(Problem::new(path, message));
    }
    too_many(items.len(), &schema["maxItems"], path)
}

fn too_many(length: usize, most: &Value, path: &str) -> Option<Problem> {
    let most = most.as_u64().filter(|most| length as u64 > *most)?;
    let items = if most == 1 { "item" } else { "items" };
    let message = format!("Too many: {length}: must have at most {most} {items}");
    Some(Problem::of_shape(path, message))
}

/// Items of a list whose key an item before them has.
fn doubled(schema: &Value, items: &[Value], path: &str) -> Vec<Problem> {
    if schema["x-kubernetes-list-type"] != "map" {
        return Vec::new();
    }
    let names = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let mut seen = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut problems = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let key: Map<String, Value> = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), item.get(name)?.clone())))
            .collect();
        let key = Value::Object(key).to_string();
        if !seen.insert(key.clone()) && told.insert(key.clone()) {
            problems.push(Problem::new(
                format!("{path}[{place}]"),
                format!("Duplicate value: {key}"),
            ));
        }
    }
    problems
}
