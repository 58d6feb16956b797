//! Other forms of a truth: windows and points as in NAB, and labelled records.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Truth, TruthIncident};
use crate::error::{Error, Result};
use crate::time::{MINUTE, Timestamp, ZonePolicy};

impl Truth {
    /// The forms of a truth that can be read, as the end of a message.
    pub const FORMS: &'static str = "a truth is a list such as [{\"service\": \"payments\", \
        \"endpoint\": \"/pay\", \"start\": \"2026-01-06T10:45:00Z\", \"end\": \
        \"2026-01-06T10:54:00Z\"}], with `timestamp` in place of start and end for a point; or windows \
        as in NAB, such as {\"payments /pay\": [[\"2026-01-06T10:45:00Z\", \
        \"2026-01-06T10:54:00Z\"]]}; or a CSV file with the columns timestamp, service and is_anomaly";

    /// The truth of labelled records: service, endpoint and time of each anomalous one, in any order.
    ///
    /// Records of one service and endpoint in the same minute or in consecutive minutes are one
    /// incident, from the first to the last of them. `kind` is that of all incidents: empty, or
    /// `request`, `metric`, `log`, `event` or `trace`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::evaluate::Truth;
    /// use mad_core::time::Timestamp;
    ///
    /// let at = Timestamp::from_seconds;
    /// let records = [("shop", "/pay", at(0)), ("shop", "/pay", at(60)), ("shop", "/pay", at(300))];
    /// assert_eq!(Truth::from_labels(records, "request").incidents.len(), 2);
    /// ```
    pub fn from_labels<'a>(
        records: impl IntoIterator<Item = (&'a str, &'a str, Timestamp)>,
        kind: &str,
    ) -> Self {
        let mut times: BTreeMap<(&str, &str), Vec<Timestamp>> = BTreeMap::new();
        for (service, endpoint, at) in records {
            times.entry((service, endpoint)).or_default().push(at);
        }
        let mut incidents: Vec<TruthIncident> = Vec::new();
        for ((service, endpoint), mut times) in times {
            times.sort_unstable();
            let mut open: Option<TruthIncident> = None;
            for at in times {
                if let Some(last) = &mut open
                    && at.floor(MINUTE) <= last.end.plus(-1).floor(MINUTE).plus(MINUTE)
                {
                    last.end = at.plus(1);
                    continue;
                }
                incidents.extend(open.replace(incident(service, endpoint, at, at.plus(1), kind)));
            }
            incidents.extend(open);
        }
        incidents.sort_by_key(|one| one.start);
        Self::new(incidents)
    }

    /// Whether an object has windows or points as in NAB: lists under names.
    pub(super) fn is_windows(object: &Map<String, Value>) -> bool {
        !object.is_empty() && object.values().all(Value::is_array)
    }

    /// Windows `[start, end]`, both inclusive, or points under `service` or `service endpoint`; of the
    /// path of a file, its name without ending is the service.
    pub(super) fn from_windows(object: &Map<String, Value>) -> Result<Self> {
        let mut incidents = Vec::new();
        for (name, windows) in object {
            let (service, endpoint) = match name.strip_suffix(".csv") {
                Some(path) => (path.rsplit('/').next().unwrap_or(path), ""),
                None => name.split_once(' ').unwrap_or((name, "")),
            };
            for window in windows.as_array().into_iter().flatten() {
                let (start, end) = match window.as_array().map(Vec::as_slice) {
                    Some([start, end]) => (time(name, start)?, time(name, end)?),
                    Some(_) => {
                        let found = format!("truth: {name}: {window} is no pair of start and end");
                        return Err(Error::input(found));
                    }
                    None => (time(name, window)?, time(name, window)?),
                };
                incidents.push(incident(service, endpoint, start, end.plus(1), ""));
            }
        }
        Ok(Self::new(incidents))
    }

    /// Replaces the `timestamp` of a point by its start and end.
    pub(super) fn as_interval(mut element: Value) -> Value {
        if let Value::Object(fields) = &mut element
            && !fields.contains_key("start")
            && let Some(at) = fields.get("timestamp").or_else(|| fields.get("time")).cloned()
        {
            let end = match at.as_str().map(|text| Timestamp::parse(text, ZonePolicy::Offset(0))) {
                Some(Ok(at)) => Value::String(at.plus(1).to_string()),
                _ => at.clone(),
            };
            fields.insert("start".to_owned(), at);
            fields.insert("end".to_owned(), end);
        }
        element
    }
}

fn incident(
    service: &str,
    endpoint: &str,
    start: Timestamp,
    end: Timestamp,
    kind: &str,
) -> TruthIncident {
    TruthIncident {
        service: service.to_owned(),
        endpoint: endpoint.to_owned(),
        start,
        end,
        kind: kind.to_owned(),
        affected: Vec::new(),
        spec: None,
    }
}

fn time(name: &str, value: &Value) -> Result<Timestamp> {
    let text = value.as_str().unwrap_or_default();
    Timestamp::parse(text, ZonePolicy::Offset(0))
        .map_err(|error| Error::input(format!("truth: {name}: {value}: {error}")))
}
