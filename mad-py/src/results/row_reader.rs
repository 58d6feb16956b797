//! Rows of the stages read back from a table.

use std::borrow::Cow;
use std::collections::HashMap;

use mad_core::feature::StatusCounts;
use mad_core::guard::{Confidence, Reason, Severity, Verdict};
use mad_core::score::{RowScores, Score, SignalScore};
use mad_core::time::SECOND;
use mad_core::wire::ColumnMap;
use mad_core::{EntityId, EntityTable, FeatureRow, Signal};
use pyo3::prelude::*;

use crate::errors::value_error;
use crate::results::rows::Rows;
use crate::tables::reader::TableReader;
use crate::tables::shape::Shape;

/// Columns that a table of rows needs.
const NEEDED: [&str; 4] = ["bucket_ts", "service", "endpoint", "req_count"];
/// Columns that hold text or flags.
const TEXTS: [&str; 10] = [
    "bucket_ts",
    "service",
    "endpoint",
    "signal",
    "reason",
    "severity",
    "flagged_signals",
    "is_anomaly",
    "is_whole",
    "statuses",
];
/// Other columns that hold numbers.
const NUMBERS: [&str; 23] = [
    "error_count",
    "no_response_count",
    "error_rate",
    "avg_latency_ms",
    "p50_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "max_latency_ms",
    "min_latency_ms",
    "std_latency_ms",
    "gap_steps",
    "latency_count",
    "slow_count",
    "client_error_rate",
    "slow_share",
    "tail_ms",
    "score",
    "mad_z",
    "z",
    "value",
    "expected",
    "expected_low",
    "expected_high",
];
/// Columns of each signal, after its name and an underscore.
pub const OF_SIGNAL: [&str; 7] = [
    "z",
    "neg_log10_p",
    "expected",
    "expected_low",
    "expected_high",
    "effective_n",
    "drift_seconds",
];

/// Rows as they are, or read from a table.
pub fn rows_of<'a>(rows: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, Rows>> {
    match rows.cast::<Rows>() {
        Ok(rows) => Ok(Cow::Borrowed(rows.get())),
        Err(_) => Ok(Cow::Owned(read_rows(rows)?)),
    }
}

/// Reads rows from a table: with scores and verdicts where it has their columns.
pub fn read_rows(table: &Bound<'_, PyAny>) -> PyResult<Rows> {
    let of_signals: Vec<String> = Signal::ALL
        .iter()
        .flat_map(|signal| OF_SIGNAL.iter().map(move |name| format!("{}_{name}", signal.as_str())))
        .collect();
    let mut fields: Vec<&str> = [&NEEDED[..], &TEXTS[3..], &NUMBERS].concat();
    fields.extend(of_signals.iter().map(String::as_str));
    let shape = Shape {
        what: "rows",
        fields: &fields,
        needed: &NEEDED,
        time: Some("bucket_ts"),
        is_number: |name| !TEXTS.contains(&name),
        find: None,
        map: &ColumnMap::default(),
    };
    let reader = TableReader::open(shape, table)?;
    let mut rows = Rows { entities: EntityTable::new(usize::MAX), ..Rows::default() };
    rows.features = features(&reader, &mut rows.entities)?;
    let leading = Leading::read(&reader)?;
    if let Some(leading) = &leading {
        // a scored file has the value of the leading signal, whichever it is
        for (row, (signal, value)) in
            rows.features.iter_mut().zip(leading.signal.iter().zip(&leading.value))
        {
            if *signal == Signal::P50Latency && row.p50.is_nan() {
                row.p50 = *value;
            }
        }
    }
    rows.scores = match all_scores(&reader, &rows.features)? {
        Some(scores) => Some(scores),
        None => leading.as_ref().map(|leading| leading.scores(&rows.features)),
    };
    if let (Some(leading), Some(scores)) = (&leading, &rows.scores) {
        rows.verdicts = verdicts(&reader, leading, scores)?;
    }
    in_time_order(rows)
}

