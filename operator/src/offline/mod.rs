//! What the API server would say to a ChatApp, without one: the CRD's schema with its defaults, its CEL rules and the rules for names,
//! in the API server's own words. It is a function of values; files and clusters are others' business.

mod cel;
mod metadata;
mod schema;

use std::fmt;

use chatapp_crds::ChatApp;
use kube::CustomResourceExt as _;
use serde::Deserialize as _;
use serde_json::Value;

/// What `kubectl scale` sets.
const REPLICAS: &str = "/spec/server/replicas";

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its path, such as `spec.server.image`; empty for the object as a whole.
    pub(crate) field: String,
    pub(crate) message: String,
    /// The object hasn't the shape that rules are written for.
    is_of_shape: bool,
}

impl Problem {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            is_of_shape: false,
        }
    }

    fn of_shape(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            is_of_shape: true,
            ..Self::new(field, message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        formatter.write_str(&self.message)
    }
}

/// The ChatApp that the API server would make of `object`, with defaults; or all that it would refuse. `former` is the stored one,
/// if the object changes it.
pub(crate) fn check(object: &Value, former: Option<&Value>) -> Result<ChatApp, Vec<Problem>> {
    let schema = crd_schema();
    let mut problems = schema::unknown_fields(&schema, object);
    let mut object = object.clone();
    schema::drop_nulls(&schema, &mut object);
    let object = kube_cel::apply_defaults(&schema, &object);
    problems.extend(metadata::problems(&object["metadata"]));
    problems.extend(schema::problems(&schema, &object));
    // The schema lets it be null, the scale subresource doesn't.
    if object.pointer(REPLICAS).is_some_and(Value::is_null) {
        let message =
            "Invalid value: null: it must be a number; leave the field out if there is to be none";
        problems.push(Problem::new("spec.server.replicas", message));
    }
    if !problems.iter().any(|problem| problem.is_of_shape) {
        problems.extend(cel::problems(&schema, &object, former));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    ChatApp::deserialize(&object).map_err(|error| vec![Problem::new("", error.to_string())])
}

/// The schema of the only version that there is.
fn crd_schema() -> Value {
    let crd = serde_json::to_value(ChatApp::crd()).unwrap_or_default();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
    schema.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
