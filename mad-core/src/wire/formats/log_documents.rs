//! Log lines in JSON documents: arrays of objects, and the answers of Loki, CloudWatch, Azure Monitor
//! and others.
//!
//! Each record becomes one JSON object that the reader of JSON logs takes.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::FormatOptions;
use super::document_decoder::DocumentReader;
use super::json_documents::{elements, has_key, members};
use super::json_logs::{JsonReader, is_json_log};
use super::lines::LineReader;
use super::output::Output;
use crate::telemetry::RejectReason;

/// Keys under which answers keep the list of their records, the best first.
const LISTS: [&str; 15] = [
    "logEvents",
    "events",
    "records",
    "Records",
    "logs",
    "entries",
    "items",
    "hits",
    "results",
    "result",
    "value",
    "values",
    "data",
    "messages",
    "rows",
];
/// Deepest list within lists.
const DEEPEST: usize = 4;
/// Elements that are looked at.
const LOOKED_AT: usize = 20;

/// Reads documents that hold log lines.
#[derive(Debug)]
pub(super) struct LogDocuments {
    lines: JsonReader,
    position: u64,
}

impl LogDocuments {
    pub fn new(options: &FormatOptions, first: &[u8]) -> Self {
        let mut sample = String::new();
        for object in first_objects(first) {
            sample.push_str(&object);
            sample.push('\n');
        }
        Self { lines: JsonReader::new(options, &sample), position: 0 }
    }
}

impl DocumentReader for LogDocuments {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        let Self { lines, position } = self;
        let found = flatten(value, DEEPEST, &mut |object, service| {
            *position += 1;
            lines.set_service(service);
            lines.line(object, *position, out);
        });
        if !found {
            out.rejections.add(RejectReason::BadJson, line, || "no list of log lines".to_owned());
        }
    }

    fn notes(&self) -> Vec<String> {
        self.lines.notes()
    }
}

/// Whether the first bytes are an answer of Loki, of Azure Monitor or of CloudWatch Logs Insights.
pub(super) fn is_answer(first: &[u8]) -> bool {
    let has = |key: &str| has_key(first, key);
    let is_insights = || memchr::memmem::find(first, b"\"@timestamp\"").is_some();
    (has("stream") && has("values") && !has("metric"))
        || (has("tables") && has("columns") && has("rows"))
        || (has("results") && has("field") && has("value") && is_insights())
}

/// Whether the first bytes are a document that holds log lines, and not one object on each line.
pub(super) fn is_log_document(first: &[u8]) -> bool {
    if is_answer(first) {
        return true;
    }
    let objects = first_objects(first);
    let logs = objects.iter().filter(|object| is_json_log(object)).count();
    logs > 0 && logs * 2 >= objects.len()
}

/// The first records of a document that may be cut; empty where there is one object on each line.
fn first_objects(first: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(first);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let line = text.lines().next().unwrap_or_default();
    let mut found = Vec::new();
    let mut add = |object: &str, _: &str| {
        if found.len() < LOOKED_AT {
            found.push(object.replace('\n', " "));
        }
    };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(whole) => {
            let is_line = line.starts_with('{') && whole.get().len() == line.trim_end().len();
            let holds_list = list_of(whole).is_some();
            if !is_line || holds_list {
                flatten(whole, DEEPEST, &mut add);
            }
        }
        // the document is cut: its complete objects are looked at
        Err(_) if !line.starts_with('{') || serde_json::from_str::<&RawValue>(line).is_err() => {
            let start = match text.find("[{").or_else(|| array_of_objects(text)) {
                Some(at) => at + 1,
                None => 0,
            };
            let mut rest = text.get(start..).unwrap_or_default();
            for _ in 0..LOOKED_AT {
                rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace() || c == '[');
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
                let Some(Ok(value)) = values.next() else { break };
                flatten(value, 1, &mut add);
                let end = values.byte_offset();
                rest = rest.get(end..).unwrap_or_default();
            }
        }
        Err(_) => {
            let line = serde_json::from_str::<&RawValue>(line);
            if let Ok(line) = line.map_err(|_| ()).and_then(|line| list_of(line).ok_or(())) {
                flatten(line, DEEPEST, &mut add);
            }
        }
    }
    found
}

/// The place of the first array of objects.
fn array_of_objects(text: &str) -> Option<usize> {
    text.match_indices('[')
        .map(|(at, _)| at)
        .find(|at| text.get(at + 1..).is_some_and(|rest| rest.trim_start().starts_with('{')))
}

/// The list of records of an object that is no record.
fn list_of(value: &RawValue) -> Option<&RawValue> {
    let object = members(value);
    let is_record =
        ["timestamp", "@timestamp", "time", "ts", "@t", "t", "date", "start_time", "started_at"]
            .iter()
            .any(|key| object.get(*key).is_some_and(|value| !value.get().starts_with(['{', '['])));
    if is_record && !object.contains_key("logEvents") {
        return None;
    }
    let lists = LISTS.iter().filter_map(|key| object.get(*key).copied());
    lists.into_iter().find(|list| {
        let inner = list.get();
        inner.starts_with(['[', '{'])
            && inner.get(1..).is_some_and(|rest| rest.trim_start().starts_with(['{', '[', '"']))
    })
}

