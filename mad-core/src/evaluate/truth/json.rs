//! Reads and writes truths as JSON.

use serde::Deserialize;
use serde_json::Value;

use super::{Element, Facts, Truth, TruthIncident, rfc3339};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The ground truth of the reference system: one incident, both ends inclusive.
#[derive(Deserialize)]
struct Original {
    #[serde(rename = "incident_service")]
    service: String,
    #[serde(rename = "incident_endpoint")]
    endpoint: String,
    #[serde(rename = "incident_start_ts", with = "rfc3339")]
    start: Timestamp,
    #[serde(rename = "incident_end_ts", with = "rfc3339")]
    end: Timestamp,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    rows: Option<u64>,
}

impl Truth {
    /// As JSON: a list of incidents, times in RFC 3339.
    ///
    /// # Errors
    ///
    /// None in practice, because every part has a JSON form.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| unreadable(&e))?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a list of incidents, an object whose `incidents` is that list, the single object that the
    /// reference system writes, or windows or points by service as in NAB (`{"shop /pay": [["START",
    /// "END"]]}`, `{"cpu.csv": ["TIME"]}`). An element with `timestamp` in place of `start` and `end` is
    /// a point. Without `endpoint` an incident is at any endpoint of its service. Times without a zone are UTC. The inclusive end of the reference
    /// system becomes the nanosecond after it.
    ///
    /// # Errors
    ///
    /// Input that is none of these, with the field at fault and the forms that can be read, or an incident that ends before
    /// it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::evaluate::Truth;
    ///
    /// let truth = Truth::from_json(
    ///     r#"[{"service": "payments", "endpoint": "/pay", "kind": "outage",
    ///          "start": "2026-01-06T10:45:00Z", "end": "2026-01-06T10:54:00Z"}]"#,
    /// )?;
    /// assert_eq!(truth.incidents.len(), 1);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|e| unreadable(&e))?;
        let truth = match value {
            Value::Array(list) => Self::from_list(list, Facts::default())?,
            Value::Object(mut object) if object.contains_key("incidents") => {
                let list = object.remove("incidents").unwrap_or_default();
                for (short, long) in [("start", "data_start"), ("end", "data_end")] {
                    if let Some(time) = object.remove(short) {
                        object.insert(long.to_owned(), time);
                    }
                }
                let Value::Array(list) = list else {
                    return Err(Error::input("truth: `incidents` is not a list"));
                };
                let facts = Facts::deserialize(Value::Object(object));
                Self::from_list(list, facts.map_err(|e| unreadable(&e))?)?
            }
            Value::Object(object) if Self::is_windows(&object) => {
                Self::from_windows(&object).map_err(|e| with_forms(&e))?
            }
            value @ Value::Object(_) => {
                Self::from_original(Original::deserialize(value).map_err(|e| unreadable(&e))?)
            }
            _ => return Err(with_forms(&Error::input("truth: expected a list of incidents"))),
        };
        match truth.incidents.iter().position(|incident| incident.start >= incident.end) {
            Some(i) => Err(Error::input(format!("truth: incident {i} ends before it starts"))),
            None => Ok(truth),
        }
    }

    fn from_list(list: Vec<Value>, mut facts: Facts) -> Result<Self> {
        let mut incidents = Vec::with_capacity(list.len());
        for (i, value) in list.into_iter().enumerate() {
            let element = Element::deserialize(Self::as_interval(value))
                .map_err(|e| with_forms(&Error::input(format!("truth: incident {i}: {e}"))))?;
            facts = Facts {
                schema_version: facts.schema_version.or(element.facts.schema_version),
                seed: facts.seed.or(element.facts.seed),
                rows: facts.rows.or(element.facts.rows),
                data_start: facts.data_start.or(element.facts.data_start),
                data_end: facts.data_end.or(element.facts.data_end),
            };
            incidents.push(element.incident);
        }
        Ok(Self {
            schema_version: facts.schema_version.unwrap_or(Self::SCHEMA_VERSION),
            seed: facts.seed,
            rows: facts.rows,
            start: facts.data_start,
            end: facts.data_end,
            incidents,
        })
    }

    fn from_original(original: Original) -> Self {
        let incident = TruthIncident {
            service: original.service,
            endpoint: original.endpoint,
            start: original.start,
            end: original.end.plus(1),
            kind: "outage".to_owned(),
            affected: Vec::new(),
            spec: None,
        };
        Self { seed: original.seed, rows: original.rows, ..Self::new(vec![incident]) }
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    with_forms(&Error::input(format!("truth: {error}")))
}

/// An error with the forms that can be read.
fn with_forms(error: &Error) -> Error {
    Error::input(format!("{error}; {}", Truth::FORMS))
}
