//! Every problem of a configuration that was written by a person, not only the first one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::PipelineConfig;
use crate::error::ErrorKind;

/// Most problems that are listed, because each one costs another check of the rest.
const MAX_PROBLEMS: usize = 100;
/// Least similarity of a known field to an unknown one, 0 to 1, for the question whether it was meant.
const LEAST_SIMILARITY: f64 = 0.6;

/// The fault of one field of a configuration.
///
/// # Examples
///
/// ```
/// use mad_core::config::problems;
///
/// let found = problems(r#"{"guard": {"min_pionts": 3, "warm_up_minutes": -1}}"#);
/// assert_eq!(found.len(), 2);
/// assert_eq!(found[0].field, "guard.min_pionts");
/// assert!(found[0].message.ends_with("did you mean `min_points`?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its path, such as `guard.min_points` or `override[2].threshold`; empty for all of it.
    pub field: String,
    /// A sentence that names the field, its value and the range.
    pub message: String,
}

impl Problem {
    fn new(field: &str, message: String) -> Self {
        Self { field: field.to_owned(), message }
    }
}

/// Every problem of a configuration in JSON, at most 100: first those of fields that cannot be read,
/// then those of values. Empty for a configuration that can be used.
///
/// Each wrong field is removed and the rest is checked again, so that one field hides no other.
pub fn problems(json: &str) -> Vec<Problem> {
    let mut all = match serde_json::from_str(json) {
        Ok(Value::Object(all)) => all,
        Ok(_) => return vec![Problem::new("", "config: expected fields by name".to_owned())],
        Err(error) => return vec![no_json(json, &error)],
    };
    let mut found = unreadable(&mut all);
    let mut seen: BTreeSet<String> = found.iter().map(|problem| problem.field.clone()).collect();
    let mut config = Value::Object(all);
    loop {
        if found.len() >= MAX_PROBLEMS {
            return found;
        }
        let read = serde_json::from_value::<PipelineConfig>(config.clone());
        let (field, message) = match read.map(|config| config.validate()) {
            Ok(Ok(())) => return found,
            Ok(Err(error)) => match error.kind() {
                ErrorKind::Config { field } => (field.clone(), error.to_string()),
                _ => (String::new(), error.to_string()),
            },
            Err(error) => (String::new(), format!("config: {error}")),
        };
        // an entry of a list whose only field was wrong is empty now, which is no second problem
        let emptied = field.ends_with(']') && seen.iter().any(|path| path.starts_with(&field));
        if seen.insert(field.clone()) && !emptied {
            found.push(Problem::new(&field, message));
        }
        if !take_out(&mut config, &field) {
            return found;
        }
    }
}

/// Takes out the fields that do not exist or hold what they cannot.
fn unreadable(all: &mut Map<String, Value>) -> Vec<Problem> {
    let mut found = Vec::new();
    let known = serde_json::to_value(PipelineConfig::default()).unwrap_or_default();
    all.retain(|stage, value| {
        if found.len() >= MAX_PROBLEMS {
            return false;
        }
        match (known.get(stage), &mut *value) {
            (Some(Value::Array(_)), Value::Array(items)) => {
                for (i, item) in items.iter_mut().enumerate() {
                    if found.len() >= MAX_PROBLEMS {
                        break;
                    }
                    let place = format!("{stage}[{i}]");
                    let alone = |item: Value| read_alone(stage, &json!([item]));
                    check(&place, item, alone, &mut found);
                    if !item.is_object() || alone(item.clone()).is_some() {
                        *item = harmless(stage);
                    }
                }
                return true;
            }
            (Some(Value::Object(_)), value @ Value::Object(_)) => {
                check(stage, value, |fields| read_alone(stage, &fields), &mut found);
                return true;
            }
            (Some(Value::Object(_) | Value::Array(_)), value) => {
                let what =
                    if known.get(stage).is_some_and(Value::is_array) { "a list of " } else { "" };
                let message =
                    format!("config field `{stage}` is {value}; expected {what}fields by name");
                found.push(Problem::new(stage, message));
            }
            (_, value) => match read_alone(stage, value) {
                Some(error) => found.push(Problem::new(stage, say(stage, value, &error))),
                None => return true,
            },
        }
        false
    });
    found
}