fn features(reader: &TableReader<'_>, entities: &mut EntityTable) -> PyResult<Vec<FeatureRow>> {
    let buckets = reader.times("bucket_ts")?;
    let services = reader.texts("service")?.unwrap_or_default();
    let endpoints = reader.texts("endpoint")?.unwrap_or_default();
    let counts = reader.counts("req_count")?.unwrap_or_default();
    let rates = Optional(reader.numbers("error_rate")?);
    let errors = Optional(reader.counts("error_count")?);
    let number = |name| Ok::<_, PyErr>(Optional(reader.numbers(name)?));
    let count = |name| Ok::<_, PyErr>(Optional(reader.counts(name)?));
    let (mean, p50, p95) =
        (number("avg_latency_ms")?, number("p50_latency_ms")?, number("p95_latency_ms")?);
    let (p99, max) = (number("p99_latency_ms")?, number("max_latency_ms")?);
    let (min, std) = (number("min_latency_ms")?, number("std_latency_ms")?);
    let (gap, samples, slow) = (count("gap_steps")?, count("latency_count")?, count("slow_count")?);
    let no_response = count("no_response_count")?;
    let (client, tail) = (number("client_error_rate")?, number("slow_share")?);
    let (tail_ms, statuses) = (number("tail_ms")?, reader.texts("statuses")?.unwrap_or_default());
    let whole = Optional(reader.flags("is_whole")?);
    let named = services.iter().zip(&endpoints);
    let rows = buckets.iter().zip(named).zip(&counts).enumerate();
    Ok(rows
        .map(|(i, ((bucket, (service, endpoint)), count))| {
            let of = |share: f64, n: u64| ((share.max(0.0) * n as f64).round() as u64).min(n);
            let failed = || of(rates.at(i, 0.0), *count);
            let measured = samples.at(i, *count);
            FeatureRow {
                bucket: *bucket,
                entity: entities.id(service, endpoint),
                gap: gap.at(i, 0),
                whole: whole.at(i, true),
                count: *count,
                errors: errors.get(i).unwrap_or_else(failed).min(*count),
                no_response: no_response.at(i, 0),
                slow: slow.at(i, 0),
                samples: measured,
                mean: mean.at(i, f64::NAN),
                p50: p50.at(i, f64::NAN),
                p95: p95.at(i, f64::NAN),
                p99: p99.at(i, f64::NAN),
                max: max.at(i, f64::NAN),
                min: min.at(i, f64::NAN),
                std: std.at(i, f64::NAN),
                client_errors: of(client.at(i, 0.0), *count),
                beyond_tail: of(tail.at(i, 0.0), measured),
                tail_ms: tail_ms.get(i).filter(|limit| limit.is_finite()),
                statuses: statuses
                    .get(i)
                    .map_or_else(StatusCounts::default, |text| text.parse().unwrap_or_default()),
            }
        })
        .collect())
}

/// A column that a table may lack.
struct Optional<T>(Option<Vec<T>>);

impl<T: Copy> Optional<T> {
    fn get(&self, row: usize) -> Option<T> {
        self.0.as_ref()?.get(row).copied()
    }

    fn at(&self, row: usize, default: T) -> T {
        self.get(row).unwrap_or(default)
    }
}

/// The score of every signal; `None` where the table has no such columns.
fn all_scores(reader: &TableReader<'_>, rows: &[FeatureRow]) -> PyResult<Option<Vec<RowScores>>> {
    let has = |signal: &Signal| reader.has(&format!("{}_z", signal.as_str()));
    if !Signal::ALL.iter().any(has) {
        return Ok(None);
    }
    let mut out = vec![Vec::new(); rows.len()];
    for signal in Signal::ALL {
        let column = |name| reader.numbers(&format!("{}_{name}", signal.as_str()));
        let [z, p, expected, low, high, n, drift] =
            OF_SIGNAL.map(|name| column(name).map(Optional));
        let (z, p, expected, low, high, n, drift) = (z?, p?, expected?, low?, high?, n?, drift?);
        for (i, (row, scores)) in rows.iter().zip(&mut out).enumerate() {
            let score = Score {
                z: z.at(i, f64::NAN),
                neg_log10_p: p.at(i, 0.0),
                expected: expected.at(i, f64::NAN),
                low: low.at(i, f64::NAN),
                high: high.at(i, f64::NAN),
                effective_n: n.at(i, f64::NAN),
                ..Score::unknown()
            };
            let drift = drift.at(i, f64::NAN);
            let since = drift.is_finite().then(|| row.bucket.plus(-(drift * SECOND as f64) as i64));
            scores.push(SignalScore { signal: signal.into(), score, drift_since: since });
        }
    }
    Ok(Some(out.into_iter().map(RowScores::from_kept).collect()))
}

