//! The true incidents of a data set: injected by a generator or labelled by people.

use serde::{Deserialize, Serialize};

use crate::series::Entity;
use crate::time::Timestamp;

/// One true incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthIncident {
    /// The service at fault.
    pub service: String,
    /// Its endpoint at fault; empty for any endpoint of the service.
    #[serde(default)]
    pub endpoint: String,
    /// First moment of the incident.
    #[serde(with = "rfc3339")]
    pub start: Timestamp,
    /// First moment after it.
    #[serde(with = "rfc3339")]
    pub end: Timestamp,
    /// Kind of fault, such as `outage`; empty if unknown.
    #[serde(default)]
    pub kind: String,
    /// Other entities that it affects, each as `service endpoint` or as a service.
    #[serde(default)]
    pub affected: Vec<String>,
    /// Specification of the generator, in the form of the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
}

impl TruthIncident {
    /// Whether this is the entity at fault. Spans name an operation with its method: `POST /pay` is
    /// the endpoint `/pay`, and not `GET /pay`. The route `/item/{id}` is the endpoint `/item/7`.
    pub fn is_at(&self, service: &str, endpoint: &str) -> bool {
        self.service == service
            && (self.endpoint.is_empty() || is_same_endpoint(&self.endpoint, endpoint))
    }

    /// Whether this is the entity at fault, or its service as a whole (an empty endpoint).
    pub fn includes(&self, service: &str, endpoint: &str) -> bool {
        self.service == service && (endpoint.is_empty() || self.is_at(service, endpoint))
    }

    /// Whether the entity is one of [`affected`](Self::affected).
    pub fn affects(&self, service: &str, endpoint: &str) -> bool {
        self.affected.iter().any(|name| {
            name == service
                || name
                    .strip_prefix(service)
                    .and_then(|rest| rest.strip_prefix(' '))
                    .is_some_and(|known| endpoint.is_empty() || is_same_endpoint(known, endpoint))
        })
    }

    /// Whether some moment of [start, end) lies in the incident. Ends are exclusive on both sides.
    pub fn overlaps(&self, start: Timestamp, end: Timestamp) -> bool {
        start < self.end && self.start < end
    }

    /// The entity at fault.
    pub fn entity(&self) -> Entity {
        Entity::new(&self.service, &self.endpoint)
    }
}

/// Whether two names are one endpoint: a method of HTTP before the path counts only where both have
/// one, and a placeholder of a route, such as `{id}`, stands for any one segment.
fn is_same_endpoint(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let ((method, path), (other, other_path)) = (split_method(a), split_method(b));
    if method.is_some() && other.is_some() && method != other {
        return false;
    }
    let is_placeholder = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    let (mut here, mut there) = (path.split('/'), other_path.split('/'));
    loop {
        match (here.next(), there.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || is_placeholder(a) || is_placeholder(b) => {}
            _ => return false,
        }
    }
}

/// `POST /pay` as its method and path; a name that does not begin with a method has none.
fn split_method(name: &str) -> (Option<&str>, &str) {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    match name.split_once(' ') {
        Some((method, path)) if METHODS.contains(&method) => (Some(method), path),
        _ => (None, name),
    }
}

/// All incidents of one data set, and the known facts about the data set.
///
/// It is written as a list of incidents; each element repeats the facts about the data set, so
/// that the list needs nothing around it. Without incidents those facts are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Vec<Element>")]
pub struct Truth {
    /// Version of the file's form, 1.
    pub schema_version: u32,
    /// Seed of the generator.
    pub seed: Option<u64>,
    /// Rows that the generator was asked for.
    pub rows: Option<u64>,
    /// First moment of the data.
    pub start: Option<Timestamp>,
    /// First moment after the data.
    pub end: Option<Timestamp>,
    /// The incidents, in no particular order.
    pub incidents: Vec<TruthIncident>,
}

impl Truth {
    /// The version that is written.
    pub const SCHEMA_VERSION: u32 = 1;

    /// A truth of these incidents, without facts about the data set.
    pub fn new(incidents: Vec<TruthIncident>) -> Self {
        Self {
            schema_version: Self::SCHEMA_VERSION,
            seed: None,
            rows: None,
            start: None,
            end: None,
            incidents,
        }
    }
}