/// Checks each field of `fields` by itself, then all of them together, and removes the wrong ones.
fn check(
    place: &str,
    fields: &mut Value,
    alone: impl Fn(Value) -> Option<String>,
    found: &mut Vec<Problem>,
) {
    let Value::Object(map) = fields else {
        let message = format!("config field `{place}` is {fields}; expected fields by name");
        return found.push(Problem::new(place, message));
    };
    map.retain(|field, value| {
        if found.len() >= MAX_PROBLEMS {
            return false;
        }
        let Some(error) = alone(json!({ field: &*value })) else { return true };
        let path = format!("{place}.{field}");
        found.push(Problem::new(&path, say(&path, value, &error)));
        false
    });
    if let Some(error) = alone(fields.clone()) {
        found.push(Problem::new(place, format!("config field `{place}`: {error}")));
    }
}

/// The error of a stage that cannot be read, with all other stages at their defaults.
fn read_alone(stage: &str, value: &Value) -> Option<String> {
    let read = serde_json::from_value::<PipelineConfig>(json!({ stage: value }));
    read.err().map(|error| error.to_string())
}

/// A valid entry of a list, which takes the place of a wrong one.
fn harmless(list: &str) -> Value {
    match list {
        "override" => json!({ "watched": true }),
        "mute" => json!({ "service": "-" }),
        "cause" => json!({ "when": ["silence"], "cause": "-" }),
        _ => json!("/"),
    }
}

/// Removes a field, so that its default counts; where the default is the wrong value, its stage. A
/// valid entry takes the place of an entry of a list. Returns whether anything was removed.
fn take_out(config: &mut Value, path: &str) -> bool {
    let (stage, field) = path.rsplit_once('.').unwrap_or(("", path));
    let Some(parent) = find(config, stage) else { return false };
    let list = field
        .split_once('[')
        .and_then(|(list, rest)| Some((list, rest.strip_suffix(']')?.parse::<usize>().ok()?)));
    if let Some((list, i)) = list {
        let entry = parent.get_mut(list).and_then(|items| items.get_mut(i));
        return entry.map(|entry| *entry = harmless(list)).is_some();
    }
    let taken = parent.as_object_mut().and_then(|fields| fields.remove(field)).is_some();
    taken || (!stage.is_empty() && take_out(config, stage))
}

fn find<'a>(config: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    if path.is_empty() {
        return Some(config);
    }
    config.pointer_mut(&format!("/{}", path.replace(['.', '['], "/").replace(']', "")))
}

/// The problem of a text that is not JSON. Python and TOML have numbers that JSON does not have.
fn no_json(json: &str, error: &serde_json::Error) -> Problem {
    let before = json.get(..error.column().saturating_sub(1)).unwrap_or_default();
    let after = json.get(before.len()..).unwrap_or_default().trim_start_matches('-');
    if after.starts_with("NaN") || after.starts_with("Infinity") {
        let field = before.rsplit('"').nth(1).unwrap_or_default();
        return Problem::new(field, format!("config field `{field}` is not a finite number"));
    }
    Problem::new("", format!("config: {error}"))
}

/// The sentence about a value that cannot be read, from the error of the deserializer.
fn say(field: &str, value: &Value, error: &str) -> String {
    if error.starts_with("unknown field") {
        return unknown(field, error);
    }
    let expected = match error.split_once(", expected ").map(|parts| parts.1) {
        Some("usize" | "u64" | "u32") => "an integer, 0 or more",
        Some("i32") => "an integer",
        Some("f64") => "a number",
        Some("a boolean") => "true or false",
        Some(other) => other,
        None => return format!("config field `{field}` is {value}: {error}"),
    };
    format!("config field `{field}` is {value}; expected {expected}")
}

/// The sentence about a field that does not exist, with the most similar known field, or all of them.
fn unknown(field: &str, error: &str) -> String {
    let (_, known) = error.split_once(", expected one of ").unwrap_or_default();
    let name = field.rsplit('.').next().unwrap_or(field).to_lowercase();
    let nearest = known
        .split(", ")
        .map(|known| {
            (strsim::normalized_damerau_levenshtein(&name, known.trim_matches('`')), known)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY);
    let hint = nearest.map_or_else(
        || format!("there are {known}"),
        |(_, nearest)| format!("did you mean {nearest}?"),
    );
    format!("config field `{field}` does not exist; {hint}")
}