/// What a scored file knows of the leading signal of each row.
struct Leading {
    signal: Vec<Signal>,
    neg_log10_p: Vec<f64>,
    value: Vec<f64>,
    z: Vec<f64>,
    p95_z: Vec<f64>,
    expected: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Leading {
    fn read(reader: &TableReader<'_>) -> PyResult<Option<Self>> {
        let names = Signal::ALL.map(Signal::as_str).join(", ");
        let Some(signal) = reader.parsed("signal", &names, signal_of)? else { return Ok(None) };
        let Some(score) = reader.numbers("score")? else { return Ok(None) };
        let column = |name| {
            let numbers = reader.numbers(name)?;
            Ok::<_, PyErr>(numbers.unwrap_or_else(|| vec![f64::NAN; signal.len()]))
        };
        Ok(Some(Self {
            neg_log10_p: score.into_iter().map(neg_log10_p_of).collect(),
            value: column("value")?,
            z: column("z")?,
            p95_z: column("mad_z")?,
            expected: column("expected")?,
            low: column("expected_low")?,
            high: column("expected_high")?,
            signal,
        }))
    }

    /// Scores in which only the leading signal, and the z of the p95, are known.
    fn scores(&self, rows: &[FeatureRow]) -> Vec<RowScores> {
        let at = |column: &[f64], i: usize| column.get(i).copied().unwrap_or(f64::NAN);
        let one = |(i, (row, leading)): (usize, (&FeatureRow, &Signal))| {
            let (expected, low, high) =
                (at(&self.expected, i), at(&self.low, i), at(&self.high, i));
            let known = Score {
                z: self.z_of(i, row.sample(*leading).value, low),
                neg_log10_p: at(&self.neg_log10_p, i),
                expected: if expected.is_nan() { f64::midpoint(low, high) } else { expected },
                low,
                high,
                effective_n: effective_n(row, *leading, expected),
                ..Score::unknown()
            };
            let signals = Signal::ALL.map(|signal| {
                let score = match signal {
                    _ if signal == *leading => known,
                    Signal::P95Latency => Score { z: at(&self.p95_z, i), ..Score::unknown() },
                    _ => Score::unknown(),
                };
                SignalScore { signal: signal.into(), score, drift_since: None }
            });
            RowScores::from_kept(signals.to_vec())
        };
        rows.iter().zip(&self.signal).enumerate().map(one).collect()
    }

    /// The z of the leading signal: its column, the z of the p95 where it leads, else its side.
    fn z_of(&self, row: usize, value: f64, low: f64) -> f64 {
        let at = |column: &[f64]| column.get(row).copied().filter(|z| !z.is_nan());
        let p95 = self.signal.get(row) == Some(&Signal::P95Latency);
        at(&self.z).or_else(|| at(&self.p95_z).filter(|_| p95)).unwrap_or(if value < low {
            -1.0
        } else {
            1.0
        })
    }
}

/// How many observations carry the evidence of a signal, where a table does not say so: half of a
/// median's, a twentieth of a p95's, the errors of a rate, the requests of a count.
fn effective_n(row: &FeatureRow, signal: Signal, expected: f64) -> f64 {
    match signal {
        Signal::P50Latency => row.samples as f64 / 2.0,
        Signal::P95Latency => row.samples as f64 / 20.0,
        Signal::ErrorRate => row.errors as f64,
        Signal::RequestCount => expected.max(row.count as f64),
        Signal::ClientErrorRate => row.client_errors as f64,
        Signal::SlowShare => row.beyond_tail as f64,
    }
}

/// Verdicts; `None` where the table has no flags.
fn verdicts(
    reader: &TableReader<'_>,
    leading: &Leading,
    scores: &[RowScores],
) -> PyResult<Option<Vec<Verdict>>> {
    let Some(flags) = reader.flags("is_anomaly")? else { return Ok(None) };
    let severities = reader.parsed("severity", "Info, Warning or Critical", severity_of)?;
    let reasons = reader.parsed("reason", "a reason of mad, such as above_expected", reason_of)?;
    let names = Signal::ALL.map(Signal::as_str).join(", ");
    let flagged = reader.parsed("flagged_signals", &names, flagged_of)?;
    let (severities, reasons, flagged) =
        (Optional(severities), Optional(reasons), Optional(flagged));
    let one = |(i, (is_anomaly, (signal, scores))): (usize, (&bool, (&Signal, &RowScores)))| {
        let score = scores.of(*signal);
        let neg_log10_p = leading.neg_log10_p.get(i).copied().unwrap_or_default();
        let side = if score.z < 0.0 { Reason::BelowExpected } else { Reason::AboveExpected };
        let place = signal.index() as u16;
        Verdict {
            is_anomaly: *is_anomaly,
            reason: reasons.at(i, if *is_anomaly { side } else { Reason::Normal }),
            severity: severities
                .at(i, if *is_anomaly { Severity::Warning } else { Severity::Info }),
            confidence: Confidence::of(neg_log10_p, score.effective_n),
            leading: place,
            flagged: flagged.at(i, u64::from(*is_anomaly) << place),
            neg_log10_p,
            effective_n: score.effective_n,
        }
    };
    let rows = flags.iter().zip(leading.signal.iter().zip(scores)).enumerate();
    Ok(Some(rows.map(one).collect()))
}

fn signal_of(name: &str) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| signal.as_str() == name)
}