impl Default for Truth {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// An element of the written list.
#[derive(Clone, Serialize, Deserialize)]
struct Element {
    #[serde(flatten)]
    incident: TruthIncident,
    #[serde(flatten)]
    facts: Facts,
}

/// The facts about the data set.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Facts {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(default, with = "rfc3339_option", skip_serializing_if = "Option::is_none")]
    data_start: Option<Timestamp>,
    #[serde(default, with = "rfc3339_option", skip_serializing_if = "Option::is_none")]
    data_end: Option<Timestamp>,
}

impl From<Truth> for Vec<Element> {
    fn from(truth: Truth) -> Self {
        let facts = Facts {
            schema_version: Some(truth.schema_version),
            seed: truth.seed,
            rows: truth.rows,
            data_start: truth.start,
            data_end: truth.end,
        };
        let element = |incident| Element { incident, facts: facts.clone() };
        truth.incidents.into_iter().map(element).collect()
    }
}

#[cfg(any(feature = "jsonl", feature = "simulate"))]
mod forms;
#[cfg(any(feature = "jsonl", feature = "simulate"))]
mod json;

/// Times as RFC 3339; a time without a zone is read as UTC.
pub(crate) mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::time::{Timestamp, ZonePolicy};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        parse(&String::deserialize(from)?)
    }

    pub(super) fn parse<E: Error>(text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text, ZonePolicy::Offset(0))
            .map_err(|error| E::custom(format!("`{text}`: {error}")))
    }
}

/// Optional times as RFC 3339.
pub(crate) mod rfc3339_option {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::Timestamp;

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::rfc3339::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| super::rfc3339::parse(&text)).transpose()
    }
}

