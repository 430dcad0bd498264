//! The CEL rules of the CRD (`x-kubernetes-validations`), those about changes included. A field that is null is none to them.

use kube_cel::{ValidationError, ValidationErrors, Validator};
use serde_json::Value;

use super::Problem;

/// What the rules have against the object, which has its defaults. Without a former one, rules about changes have nothing to say.
pub(crate) fn problems(schema: &Value, object: &Value, former: Option<&Value>) -> Vec<Problem> {
    let object = without_nulls(object);
    let former = former.map(without_nulls);
    let checked = Validator::new().validate(schema, &object, former.as_ref());
    let errors = checked.err().map(ValidationErrors::into_vec);
    let errors = errors.into_iter().flatten();
    errors.map(|error| problem(&object, error)).collect()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let present = fields.iter().filter(|(_, value)| !value.is_null());
            present
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        value => value.clone(),
    }
}

fn problem(object: &Value, error: ValidationError) -> Problem {
    // The API server shows small values only.
    let message = match at(object, &error.field_path) {
        None | Some(Value::Null | Value::Object(_) | Value::Array(_)) => {
            format!("Invalid value: {}", error.message)
        }
        Some(value) => format!("Invalid value: {value}: {}", error.message),
    };
    Problem::new(error.field_path, message)
}

/// The value at a path such as `spec.server.env[0].name`.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.try_fold(object, |value, step| match step.strip_suffix(']') {
        Some(place) => value.get(place.parse::<usize>().ok()?),
        None => value.get(step),
    })
}
