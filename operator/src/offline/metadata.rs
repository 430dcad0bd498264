//! The rules for names and labels, which are no schema's.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::Problem;

/// Longest name of an object, and longest prefix of a label.
const SUBDOMAIN_LENGTH: usize = 253;
/// Longest name of a namespace, and longest name and value of a label.
const LABEL_LENGTH: usize = 63;

/// What is wrong with an object's metadata.
pub(crate) fn problems(metadata: &Value) -> Vec<Problem> {
    if let Err(error) = ObjectMeta::deserialize(metadata) {
        return vec![Problem::new("metadata", error.to_string())];
    }
    let text = |field: &str| metadata[field].as_str().filter(|text| !text.is_empty());
    let mut problems = Vec::new();
    let mut refuse = |field: &str, message: String| {
        problems.push(Problem::new(format!("metadata.{field}"), message));
    };
    match text("name") {
        None => refuse("name", "Required value: give the ChatApp a name".to_owned()),
        Some(name) if !is_subdomain(name) => refuse(
            "name",
            format!(
                "Invalid value: {name:?}: a lowercase RFC 1123 subdomain consists of a-z, 0-9, '-' and '.', and starts and ends with a letter or digit"
            ),
        ),
        Some(_) => {}
    }
    if let Some(namespace) = text("namespace").filter(|namespace| !is_label(namespace)) {
        refuse(
            "namespace",
            format!(
                "Invalid value: {namespace:?}: a lowercase RFC 1123 label has at most {LABEL_LENGTH} characters, consists of a-z, 0-9 and '-', and starts and ends with a letter or digit"
            ),
        );
    }
    let entries = |field: &str| metadata[field].as_object().into_iter().flat_map(Map::iter);
    for field in ["labels", "annotations"] {
        for (key, _) in entries(field).filter(|(key, _)| !is_qualified(key)) {
            refuse(
                field,
                format!(
                    "Invalid value: {key:?}: a key is a name of at most {LABEL_LENGTH} characters (letters, digits, '-', '_', '.'), with or without a domain and '/' before it"
                ),
            );
        }
    }
    let labels = entries("labels").filter_map(|(_, value)| value.as_str());
    for value in labels.filter(|value| !value.is_empty() && !is_name(value)) {
        refuse(
            "labels",
            format!(
                "Invalid value: {value:?}: a label's value has at most {LABEL_LENGTH} characters: letters, digits, '-', '_' and '.', with a letter or digit at both ends"
            ),
        );
    }
    problems
}

/// Letters and digits at both ends, and only what is `allowed` between them.
fn is_made_of(
    text: &str,
    longest: usize,
    allowed: impl Fn(char) -> bool,
    end: impl Fn(char) -> bool,
) -> bool {
    text.len() <= longest
        && text.starts_with(&end)
        && text.ends_with(&end)
        && text.chars().all(allowed)
}

fn is_lower(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    is_made_of(
        text,
        LABEL_LENGTH,
        |character| is_lower(character) || character == '-',
        is_lower,
    )
}

fn is_subdomain(text: &str) -> bool {
    let is_part = |part: &str| {
        is_made_of(
            part,
            SUBDOMAIN_LENGTH,
            |character| is_lower(character) || character == '-',
            is_lower,
        )
    };
    text.len() <= SUBDOMAIN_LENGTH && text.split('.').all(is_part)
}

fn is_name(text: &str) -> bool {
    is_made_of(
        text,
        LABEL_LENGTH,
        |character| character.is_ascii_alphanumeric() || "-_.".contains(character),
        |character| character.is_ascii_alphanumeric(),
    )
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name(key),
        Some((domain, name)) => is_subdomain(domain) && is_name(name),
    }
}
