//! The names under which other programs write the fields of records.

use super::column_names::{GRPC, LATENCIES, UNITS, WRAPPERS, aliases};
use super::kind::Kind;

/// A column or key that holds a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// The field's place in [`Kind::FIELDS`].
    pub place: usize,
    /// Preference among the columns of one field, lower is better: 0 for the field's own name, 1 for
    /// another spelling of it, 10 and more for other names.
    pub rank: u16,
    /// Milliseconds of one unit of a latency or duration.
    pub factor: f64,
    /// Whether it holds gRPC status codes, so that 0 is OK.
    pub is_grpc: bool,
    /// Whether the configuration names it for its field, and it has another name.
    pub is_mapped: bool,
}

impl Column {
    /// Whether the column has another name than its field.
    pub const fn is_renamed(&self) -> bool {
        self.is_mapped || self.rank >= FIRST_ALIAS
    }
}

/// Rank of the first other name.
const FIRST_ALIAS: u16 = 10;
/// Rank added for each enclosing object whose name says nothing about the field.
const FOR_WRAPPER: u16 = 100;

/// The column of a field by the name of a column, or by the path of a JSON key with dots between its
/// parts. Case and separators do not matter: `responseTime`, `Response-Time` and `response.time` are
/// one name. `None` for names that stand for no field.
///
/// # Examples
///
/// ```
/// use mad_core::wire::{Requests, column_of};
///
/// let column = column_of::<Requests>("event.duration").unwrap();
/// assert_eq!((column.place, column.factor), (4, 1e-6));
/// assert_eq!(column_of::<Requests>("duration_s").unwrap().factor, 1000.0);
/// assert_eq!(column_of::<Requests>("res.statusCode").unwrap().place, 3);
/// assert!(column_of::<Requests>("user.name").is_none());
/// ```
pub fn column_of<K: Kind>(name: &str) -> Option<Column> {
    if let Some(place) = K::place(name) {
        return Some(Column { place, rank: 0, factor: 1.0, is_grpc: false, is_mapped: false });
    }
    if let Some(column) = by_name::<K>(&normal(name)) {
        return Some(column);
    }
    let (mut rest, mut rank) = (name, 0);
    while let Some((wrapper, inner)) = rest.split_once('.') {
        if !WRAPPERS.contains(&normal(wrapper).as_str()) {
            return None;
        }
        (rest, rank) = (inner, rank + FOR_WRAPPER);
        let found = by_name::<K>(&normal(inner)).filter(|column| {
            // `request.host` is not the host that sent the record
            column.place < K::NEEDED
                || K::FIELDS
                    .get(column.place)
                    .is_some_and(|field| ["level", "trace_id", "status", "kind"].contains(field))
        });
        if let Some(column) = found {
            return Some(Column { rank: column.rank + rank, ..column });
        }
    }
    None
}

/// A column by its name in lower case with `_` between words.
fn by_name<K: Kind>(name: &str) -> Option<Column> {
    let is_grpc = GRPC.contains(&name);
    let column =
        |place, rank, factor| Some(Column { place, rank, factor, is_grpc, is_mapped: false });
    if let Some(place) = K::place(name) {
        return column(place, 1, 1.0);
    }
    let unit = UNITS.iter().find(|(unit, _)| name.ends_with(unit));
    let bare = unit.and_then(|(unit, _)| name.strip_suffix(unit)).unwrap_or(name);
    for (place, field) in K::FIELDS.iter().enumerate() {
        let rank = |at: usize| FIRST_ALIAS + u16::try_from(at).unwrap_or(FOR_WRAPPER);
        if matches!(*field, "latency_ms" | "duration_ms") {
            let exact = LATENCIES.iter().position(|(known, _)| *known == name);
            let at = exact.or_else(|| LATENCIES.iter().position(|(known, _)| *known == bare));
            if let Some((at, (_, custom))) = at.and_then(|at| Some((at, LATENCIES.get(at)?))) {
                let written = unit.filter(|_| exact.is_none()).map(|(_, factor)| *factor);
                return column(place, rank(at), written.unwrap_or(*custom));
            }
            continue;
        }
        let is_time = Some(*field) == K::TIME;
        let known = aliases(K::KIND, field, is_time);
        let same = |alias: &str| alias == name || (is_time && alias == bare);
        if let Some(at) = known.iter().position(|alias| same(alias)) {
            return column(place, rank(at), 1.0);
        }
    }
    None
}

