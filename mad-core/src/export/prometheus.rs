//! Scores and expected bands in the text format of Prometheus.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::pipeline::Pipeline;
use crate::series::{Entity, Signal};
use crate::status;
use crate::time::SECOND;

/// The newest row of each entity and the newest point of each series in the
/// [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) of Prometheus.
///
/// The gauges are `mad_score` and `mad_anomalous`; `mad_health_score` (0 to 100) of rows of
/// requests; and `mad_value`, `mad_expected_low` and `mad_expected_high` with the label `signal`, in
/// the unit of the signal. `mad_clock_offset_seconds` names the sources with a wrong clock, with the
/// label `host`, or `service` and `endpoint`. Unknown values are left out. A pipeline without rows gives an empty text.
///
/// At most `most` entities and series are given, in the order of [`states`](crate::status::states):
/// anomalous ones and those with high scores first. `mad_series_left_out` counts the others.
///
/// # Examples
///
/// ```
/// use mad_core::export::prometheus_text;
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// assert_eq!(prometheus_text(&pipeline, 1_000), "");
/// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "shop", "/pay", 200, 12.0)]);
/// pipeline.finish();
/// let text = prometheus_text(&pipeline, 1_000);
/// assert!(text.contains("mad_anomalous{service=\"shop\",endpoint=\"/pay\"} 0"));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn prometheus_text(pipeline: &Pipeline, most: usize) -> String {
    let mut families = Families::default();
    let mut states = status::states(pipeline);
    let left_out = states.len().saturating_sub(most);
    states.truncate(most);
    let listed: BTreeSet<(&Entity, Option<&str>)> =
        states.iter().map(|state| (&state.entity, state.metric.as_deref())).collect();
    for (id, entity) in pipeline.entities().iter() {
        if !listed.contains(&(entity, None)) {
            continue;
        }
        let Some(row) = pipeline.history().recent(id).next_back() else { continue };
        let name = labels(&[("service", &entity.service), ("endpoint", &entity.endpoint)]);
        let silent = pipeline.silent_since(id).is_some();
        families.health.add(&name, if silent { 0.0 } else { row.health() });
        families.anomalous.add(&name, f64::from(u8::from(row.is_anomaly)));
        for (place, signal) in Signal::ALL.into_iter().enumerate() {
            let name = format!("{name},signal=\"{}\"", signal.as_str());
            families.band(&name, row.value(place), row.low(place), row.high(place));
        }
    }
    for (id, series) in pipeline.series().iter() {
        let Some(point) = pipeline.history().points(id).next_back() else { continue };
        let Some(entity) = pipeline.entities().get(series.entity) else { continue };
        if !listed.contains(&(entity, Some(&*series.metric))) {
            continue;
        }
        let name = labels(&[
            ("service", &entity.service),
            ("endpoint", &entity.endpoint),
            ("signal", &series.metric),
        ]);
        families.anomalous.add(&name, f64::from(u8::from(point.is_anomaly)));
        families.band(&name, point.value(0), point.low(0), point.high(0));
    }
    for state in &states {
        let mut of =
            vec![("service", &*state.entity.service), ("endpoint", &*state.entity.endpoint)];
        of.extend(state.metric.as_deref().map(|metric| ("signal", metric)));
        families.score.add(&labels(&of), state.score);
    }
    for fault in pipeline.clock_faults() {
        let entity = fault.entity.and_then(|entity| pipeline.entities().get(entity));
        let name = match (&fault.host, entity) {
            (Some(host), _) => labels(&[("host", host)]),
            (None, Some(entity)) => {
                labels(&[("service", &entity.service), ("endpoint", &entity.endpoint)])
            }
            (None, None) => continue,
        };
        let (low, high) = fault.offset;
        let largest = if low.unsigned_abs() > high.unsigned_abs() { low } else { high };
        families.clock.add(&name, largest as f64 / SECOND as f64);
    }
    if left_out > 0 {
        families.left_out.add("", left_out as f64);
    }
    families.text()
}

/// Lines of one name.
struct Family {
    name: &'static str,
    help: &'static str,
    lines: String,
}

impl Family {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, lines: String::new() }
    }

    fn add(&mut self, labels: &str, value: f64) {
        if !value.is_nan() {
            // writing to a text cannot fail
            let _ = match labels {
                "" => writeln!(self.lines, "{} {value}", self.name),
                _ => writeln!(self.lines, "{}{{{labels}}} {value}", self.name),
            };
        }
    }
}

struct Families {
    score: Family,
    anomalous: Family,
    health: Family,
    value: Family,
    low: Family,
    high: Family,
    clock: Family,
    left_out: Family,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            score: Family::new("mad_score", "Anomaly score of the newest row, 0 to 1."),
            anomalous: Family::new("mad_anomalous", "Whether the newest row is flagged."),
            health: Family::new("mad_health_score", "Health of the newest row, 0 to 100."),
            value: Family::new("mad_value", "Value of the newest row."),
            low: Family::new("mad_expected_low", "Lower end of the expected band."),
            high: Family::new("mad_expected_high", "Upper end of the expected band."),
            clock: Family::new(
                "mad_clock_offset_seconds",
                "Largest offset of a source whose records have wrong times.",
            ),
            left_out: Family::new(
                "mad_series_left_out",
                "Endpoints and metrics without scores here, because the number is limited.",
            ),
        }
    }
}

impl Families {
    fn band(&mut self, labels: &str, value: f32, low: f32, high: f32) {
        self.value.add(labels, f64::from(value));
        self.low.add(labels, f64::from(low));
        self.high.add(labels, f64::from(high));
    }

    fn text(self) -> String {
        let Self { score, anomalous, health, value, low, high, clock, left_out } = self;
        let mut out = String::new();
        for Family { name, help, lines } in
            [score, anomalous, health, value, low, high, clock, left_out]
        {
            if !lines.is_empty() {
                let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{lines}");
            }
        }
        out
    }
}

/// `name="value"` with a comma between; backslash, quote and line end are escaped.
fn labels(of: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    of.iter().map(one).collect::<Vec<_>>().join(",")
}