fn severity_of(name: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Critical]
        .into_iter()
        .find(|severity| severity.as_str() == name)
}

fn reason_of(name: &str) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == name)
}

/// Names of signals between spaces as bits.
fn flagged_of(names: &str) -> Option<u64> {
    names
        .split_ascii_whitespace()
        .try_fold(0, |bits, name| signal_of(name).map(|signal| bits | 1 << signal.index()))
}

/// The `-log10 p` of a score; 0 where it is missing.
fn neg_log10_p_of(score: f64) -> f64 {
    if score > 0.0 { mad_core::score::neg_log10_p_of(score.min(0.99)) } else { 0.0 }
}

/// The rows by time, those of one time as they stand.
///
/// # Errors
///
/// `ValueError` when an entity has two rows of one time.
fn in_time_order(rows: Rows) -> PyResult<Rows> {
    let mut order: Vec<usize> = (0..rows.features.len()).collect();
    let bucket = |place: &usize| rows.features.get(*place).map(|row| row.bucket);
    order.sort_by_key(bucket);
    let mut last: HashMap<EntityId, usize> = HashMap::new();
    for place in &order {
        let Some(row) = rows.features.get(*place) else { continue };
        if let Some(before) = last.insert(row.entity, *place)
            && rows.features.get(before).is_some_and(|before| before.bucket == row.bucket)
        {
            let name = rows.entities.get(row.entity).map(ToString::to_string).unwrap_or_default();
            return Err(value_error(format!(
                "the rows table has two rows of {name} at {}: rows {} and {}; give one row of \
                 each service and endpoint a step",
                row.bucket,
                before + 1,
                place + 1,
            )));
        }
    }
    let picked = |place: &usize| rows.features.get(*place).copied();
    let features = order.iter().filter_map(picked).collect();
    let scores = rows.scores.as_ref();
    let scores =
        scores.map(|all| order.iter().filter_map(|place| all.get(*place).cloned()).collect());
    let verdicts = rows.verdicts.as_ref();
    let verdicts =
        verdicts.map(|all| order.iter().filter_map(|place| all.get(*place).copied()).collect());
    Ok(Rows { entities: rows.entities, features, scores, verdicts })
}