/// The milliseconds of the unit at the end of a name; 1 without one.
pub(super) fn unit_of(name: &str) -> f64 {
    let name = normal(name);
    UNITS.iter().find(|(unit, _)| name.ends_with(unit)).map_or(1.0, |(_, factor)| *factor)
}

/// A name in lower case with `_` between its words.
pub(super) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for c in name.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && lower {
                out.push('_');
            }
            lower = c.is_lowercase() || c.is_numeric();
            out.extend(c.to_lowercase());
        } else {
            lower = false;
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
        }
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ColumnMap, Logs, Metrics, Requests, Spans, find_columns};

    #[test]
    fn headers_of_other_programs_are_found() {
        let fields = |header: &str| -> Vec<String> {
            let names: Vec<&str> = header.split(',').collect();
            let found = find_columns::<Requests>(&names, &ColumnMap::default());
            let found = found.iter().take(5).map(|found| found.map(|(at, _)| names[at].to_owned()));
            found.map(Option::unwrap_or_default).collect()
        };
        for (header, want) in [
            (
                "timestamp,service,endpoint,status_code,latency_ms",
                "timestamp,service,endpoint,status_code,latency_ms",
            ),
            (
                "timeStamp,elapsed,label,responseCode,success,Latency,app",
                "timeStamp,app,label,responseCode,elapsed",
            ),
            (
                "@timestamp,service.name,url.path,http.response.status_code,event.duration",
                "@timestamp,service.name,url.path,http.response.status_code,event.duration",
            ),
            ("Time,Svc,Path,Code,Took", "Time,Svc,Path,Code,Took"),
            (
                "time_local,service,request,status,request_time,upstream_response_time",
                "time_local,service,request,status,request_time",
            ),
            ("ts,app,uri,status,duration_s,status_text", "ts,app,uri,status,duration_s"),
            (
                "Date Time,Application Name,URL,HTTP Status,Response Time (ms)",
                "Date Time,Application Name,URL,HTTP Status,Response Time (ms)",
            ),
            (
                "time,timestamp,service,name,path,status,status_code,latency",
                "timestamp,service,path,status_code,latency",
            ),
        ] {
            assert_eq!(fields(header).join(","), want, "{header}");
        }
    }

    #[test]
    fn units_follow_from_names() {
        for (name, factor) in [
            ("latency", 1.0),
            ("latency_s", 1000.0),
            ("durationMs", 1.0),
            ("duration_ns", 1e-6),
            ("elapsedMicroseconds", 1e-3),
            ("request_time", 1000.0),
            ("request_time_ms", 1.0),
            ("Duration (seconds)", 1000.0),
            ("attributes.latency_us", 1e-3),
        ] {
            let column = column_of::<Requests>(name).unwrap();
            assert_eq!((column.place, column.factor), (4, factor), "{name}");
        }
        assert_eq!(column_of::<Spans>("durationNano").unwrap().factor, 1e-6);
    }

    #[test]
    fn other_kinds_have_their_own_names() {
        let place = |column: Option<Column>| column.map(|column| column.place);
        assert_eq!(place(column_of::<Logs>("@m")), Some(2));
        assert_eq!(place(column_of::<Logs>("log.level")), Some(3));
        assert_eq!(place(column_of::<Logs>("SeverityText")), Some(3));
        assert_eq!(place(column_of::<Metrics>("__name__")), Some(2));
        for name in ["user.name", "error.code", "request.host", "colour", "method"] {
            assert_eq!(place(column_of::<Requests>(name)), None, "{name}");
        }
    }
}
