//! Metrics in the pipeline: the scorer of single series, detected steps, counters, any input.

use mad_core::config::{FeatureConfig, PipelineConfig, ScoreConfig};
use mad_core::feature::{FeatureBuilder, FeatureSink, RowBuffer};
use mad_core::pipeline::{Pipeline, Update};
use mad_core::score::SeriesScorer;
use mad_core::simulate::{Radar, RadarScenario};
use mad_core::telemetry::{MetricPoint, RejectReason, Rejections, Source};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use mad_core::{
    EntityTable, IncidentDocument, JudgedRow, Limits, Reason, Sample, SeriesTable, Signal,
    SignalKind,
};
use proptest::prelude::*;

use crate::common::{minute, series_in, wobble};
use crate::signals::noise;

fn point(at: Timestamp, service: &'static str, value: f64) -> MetricPoint<'static> {
    MetricPoint::new(at, service, "cpu", value)
}

fn pipeline(config: PipelineConfig) -> Pipeline {
    Pipeline::new(config).unwrap().bounded_input()
}

/// All judged points of a complete run.
fn judged(points: &[MetricPoint<'_>]) -> (Pipeline, Update) {
    let mut pipeline = pipeline(PipelineConfig::default());
    let mut update = pipeline.ingest(points.iter().copied());
    let end = pipeline.finish();
    update.rows.extend(end.rows);
    update.changes.extend(end.changes);
    (pipeline, update)
}

#[test]
fn a_metric_is_scored_as_a_single_series_is() {
    let value = |i: i64| if i % 97 == 90 { 40.0 } else { 10.0 + wobble(i) };
    let points: Vec<_> = (0..600).map(|i| point(minute(i), "a", value(i))).collect();
    let (_, update) = judged(&points);
    let mut alone = SeriesScorer::new(SignalKind::Gauge, &ScoreConfig::default()).unwrap();
    let judged = series_in(&update.rows);
    assert_eq!(judged.len(), 600);
    for (i, (_, judged)) in (0..).zip(&judged) {
        let single = alone.observe(minute(i), Sample { value: value(i), n: 1 });
        assert_eq!(judged.score.neg_log10_p.to_bits(), single.score.neg_log10_p.to_bits(), "{i}");
        assert_eq!(judged.is_anomaly, single.is_anomaly, "{i}");
    }
    assert!(judged.iter().any(|(_, judged)| judged.is_anomaly));
}

/// With a value each second as with one each minute, chance hardly ever keeps an incident open.
#[test]
fn an_incident_of_values_each_second_closes_soon_after_its_last_flagged_row() {
    for seed in 0..10_u64 {
        let value = |i: i64| {
            let draw = |k: u64| noise((seed << 40) | (i as u64 * 8 + k));
            let normal: f64 = (0..4).map(draw).sum::<f64>() - 2.0;
            normal + if (3_600..3_900).contains(&i) { 90.0 } else { 50.0 }
        };
        let at = |i: i64| Timestamp::from_nanos(i * SECOND);
        let points: Vec<_> = (0..7_200).map(|i| point(at(i), "a", value(i))).collect();
        let (pipeline, _) = judged(&points);
        let incidents = pipeline.incidents();
        let found = incidents.iter().find(|one| one.start >= at(3_590)).unwrap();
        let closed = found.closed_at.unwrap().since(found.end);
        assert!(closed <= 7 * MINUTE, "{seed}: {} s after its end", closed / SECOND);
    }
}

/// The signals of requests have the scores that their values have as single series.
#[test]
fn a_signal_of_requests_is_scored_as_a_single_series_is() {
    let mut pipeline = pipeline(PipelineConfig::default());
    let mut requests = Vec::new();
    for i in 0..200 {
        let count = if i % 61 == 50 { 90 } else { 40 + i * 7919 % 13 };
        for k in 0..count {
            let at = minute(i).plus(k * SECOND / 2);
            let slow = if i % 53 == 40 || (i % 67 == 60 && k % 25 == 3) { 9.0 } else { 1.0 };
            let status =
                if (i % 47 == 40 && k % 2 == 0) || wobble(k + 50 * i) > 0.97 { 500 } else { 200 };
            let status = if i % 59 == 45 && k % 2 == 1 { 404 } else { status };
            let latency = slow * (100.0 + 80.0 * wobble(1000 * i + k));
            requests.push(mad_core::Request::new(at, "a", "/x", status, latency));
        }
    }
    let mut rows = pipeline.ingest(requests).rows;
    rows.extend(pipeline.finish().rows);
    for signal in Signal::ALL {
        let mut alone = SeriesScorer::new(signal.kind(), &ScoreConfig::default()).unwrap();
        let mut anomalous = 0;
        for (place, judged) in rows.iter().enumerate() {
            let single = alone.observe(judged.head.at, judged.signal(signal).unwrap().sample).score;
            let row = judged.score(signal);
            if signal == Signal::ErrorRate && place < 20 {
                // a rate is assumed for the first rows of requests
                continue;
            }
            assert_eq!(row.z.to_bits(), single.z.to_bits(), "{signal:?}");
            anomalous += u32::from(row.neg_log10_p > 4.0);
            if signal == Signal::SlowShare && row.neg_log10_p == 0.0 {
                // the slow share yields to a latency that says the same
                continue;
            }
            if signal.quantile().is_none() {
                assert_eq!(row.neg_log10_p.to_bits(), single.neg_log10_p.to_bits(), "{signal:?}");
            } else {
                // the bound for few requests applies to quantiles and not to single values
                assert!(row.neg_log10_p <= single.neg_log10_p);
            }
        }
        assert!(anomalous > 0 || signal == Signal::SlowShare, "{signal:?}");
    }
}

#[test]
fn a_lasting_deviation_is_an_incident_with_its_metric() {
    let value = |i: i64| if (200..206).contains(&i) { 60.0 } else { 10.0 + wobble(i) };
    let at = |i: i64| Timestamp::from_nanos(5 * i * MINUTE);
    let mut points = Vec::new();
    for i in 0..220 {
        points.push(point(at(i), "a", value(i)));
        points.push(MetricPoint { metric: "memory", ..point(at(i), "a", 50.0 + wobble(3 * i)) });
        points.push(MetricPoint { resource: "disk 1", ..point(at(i), "b", 20.0 + wobble(5 * i)) });
    }
    let (pipeline, _) = judged(&points);
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    let incident = incidents[0];
    assert_eq!(incident.entity.to_string(), "a");
    assert_eq!((incident.start, incident.end), (at(200), at(206)));
    let signals: Vec<&str> = incident.signals().map(mad_core::SignalName::as_str).collect();
    assert_eq!(signals, ["cpu"]);
    let explanation = pipeline.explain(incident);
    assert!(explanation.summary.starts_with("a: cpu reached 60 (usual 10.5), "), "{explanation:?}");
    assert_eq!(explanation.impact, [""; 0]);
    let document = IncidentDocument::new(&pipeline, incident);
    let series = document.series.unwrap();
    assert_eq!((series.signals.len(), series.signals[0].name.as_str()), (1, "cpu"));
    assert!(series.bucket.len() > 20);
    assert_eq!(pipeline.culprits(Some(at(205))).culprits[0].metric.as_str(), "cpu");
}

#[test]
fn order_within_the_lateness_is_irrelevant_and_later_points_are_counted() {
    let run = |points: &[(i64, f64)]| {
        let mut pipeline = pipeline(PipelineConfig::default());
        let at = |second: i64| Timestamp::from_nanos(second * SECOND);
        let points = points.iter().map(|(second, value)| point(at(*second), "a", *value));
        let mut update = pipeline.ingest(points);
        update.rows.extend(pipeline.finish().rows);
        let judged = series_in(&update.rows).into_iter();
        let values: Vec<f64> = judged.map(|(_, judged)| judged.sample.value).collect();
        (values, pipeline.rejected().clone())
    };
    let (values, rejected) = run(&[(0, 1.0), (5, 3.0), (3, 2.0), (60, 4.0), (70, 6.0), (65, 5.0)]);
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(rejected.total(), 0);
    let (values, rejected) = run(&[(0, 1.0), (60, 2.0), (60, 2.0), (20, 9.0), (70, 3.0)]);
    assert_eq!(values, [1.0, 2.0, 3.0]);
    assert_eq!(rejected.count(RejectReason::Duplicate), 1);
    assert_eq!(rejected.count(RejectReason::Late), 1);
}

#[test]
fn a_running_total_is_judged_by_its_increase() {
    let mut total = 0.0;
    let points: Vec<_> = (0..100)
        .map(|i| {
            total = if i == 60 {
                5.0
            } else {
                total + if i == 80 { 6000.0 } else { 120.0 + wobble(i) }
            };
            MetricPoint { metric: "requests_total", ..point(minute(i), "a", total) }
        })
        .collect();
    let (_, update) = judged(&points);
    let judged = series_in(&update.rows);
    let value = |i: usize| judged[i].1.sample.value;
    assert!(value(0).is_nan() && value(60).is_nan());
    assert!((2.0..2.02).contains(&value(59)) && (2.0..2.02).contains(&value(61)));
    assert!((99.9..100.1).contains(&value(80)));
    let flagged: Vec<usize> = (0..100).filter(|i| judged[*i].1.is_anomaly).collect();
    assert_eq!(flagged, [80]);
}

#[test]
fn series_beyond_the_limits_are_counted_and_change_nothing() {
    let limits = Limits { series: 3, entities: 4, ..Limits::default() };
    let mut bounded = pipeline(PipelineConfig { limits, ..PipelineConfig::default() });
    let (mut alone, mut points) = (pipeline(PipelineConfig::default()), Vec::new());
    for i in 0..300 {
        let a = point(minute(i), "a", wobble(i));
        alone.ingest([a]);
        let mut update = bounded.ingest([a]);
        for k in 0..100 {
            let service = format!("s{}", 100 * i + k);
            let more = MetricPoint::new(minute(i), &service, "cpu", 1.0);
            update.rows.extend(bounded.ingest([more]).rows);
        }
        points.extend(update.rows);
    }
    points.extend(bounded.finish().rows);
    let of_a = |points: &[JudgedRow]| -> Vec<u64> {
        let id = bounded.entities().find("a", "").unwrap();
        let mine = series_in(points).into_iter().filter(|(row, _)| row.head.entity == id);
        mine.map(|(_, judged)| judged.score.neg_log10_p.to_bits()).collect()
    };
    assert_eq!(of_a(&points).len(), 300);
    let counters = bounded.counters();
    assert_eq!((counters.series, counters.points_overflowed), (3, 300 * 100 - 2));
    assert!(counters.entities <= 5);
}

#[test]
fn three_points_and_a_silent_series_are_no_anomaly() {
    let mut points: Vec<_> = (0..3).map(|i| point(minute(i), "a", 1e300 * (i as f64))).collect();
    points.push(point(minute(3), "b", 5.0));
    points.extend((4..50).map(|i| point(minute(i), "c", f64::NAN)));
    let (pipeline, update) = judged(&points);
    let judged = series_in(&update.rows);
    assert_eq!(judged.len(), 50);
    assert!(judged.iter().all(|(_, judged)| !judged.is_anomaly));
    assert_eq!(judged[2].1.reason, Reason::WarmUp);
    assert_eq!(pipeline.rejected().total(), 0);
}

fn any_point() -> impl Strategy<Value = (u8, u8, i64, f64, u64)> {
    let value = prop_oneof![any::<f64>(), 0.0..100.0_f64, Just(f64::NAN), Just(1e300)];
    let time = prop_oneof![4 => 0..200_i64, 1 => any::<i64>()];
    (0..4_u8, 0..3_u8, time, value, prop_oneof![Just(1_u64), any::<u64>()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_point_panics_and_batches_are_irrelevant(
        raw in prop::collection::vec(any_point(), 0..300),
        cut in 0..300_usize,
    ) {
        let services = ["a", "b", "", "d\u{7}"];
        let metrics = ["cpu", "x_total", "latency"];
        let points: Vec<MetricPoint<'_>> = raw
            .iter()
            .map(|(service, metric, at, value, n)| MetricPoint {
                timestamp: if (0..200).contains(at) { minute(*at) } else { Timestamp::from_nanos(*at) },
                service: services[usize::from(*service)],
                resource: "",
                metric: metrics[usize::from(*metric)],
                value: *value,
                n: *n,
                host: "",
            })
            .collect();
        let run = |cut: usize| {
            let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
            let (first, rest) = points.split_at(cut.min(points.len()));
            let mut out = pipeline.ingest(first.iter().copied()).rows;
            out.extend(pipeline.ingest(rest.iter().copied()).rows);
            out.extend(pipeline.finish().rows);
            (format!("{out:?}"), serde_json::to_string(&pipeline).unwrap())
        };
        prop_assert_eq!(run(cut), run(0));
    }
}

#[test]
fn points_of_one_time_are_ordered_by_name() {
    let builder = FeatureBuilder::new(FeatureConfig::default(), &Limits::default());
    let mut builder = builder.unwrap().bounded_input();
    let (mut entities, mut series) = (EntityTable::new(10), SeriesTable::new(10));
    let (mut rows, mut rejections) = (RowBuffer::default(), Rejections::default());
    let mut sink = FeatureSink {
        entities: &mut entities,
        series: &mut series,
        rows: &mut rows,
        rejections: &mut rejections,
    };
    for service in ["b", "a", "c"] {
        for metric in ["y", "x"] {
            let point = MetricPoint::new(minute(0), service, metric, 1.0);
            builder.push(point, &Source::at(1), &mut sink);
        }
    }
    builder.finish(&mut sink);
    let names: Vec<String> = rows
        .iter()
        .flat_map(|row| row.samples.iter().filter_map(|sample| sample.signal.series()))
        .map(|id| {
            let name = series.get(id).unwrap();
            format!("{}{}", entities.get(name.entity).unwrap(), name.metric)
        })
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(names, ["ax", "ay", "bx", "by", "cx", "cy"]);
}

#[test]
fn the_profile_of_median_and_mad_is_the_mad_scorer() {
    use mad_core::config::Profile;
    use mad_core::score::{MadConfig, MadScorer, Scorer};
    let config = ScoreConfig { profile: Profile::Mad, ..ScoreConfig::default() };
    let mut series = SeriesScorer::new(SignalKind::Gauge, &config).unwrap();
    let mut plain = MadScorer::new(MadConfig::default()).unwrap();
    let mut full = SeriesScorer::new(SignalKind::Gauge, &ScoreConfig::default()).unwrap();
    let mut differ = 0;
    for i in 0..400 {
        let value = 50.0 + f64::from(i * 37 % 11) + if i == 300 { 90.0 } else { 0.0 };
        let (at, sample) = (minute(i64::from(i)), Sample { value, n: 1 });
        let score = series.observe(at, sample).score;
        assert_eq!(score.z.to_bits(), plain.observe(at, sample, 4.0).z.to_bits());
        differ += u32::from(score.neg_log10_p != full.observe(at, sample).score.neg_log10_p);
    }
    assert!(differ > 100);
}

#[test]
fn a_metric_raises_the_alarms_of_a_single_series() {
    let value = |i: i64| match i {
        150 | 151 | 153 => 30.0,
        700..730 => 25.0,
        _ => 10.0 + wobble(i) + (i % 50) as f64 / 25.0,
    };
    let points: Vec<_> = (0..1_500).map(|i| point(minute(i), "a", value(i))).collect();
    let (_, update) = judged(&points);
    let mut alone = SeriesScorer::new(SignalKind::Gauge, &ScoreConfig::default()).unwrap();
    let judged = series_in(&update.rows);
    for (i, (_, judged)) in (0..).zip(&judged) {
        let single = alone.observe(minute(i), Sample { value: value(i), n: 1 });
        assert_eq!(judged.alarm_score.to_bits(), single.alarm_score.to_bits(), "{i}");
        assert_eq!(judged.is_alarm, single.is_alarm, "{i}");
    }
    let alarms = judged.iter().filter(|(_, judged)| judged.is_alarm).count();
    assert!((2..=10).contains(&alarms), "{alarms}");
}

/// Points of one series, five minutes apart, with given values at some places.
fn with_values(at: impl Fn(i64) -> Option<f64>) -> Vec<MetricPoint<'static>> {
    let value = |i: i64| at(i).unwrap_or(10.0 + wobble(i));
    (0..400).map(|i| MetricPoint { n: 50, ..point(minute(5 * i), "a", value(i)) }).collect()
}

#[test]
fn an_outlier_of_a_gauge_is_flagged_and_opens_nothing() {
    let (pipeline, update) = judged(&with_values(|i| (i % 80 == 70).then_some(60.0)));
    assert!(series_in(&update.rows).iter().filter(|(_, judged)| judged.is_anomaly).count() >= 3);
    assert_eq!(pipeline.incidents().len(), 0);
}

#[test]
fn a_level_that_lasts_opens_one_incident_and_flagged_points_join_it() {
    let (pipeline, update) = judged(&with_values(|i| match i {
        250 | 251 | 253 | 254 => Some(16.0),
        252 => Some(60.0),
        _ => None,
    }));
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    assert_eq!((incidents[0].start, incidents[0].end), (minute(5 * 250), minute(5 * 255)));
    assert!(series_in(&update.rows)[250..252].iter().any(|(_, judged)| judged.is_alarm));
    assert_eq!(update.changes.iter().filter(|change| change.incident().is_open()).count(), 4);
}

#[test]
fn muted_metrics_raise_no_alarm() {
    let mut muted = pipeline(PipelineConfig::default());
    let mute = mad_core::Command::Mute {
        service: mad_core::series::Glob::new("a"),
        endpoint: mad_core::series::Glob::default(),
        at: minute(0),
        until: minute(10_000),
        reason: "planned".to_owned(),
    };
    muted.apply(&mute).unwrap();
    let update = muted.ingest(with_values(|i| (i > 300).then_some(60.0)));
    let judged = series_in(&update.rows);
    assert!(judged.len() > 300 && judged.iter().all(|(_, judged)| !judged.is_alarm));
    assert_eq!(muted.incidents().len(), 0);
}

/// Incidents of a service with three metrics, and minutes after the start of a scenario.
fn radar(scenario: RadarScenario, minutes: usize) -> Option<(f64, String)> {
    let radar = Radar::new(scenario, 3, minute(0)).unwrap().with_calm(25);
    let begins = radar.begins();
    let mut pipeline = pipeline(PipelineConfig::default());
    for second in radar.take(60 * minutes) {
        let values = [
            ("latency_ms", second.latency_ms),
            ("error_rate", second.error_rate),
            ("cpu_pct", second.cpu_pct),
        ];
        let row = values.map(|(name, value)| MetricPoint::new(second.at, "radar", name, value));
        let update = pipeline.ingest(row);
        if let Some(change) = update.changes.first() {
            let words = pipeline.explain(change.incident());
            let after = second.at.since(begins) as f64 / MINUTE as f64;
            return Some((after, words.summary));
        }
    }
    None
}

#[test]
fn a_slow_change_of_one_metric_among_three_opens_an_incident_that_says_so() {
    let (after, words) = radar(RadarScenario::Drift, 60).unwrap();
    assert!((2.0..15.0).contains(&after), "{after}");
    assert!(words.contains("latency_ms has climbed from 12"), "{words}");
    assert_eq!(radar(RadarScenario::Calm, 60), None);
}

#[test]
fn two_senders_of_one_series_are_merged_and_named() {
    let values = |points: &[(&str, i64, f64)]| {
        let mut pipeline = pipeline(PipelineConfig::default());
        let at = |minute: i64| Timestamp::from_nanos(minute * MINUTE);
        let mut update = pipeline.ingest(points.iter().map(|(host, minute, value)| MetricPoint {
            host,
            ..MetricPoint::new(at(*minute), "a", "cpu", *value)
        }));
        update.rows.extend(pipeline.finish().rows);
        let judged = series_in(&update.rows).into_iter();
        let values: Vec<f64> = judged.map(|(_, judged)| judged.sample.value).collect();
        (
            values,
            pipeline.counters().points_merged,
            pipeline.merged_series(),
            pipeline.rejected().total(),
        )
    };
    // without a host, in any order, the mean of the different values is judged
    for points in [[("", 0, 1.0), ("", 0, 3.0)], [("", 0, 3.0), ("", 0, 1.0)]] {
        assert_eq!(values(&points), (vec![2.0], 1, Some("a cpu".to_owned()), 0));
    }
    // with a host each has its series
    assert_eq!(values(&[("x", 0, 1.0), ("y", 0, 3.0)]), (vec![1.0, 3.0], 0, None, 0));
}
