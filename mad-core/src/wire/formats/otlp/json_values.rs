//! The values of OTLP in JSON.

use serde_json::Value;

use super::super::json_documents::{integer, member};

/// The attributes of an object as keys and `AnyValue` objects.
pub(super) fn attributes(of: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let list = member(of, &["attributes"]).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|one| Some((one.get("key")?.as_str()?, one.get("value")?)))
}

/// An `AnyValue` object without its envelope: text, numbers, arrays and objects as plain JSON.
pub(super) fn plain(value: &Value, depth: usize) -> Value {
    let Some((name, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    if depth > 16 {
        return Value::Null;
    }
    let values = |inner: &Value| member(inner, &["values"]).and_then(Value::as_array).cloned();
    match name.as_str() {
        "arrayValue" | "array_value" => {
            let all = values(inner).unwrap_or_default();
            Value::Array(all.iter().map(|one| plain(one, depth + 1)).collect())
        }
        "kvlistValue" | "kvlist_value" => {
            let all = values(inner).unwrap_or_default();
            let pair = |one: &Value| {
                Some((one.get("key")?.as_str()?.to_owned(), plain(one.get("value")?, depth + 1)))
            };
            Value::Object(all.iter().filter_map(pair).collect())
        }
        "intValue" | "int_value" => integer(inner).map_or(Value::Null, Value::from),
        _ => inner.clone(),
    }
}

/// A time in nanoseconds, as a number or as text; 0 where it is missing or negative.
pub(super) fn nanos(of: &Value, names: &[&str]) -> u64 {
    let found = member(of, names).and_then(integer).unwrap_or(0);
    u64::try_from(found).unwrap_or(0)
}