#[cfg(all(test, any(feature = "jsonl", feature = "simulate")))]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text, crate::time::ZonePolicy::Refuse).unwrap()
    }

    #[test]
    fn a_written_truth_is_read_back_whole() {
        let incident = |endpoint: &str, spec: Option<&str>| TruthIncident {
            service: "payments".to_owned(),
            endpoint: endpoint.to_owned(),
            start: at("2026-01-06T10:45:00.5Z"),
            end: at("2026-01-06T10:54:00Z"),
            kind: "outage".to_owned(),
            affected: vec!["checkout /checkout".to_owned()],
            spec: spec.map(str::to_owned),
        };
        let truth = Truth {
            seed: Some(7),
            rows: Some(10_000),
            start: Some(at("2026-01-06T10:00:00Z")),
            end: Some(at("2026-01-06T12:00:00Z")),
            ..Truth::new(vec![incident("/pay", Some("kind=outage")), incident("/refund", None)])
        };
        let json = truth.to_json().unwrap();
        let list: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(list[0]["start"], "2026-01-06T10:45:00.5Z");
        assert_eq!(list[1]["affected"][0], "checkout /checkout");
        assert_eq!(Truth::from_json(&json).unwrap(), truth);

        let object = format!(
            r#"{{"schema_version": 1, "seed": 7, "rows": 10000, "start": "2026-01-06T10:00:00Z",
                 "end": "2026-01-06T12:00:00Z", "incidents": {json}}}"#
        );
        assert_eq!(Truth::from_json(&object).unwrap(), truth);
        assert_eq!(Truth::from_json("[]").unwrap(), Truth::new(vec![]));
    }

    #[test]
    fn the_original_form_has_naive_times_and_an_inclusive_end() {
        let truth = Truth::from_json(
            r#"{"incident_service": "payments", "incident_endpoint": "/pay",
                "incident_start_ts": "2026-01-06T10:45:00", "incident_end_ts": "2026-01-06T10:53:00",
                "seed": 3, "rows": 10000}"#,
        )
        .unwrap();
        assert_eq!((truth.seed, truth.rows), (Some(3), Some(10_000)));
        let incident = &truth.incidents[0];
        assert!(incident.is_at("payments", "/pay"));
        assert_eq!(incident.start, at("2026-01-06T10:45:00Z"));
        let last = at("2026-01-06T10:53:00Z");
        assert!(incident.overlaps(last, last.plus(1)));
        assert!(!incident.overlaps(last.plus(1), last.plus(2)));
    }

    #[test]
    fn says_what_is_wrong_with_a_truth() {
        for (text, word) in [
            ("3", "list"),
            ("{}", "incident_service"),
            ("[3]", "NAB"),
            (r#"{"a": [["2026-01-06T10:00:00Z"]]}"#, "no pair"),
            (r#"{"a": ["noon"]}"#, "noon"),
            (r#"{"incidents": 3}"#, "incidents"),
            (r#"[{"service": "a"}]"#, "incident 0"),
            (
                r#"[{"service": "a", "endpoint": "/", "start": "soon", "end": "2026-01-06T10:00:00Z"}]"#,
                "soon",
            ),
            (
                r#"[{"service": "a", "endpoint": "/", "start": "2026-01-06T10:00:00Z", "end": "2026-01-06T10:00:00Z"}]"#,
                "ends before",
            ),
        ] {
            let message = Truth::from_json(text).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn windows_and_points_are_intervals() {
        let truth = Truth::from_json(
            r#"{"shop /pay": [["2026-01-06 10:00:00.000000", "2026-01-06 10:05:00.000000"]],
                "real/cpu_4.csv": ["2026-01-06T10:00:00Z"]}"#,
        )
        .unwrap();
        let [cpu, pay] = &truth.incidents[..] else { panic!("{truth:?}") };
        assert_eq!((&*pay.service, &*pay.endpoint), ("shop", "/pay"));
        let last = at("2026-01-06T10:05:00Z");
        assert!(pay.overlaps(last, last.plus(1)) && !pay.overlaps(last.plus(1), last.plus(2)));
        assert!(cpu.is_at("cpu_4", "any") && cpu.start == at("2026-01-06T10:00:00Z"));

        let points = r#"[{"service": "shop", "timestamp": "2026-01-06T10:00:30Z"}]"#;
        let truth = Truth::from_json(points).unwrap();
        let minute = at("2026-01-06T10:00:00Z");
        assert!(truth.incidents[0].overlaps(minute, minute.plus(60_000_000_000)));
    }

    #[test]
    fn labelled_records_of_consecutive_minutes_are_one_incident() {
        let minute = |n: i64| Timestamp::from_seconds(60 * n + 30);
        let records = [("b", "", minute(9)), ("a", "", minute(2)), ("a", "", minute(1))];
        let more = [("a", "", minute(4)), ("a", "", minute(2))];
        let truth = Truth::from_labels(records.into_iter().chain(more), "log");
        let found: Vec<_> = truth
            .incidents
            .iter()
            .map(|one| (&*one.service, one.start, one.end.plus(-1)))
            .collect();
        let expected =
            [("a", minute(1), minute(2)), ("a", minute(4), minute(4)), ("b", minute(9), minute(9))];
        assert_eq!(found, expected);
    }

    #[test]
    fn affected_names_a_service_or_one_endpoint() {
        let mut incident = Truth::from_json(
            r#"[{"service": "a", "endpoint": "/", "start": "2026-01-06T10:00:00Z",
                 "end": "2026-01-06T10:01:00Z", "affected": ["b", "c /x"]}]"#,
        )
        .unwrap()
        .incidents
        .remove(0);
        assert!(incident.affects("b", "/any") && incident.affects("c", "/x"));
        assert!(incident.affects("c", "GET /x") && incident.affects("c", ""));
        assert!(!incident.affects("c", "/y") && !incident.affects("a", "/"));
        incident.affected.clear();
        assert!(!incident.affects("b", "/any"));

        assert!(incident.is_at("a", "GET /") && !incident.is_at("a", "GET /x"));
        assert!(!incident.is_at("a", "") && incident.includes("a", ""));
        incident.endpoint = "POST /pay".to_owned();
        assert!(incident.is_at("a", "/pay") && incident.is_at("a", "POST /pay"));
        assert!(!incident.is_at("a", "GET /pay") && !incident.is_at("a", "pay"));
        incident.endpoint = "/tier/4".to_owned();
        assert!(incident.is_at("a", "/tier/{id}") && incident.is_at("a", "GET /tier/{*}"));
        assert!(!incident.is_at("a", "/tier/{id}/x") && !incident.is_at("a", "/other/{id}"));
    }
}