/// Hands each record of a value to `each` as one JSON object, with the service that stands beside
/// it. Returns whether there is one.
fn flatten(value: &RawValue, depth: usize, each: &mut dyn FnMut(&str, &str)) -> bool {
    if depth == 0 {
        return false;
    }
    if let Some(list) = elements(value) {
        let mut found = list.is_empty();
        for one in list {
            found |= if one.get().starts_with('[') {
                pairs(one).is_some_and(|object| {
                    each(&object, "");
                    true
                })
            } else {
                flatten(one, depth - 1, each)
            };
        }
        return found;
    }
    if !value.get().starts_with('{') {
        return false;
    }
    let object = members(value);
    if object.contains_key("stream") && object.contains_key("values") {
        return stream(value, each);
    }
    if let Some(streams) = object.get("streams") {
        return flatten(streams, depth, each);
    }
    if let Some(tables) = object.get("tables").and_then(|tables| elements(tables)) {
        let found = tables.iter().filter(|one| table(one, each)).count();
        return found > 0;
    }
    if let Some(source) = object.get("_source") {
        each(source.get(), "");
        return true;
    }
    let Some(list) = list_of(value) else {
        each(value.get(), "");
        return true;
    };
    // the name of a group of CloudWatch: /aws/lambda/pay
    let group: String = object
        .get("logGroup")
        .and_then(|group| serde_json::from_str(group.get()).ok())
        .unwrap_or_default();
    let group = group.rsplit('/').next().unwrap_or_default();
    flatten(list, depth - 1, &mut |object, service| {
        each(object, if service.is_empty() { group } else { service });
    })
}

/// `[{"field": "@message", "value": "..."}, ...]` of CloudWatch Logs Insights as an object.
fn pairs(list: &RawValue) -> Option<String> {
    let all: Vec<Value> = serde_json::from_str(list.get()).ok()?;
    let mut object = Map::new();
    for one in all {
        let field = one.get("field")?.as_str()?.to_owned();
        object.insert(field, one.get("value")?.clone());
    }
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

/// The lines of a stream of Loki with its labels: `{"stream": {...}, "values": [[time, line], ...]}`.
fn stream(value: &RawValue, each: &mut dyn FnMut(&str, &str)) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(value.get()) else { return false };
    let labels = value.get("stream").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut found = false;
    for pair in value.get("values").and_then(Value::as_array).into_iter().flatten() {
        let (Some(time), Some(line)) = (pair.get(0), pair.get(1)) else { continue };
        let mut object = labels.clone();
        if let Some(more) = pair.get(2).and_then(Value::as_object) {
            object.extend(more.clone());
        }
        object.insert("timestamp".to_owned(), time.clone());
        object.insert("line".to_owned(), line.clone());
        each(&Value::Object(object).to_string(), "");
        found = true;
    }
    found
}

/// The rows of a table of Azure Monitor as objects.
fn table(value: &RawValue, each: &mut dyn FnMut(&str, &str)) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(value.get()) else { return false };
    let list = |of: &Value, key: &str| of.get(key).and_then(Value::as_array).cloned();
    let columns = list(&value, "columns").unwrap_or_default();
    let mut found = false;
    for row in list(&value, "rows").unwrap_or_default() {
        let cells = row.as_array().into_iter().flatten();
        let names = columns.iter().map(|column| column.get("name").and_then(Value::as_str));
        let object: Map<String, Value> = names
            .zip(cells)
            .filter_map(|(name, cell)| Some((name?.to_owned(), cell.clone())))
            .filter(|(_, cell)| *cell != json!(""))
            .collect();
        each(&Value::Object(object).to_string(), "");
        found = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let value: &RawValue = serde_json::from_str(text).unwrap();
        flatten(value, DEEPEST, &mut |object, service| found.push(format!("{service}{object}")));
        found
    }

    #[test]
    fn answers_become_objects() {
        for (text, want) in [
            (
                r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"a"},"values":[["1","x"]]}]}}"#,
                r#"{"app":"a","line":"x","timestamp":"1"}"#,
            ),
            (
                r#"{"streams":[{"stream":{},"values":[["1","x"]]}]}"#,
                r#"{"line":"x","timestamp":"1"}"#,
            ),
            (
                r#"{"logGroup":"/aws/lambda/pay","logEvents":[{"timestamp":1}]}"#,
                r#"pay{"timestamp":1}"#,
            ),
            (r#"{"events":[{"timestamp":1}],"nextForwardToken":"f"}"#, r#"{"timestamp":1}"#),
            (
                r#"{"results":[[{"field":"@timestamp","value":"a"},{"field":"@message","value":"b"}]]}"#,
                r#"{"@message":"b","@timestamp":"a"}"#,
            ),
            (
                r#"{"tables":[{"columns":[{"name":"a"},{"name":"b"}],"rows":[[1,"x"]]}]}"#,
                r#"{"a":1,"b":"x"}"#,
            ),
            (r#"{"hits":{"hits":[{"_source":{"@timestamp":"a"}}]}}"#, r#"{"@timestamp":"a"}"#),
        ] {
            assert_eq!(objects(text), [want], "{text}");
        }
    }
}
