//! Requests to rows: order, lateness, gaps, bounds, and records from the wrong time.

use std::time::Duration;

use mad_core::config::FeatureConfig;
use mad_core::feature::{FeatureBuilder, FeatureRow, FeatureSink, Row, RowBuffer, RowKind};
use mad_core::limits::Limits;
use mad_core::series::{EntityTable, SeriesTable};
use mad_core::telemetry::{RejectReason, Rejections, Request, RequestTime, Source};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use proptest::prelude::*;

const HOUR: i64 = 60 * MINUTE;
/// 2026-01-06T10:00:00Z
const START: i64 = 1_767_693_600 * SECOND;
/// 2099-01-01T00:00:00Z
const POISON: i64 = 4_070_908_800 * SECOND;

fn start(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(START + nanos)
}

fn request(at: Timestamp, service: &str) -> Request<'_> {
    Request::new(at, service, "/x", 200, 10.0)
}

/// A builder and its output.
pub(super) struct Run {
    pub(super) builder: FeatureBuilder,
    pub(super) entities: EntityTable,
    series: SeriesTable,
    closed: RowBuffer,
    pub(super) rows: Vec<FeatureRow>,
    rejections: Rejections,
    position: u64,
}

impl Run {
    pub(super) fn new(config: FeatureConfig, limits: &Limits) -> Self {
        let builder = FeatureBuilder::new(config, limits).unwrap();
        Self {
            builder,
            entities: EntityTable::new(limits.entities),
            series: SeriesTable::new(limits.series),
            closed: RowBuffer::default(),
            rows: Vec::new(),
            rejections: Rejections::default(),
            position: 0,
        }
    }

    pub(super) fn default() -> Self {
        Self::new(FeatureConfig::default(), &Limits::default())
    }

    pub(super) fn push(&mut self, request: &Request<'_>) {
        self.position += 1;
        let source = Source::at(self.position);
        self.with(|builder, sink| {
            builder.push(request, &source, sink);
        });
    }

    fn with(&mut self, call: impl FnOnce(&mut FeatureBuilder, &mut FeatureSink<'_>)) {
        let Self { builder, entities, series, closed: rows, rejections, .. } = self;
        call(builder, &mut FeatureSink { entities, series, rows, rejections });
        let of_endpoint = |row: &Row<'_>| row.head.kind == RowKind::Requests;
        self.rows.extend(self.closed.iter().filter(of_endpoint).map(FeatureRow::from));
        self.closed.clear();
    }

    fn advance(&mut self, at: Timestamp) {
        self.with(|builder, sink| builder.advance(at, sink));
    }

    fn at(&mut self, at: Timestamp, service: &str) {
        self.push(&request(at, service));
    }

    /// One request each second, of the services in turn, between two times in nanoseconds after the
    /// start.
    fn stream(&mut self, from: i64, to: i64, services: &[&str]) {
        for (i, second) in (from / SECOND..to / SECOND).enumerate() {
            self.at(start(second * SECOND), services[i % services.len()]);
        }
    }

    pub(super) fn finish(&mut self) {
        self.with(FeatureBuilder::finish);
    }

    pub(super) fn rejected(&self, reason: RejectReason) -> u64 {
        self.rejections.count(reason)
    }

    /// Rows with names instead of ids, because ids depend on the order of arrival.
    fn named(&self) -> Vec<String> {
        let name = |row: &FeatureRow| self.entities.get(row.entity).unwrap().to_string();
        let bare = |row: &FeatureRow| FeatureRow { entity: mad_core::EntityId(0), ..*row };
        self.rows.iter().map(|row| format!("{} {:?}", name(row), bare(row))).collect()
    }

    fn requests(&self) -> u64 {
        self.rows.iter().map(|row| row.count).sum()
    }
}

fn config(step_seconds: f64) -> FeatureConfig {
    FeatureConfig { step_seconds, ..FeatureConfig::default() }
}

/// Type 7 of Hyndman and Fan, as in their definition.
fn naive_quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let h = (sorted.len() - 1) as f64 * q;
    let (below, above) = (sorted[h.floor() as usize], sorted[h.ceil() as usize]);
    below + (h - h.floor()) * (above - below)
}

#[test]
fn steps_from_a_second_to_an_hour() {
    for (step, seconds) in [(1.0, 1), (7.0, 7), (60.0, 60), (3600.0, 3600)] {
        let mut run = Run::new(config(step), &Limits::default());
        run.stream(0, 4 * HOUR, &["a"]);
        run.finish();
        assert_eq!(run.requests(), 4 * 3600);
        // 2026-01-06T10:00 is not a multiple of 7 s
        let rows = (4 * 3600_i64 + seconds - 1) / seconds;
        assert!((rows..=rows + 1).contains(&(run.rows.len() as i64)), "{step}");
        for pair in run.rows.windows(2) {
            assert_eq!(pair[1].bucket.since(pair[0].bucket), seconds * SECOND);
            assert_eq!(pair[1].gap, 0);
        }
        for row in &run.rows {
            assert_eq!(row.bucket.nanos() % (seconds * SECOND), 0);
        }
    }
}

#[test]
fn empty_steps_are_counted_as_a_gap() {
    let mut run = Run::default();
    for minute in [0, 1, 2, 5, 6, 40] {
        run.at(start(minute * MINUTE), "a");
        run.at(start(minute * MINUTE + SECOND), "b");
    }
    run.at(start(41 * MINUTE), "b");
    run.finish();
    let gaps = |index: usize| -> Vec<u64> {
        run.rows.iter().filter(|row| row.entity.index() == index).map(|row| row.gap).collect()
    };
    assert_eq!(gaps(0), [0, 0, 0, 2, 0, 33]);
    assert_eq!(gaps(1), [0, 0, 0, 2, 0, 33, 0]);
}

#[test]
fn the_last_step_of_a_stream_is_not_whole() {
    let ends = |seconds: i64, tick: Option<i64>| {
        let mut run = Run::default();
        run.stream(0, seconds * SECOND, &["a", "b"]);
        if let Some(tick) = tick {
            run.advance(start(tick * SECOND));
        }
        run.finish();
        run.rows.iter().map(|row| row.whole).collect::<Vec<bool>>()
    };
    // the last record is of 10:02:29, 10:01:59, 10:02:00
    assert_eq!(ends(150, None), [true, true, true, true, false, false]);
    assert_eq!(ends(120, None), [true, true, false, false]);
    assert_eq!(ends(121, None), [true, true, true, true, false]);
    // after a tick the step is complete
    assert_eq!(ends(120, Some(120)), [true, true, true, true]);
    assert_eq!(ends(120, Some(119)), [true, true, false, false]);
    let mut run = Run::default();
    run.stream(0, 150 * SECOND, &["a"]);
    run.finish();
    let counts: Vec<u64> =
        run.rows.iter().map(|row| row.sample(mad_core::Signal::RequestCount).n).collect();
    assert_eq!(counts, [1, 1, 0]);
}

#[test]
fn lateness_is_exact_to_the_nanosecond() {
    // the watermark is the clock less ten seconds; a step is closed once it has passed its end
    for (clock, taken) in [(10 * SECOND - 1, true), (10 * SECOND, false)] {
        let mut run = Run::default();
        run.stream(0, MINUTE, &["a"]);
        // each request takes 10 ms, and is known when it is completed
        for _ in 0..32 {
            run.at(start(MINUTE + clock - SECOND / 100), "a");
        }
        run.at(start(MINUTE - 1), "a");
        assert_eq!(run.rejected(RejectReason::Late), u64::from(!taken), "{clock}");
        run.finish();
        assert_eq!(run.rows[0].count, 60 + u64::from(taken));
        assert_eq!(run.rejections.total(), u64::from(!taken));
    }
}

#[test]
fn late_records_name_their_position() {
    let mut run = Run::default();
    run.stream(0, 5 * MINUTE, &["a"]);
    for second in 0..10 {
        run.at(start(second * SECOND), "a");
    }
    assert_eq!(run.rejected(RejectReason::Late), 10);
    let positions: Vec<u64> = run.rejections.first().iter().map(|late| late.position).collect();
    assert_eq!(positions, [301, 302, 303, 304, 305]);
    let detail = &run.rejections.first()[0].detail;
    assert!(detail.starts_with("timestamp = 2026-01-06T10:00:00Z, watermark = "), "{detail}");
}

#[test]
fn a_tick_closes_earlier_steps() {
    let mut run = Run::default();
    run.stream(0, 90 * SECOND, &["a", "b"]);
    assert_eq!(run.rows.len(), 2);
    run.advance(start(2 * MINUTE));
    assert_eq!(run.rows.len(), 4);
    // the watermark never moves back
    run.advance(start(MINUTE));
    assert_eq!(run.builder.watermark(), start(2 * MINUTE));
    run.at(start(119 * SECOND), "a");
    assert_eq!(run.rejected(RejectReason::Late), 1);
    run.finish();
    assert_eq!(run.rows.len(), 4);
}

#[test]
fn latencies_beyond_the_bound_are_counted_but_not_measured() {
    let limits = Limits { window_samples: 10, ..Limits::default() };
    let mut run = Run::new(FeatureConfig::default(), &limits);
    for i in 0..50_i64 {
        let (status, latency) = if i < 10 { (200, 10.0) } else { (500, 1e3) };
        let at = start(i * SECOND);
        run.push(&Request::new(at, "a", "/x", status, latency));
    }
    run.finish();
    let row = run.rows[0];
    assert_eq!((row.count, row.errors, row.samples, row.max), (50, 40, 10, 10.0));
    assert_eq!(run.builder.counts().samples_dropped, 40);
}

#[test]
fn entities_beyond_the_bound_share_a_row() {
    let limits = Limits { entities: 3, ..Limits::default() };
    let mut run = Run::new(FeatureConfig::default(), &limits);
    let names: Vec<String> = (0..20).map(|i| format!("s{i:02}")).collect();
    for (i, name) in names.iter().cycle().take(200).enumerate() {
        run.at(start(i as i64 * SECOND / 10), name);
    }
    run.finish();
    let named = run.named();
    assert_eq!(named.len(), 4);
    assert!(named[0].starts_with("(other) (other) "), "{named:?}");
    assert!(named[3].starts_with("s02 /x "), "{named:?}");
    assert_eq!(run.rows[0].count, 170);
    assert_eq!(run.entities.len(), 4);
    assert_eq!(run.requests(), 200);
}

#[test]
fn an_entity_named_like_the_overflow_bucket_is_in_it() {
    let limits = Limits { entities: 2, ..Limits::default() };
    let mut run = Run::new(FeatureConfig::default(), &limits);
    for minute in 0..3 {
        for (i, (service, endpoint)) in
            [("(other)", "(other)"), ("a", "/x"), ("b", "/x"), ("c", "/x")].into_iter().enumerate()
        {
            for k in 0..5 {
                let at = start(minute * MINUTE + (5 * k + i as i64) * SECOND);
                run.push(&Request::new(at, service, endpoint, 200, 1.0));
            }
        }
    }
    run.finish();
    assert_eq!(run.requests(), 60, "{:?}", run.named());
    let mut names: Vec<String> =
        run.entities.iter().map(|(_, entity)| entity.to_string()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), run.entities.len());
}

#[test]
fn a_repeated_delivery_is_dropped_by_its_id_only() {
    let limits = Limits { request_ids: 100, ..Limits::default() };
    let mut run = Run::new(FeatureConfig::default(), &limits);
    let ids: Vec<String> = (0..1_000).map(|i| format!("id-{i}")).collect();
    let mut size = 0;
    for (i, id) in ids.iter().enumerate() {
        let at = start(i as i64 * SECOND / 100);
        let request = Request { request_id: Some(id), ..request(at, "a") };
        run.push(&request);
        run.push(&request);
        if i == 199 {
            size = serde_json::to_string(&run.builder).unwrap().len();
        }
    }
    assert_eq!(run.rejected(RejectReason::Duplicate), 1_000);
    assert_eq!(run.rejections.first()[0].detail, "request_id = \"id-0\"");
    // an evicted id is accepted again, a remembered one is not
    run.push(&Request { request_id: Some("id-899"), ..request(start(10 * SECOND), "a") });
    assert_eq!(run.rejected(RejectReason::Duplicate), 1_000);
    run.push(&Request { request_id: Some("id-999"), ..request(start(10 * SECOND), "a") });
    assert_eq!(run.rejected(RejectReason::Duplicate), 1_001);
    // a hundred ids and the latencies of the 801 other requests
    let grown = serde_json::to_string(&run.builder).unwrap().len() - size;
    assert!(grown < 801 * 5 + 200, "{grown}");
    // equal rows without an id are separate requests
    for _ in 0..5 {
        run.at(start(10 * SECOND), "a");
    }
    run.finish();
    assert_eq!(run.requests(), 1_000 + 1 + 5);
}

#[test]
fn a_jump_of_all_entities_moves_the_clock() {
    let mut run = Run::default();
    run.stream(0, 5 * MINUTE, &["a", "b", "c", "d"]);
    let later = 30 * HOUR;
    for (i, name) in ["a", "b", "c", "d"].into_iter().cycle().take(11).enumerate() {
        run.at(start(later + i as i64 * SECOND), name);
    }
    assert_eq!(run.rows.len(), 4 * 4, "eleven of the last sixteen turns are not enough");
    run.at(start(later + 11 * SECOND), "d");
    run.stream(later + 12 * SECOND, later + 30 * SECOND, &["a", "b", "c", "d"]);
    assert_eq!(run.rows.len(), 4 * 5);
    run.finish();
    assert_eq!((run.requests(), run.rejections.total()), (330, 0));
    assert_eq!(run.rows.last().unwrap().gap, 30 * 60 - 5);
}

#[test]
fn two_entities_have_to_agree_on_a_jump() {
    let mut run = Run::default();
    run.stream(0, 5 * MINUTE, &["a", "b"]);
    // b is a day ahead, a is not
    for second in 300..600 {
        run.at(start(second * SECOND), "a");
        run.at(start(24 * HOUR + second * SECOND), "b");
    }
    run.finish();
    assert_eq!((run.requests(), run.rejected(RejectReason::Future)), (600, 300));
    assert_eq!(run.rejections.total(), 300);
}

#[test]
fn twelve_of_sixteen_records_of_a_lone_entity_move_the_clock() {
    let mut run = Run::default();
    run.stream(0, 5 * MINUTE, &["a"]);
    for i in 0..11 {
        run.at(start(30 * HOUR + i * SECOND), "a");
    }
    assert_eq!(run.rows.len(), 4);
    run.at(start(30 * HOUR + 11 * SECOND), "a");
    assert_eq!(run.rows.len(), 5);
    run.finish();
    assert_eq!((run.requests(), run.rejections.total()), (312, 0), "{:?}", run.rejections);
}

#[test]
fn five_disagreeing_records_do_not_move_the_watermark() {
    let mut run = Run::default();
    for minute in 0..30 {
        run.stream(minute * MINUTE, (minute + 1) * MINUTE, &["a", "b"]);
        // a clock that jumps
        run.at(start((100 + 70 * (minute * 7 % 30)) * 24 * HOUR), "broken");
    }
    run.finish();
    assert_eq!(run.rejected(RejectReason::Future), 30, "{:?}", run.rejections);
    assert_eq!((run.requests(), run.rejections.total()), (1_800, 30));
}

#[test]
fn a_record_on_time_restarts_the_count() {
    let mut run = Run::default();
    run.stream(0, 5 * MINUTE, &["a", "b"]);
    for i in 0..20 {
        // every second record of a is dated a day ahead
        run.at(start(5 * MINUTE + i * SECOND), "a");
        run.at(start(24 * HOUR + i * SECOND), "a");
    }
    run.stream(6 * MINUTE, 7 * MINUTE, &["a", "b"]);
    run.finish();
    assert_eq!((run.requests(), run.rejected(RejectReason::Future)), (380, 20));
}

#[test]
fn a_lone_record_from_2099_hides_nothing() {
    let clean = {
        let mut run = Run::default();
        run.stream(0, 20 * MINUTE, &["a", "b", "c"]);
        run.finish();
        run.named()
    };
    for poisoned in ["a", "b", "never seen before or after"] {
        for when in [0, 1, 2, 3, 100, 1_200] {
            let mut run = Run::default();
            let mut second = 0;
            for i in 0..1_201 {
                if i == when {
                    run.at(Timestamp::from_nanos(POISON), poisoned);
                } else {
                    run.at(start(second * SECOND), ["a", "b", "c"][second as usize % 3]);
                    second += 1;
                }
            }
            assert_eq!(run.rejections.total(), 0);
            run.finish();
            assert_eq!(run.rejected(RejectReason::Future), 1, "{poisoned} {when}");
            assert_eq!(run.rejections.total(), 1);
            assert_eq!(run.rejections.first()[0].position, when + 1);
            assert_eq!(run.named(), clean, "{poisoned} {when}");
        }
    }
}

#[test]
fn a_lone_first_record_from_1970_hides_nothing_either() {
    let mut run = Run::default();
    run.at(Timestamp::from_nanos(0), "a");
    run.stream(0, 20 * MINUTE, &["a", "b", "c"]);
    run.finish();
    assert_eq!(run.requests() + run.rejections.total(), 1_201);
    assert!(run.requests() >= 1_200, "{:?}", run.rejections);
}

#[test]
fn a_held_record_is_accepted_at_its_time_and_hides_no_other() {
    let mut run = Run::default();
    run.stream(0, 5 * MINUTE, &["a", "b"]);
    run.at(start(90 * MINUTE), "b");
    run.stream(5 * MINUTE, 30 * MINUTE, &["a", "b"]);
    assert_eq!(run.builder.counts().requests, 30 * 60);
    run.stream(30 * MINUTE, 90 * MINUTE, &["a", "b"]);
    run.stream(90 * MINUTE, 95 * MINUTE, &["a", "b"]);
    run.finish();
    assert_eq!(run.rejections.total(), 0, "{:?}", run.rejections);
    assert_eq!(run.requests(), 95 * 60 + 1);
    let minute = run.rows.iter().filter(|row| row.bucket == start(90 * MINUTE));
    assert_eq!(minute.map(|row| row.count).sum::<u64>(), 61);
}

#[test]
fn near_held_records_are_accepted_at_the_end() {
    for (minutes, taken) in [(20, false), (40, true)] {
        let mut run = Run::default();
        run.stream(0, 5 * MINUTE, &["a", "b"]);
        run.at(start(90 * MINUTE), "b");
        run.stream(5 * MINUTE, minutes * MINUTE, &["a", "b"]);
        run.finish();
        assert_eq!(run.rejected(RejectReason::Future), u64::from(!taken));
        assert_eq!(run.requests() + run.rejections.total(), minutes as u64 * 60 + 1);
    }
}

#[test]
fn held_records_are_bounded_and_the_furthest_are_evicted_first() {
    let limits = Limits { held_records: 10, ..Limits::default() };
    let mut run = Run::new(FeatureConfig::default(), &limits);
    run.stream(0, 5 * MINUTE, &["a", "b", "c"]);
    for i in 0..25 {
        run.at(start((30 - i) * 24 * HOUR), if i % 2 == 0 { "a" } else { "b" });
        run.at(start(5 * MINUTE + i * SECOND), if i % 2 == 0 { "a" } else { "b" });
    }
    assert_eq!(run.rejected(RejectReason::Future), 15);
    assert_eq!(run.rejections.first()[0].detail, format!("timestamp = {}", start(30 * 24 * HOUR)));
    run.finish();
    assert_eq!(run.rejected(RejectReason::Future), 25);
    assert_eq!(run.requests(), 325);
}

#[test]
fn a_builder_of_bounded_input_follows_every_jump() {
    let builder = FeatureBuilder::new(FeatureConfig::default(), &Limits::default()).unwrap();
    let mut run = Run { builder: builder.bounded_input(), ..Run::default() };
    for at in [start(0), start(30 * HOUR), Timestamp::from_nanos(POISON)] {
        run.at(at, "a");
        assert_eq!(run.builder.newest(), Some(at));
    }
    run.finish();
    assert_eq!((run.requests(), run.rejections.total()), (3, 0));
}

#[test]
fn few_records_are_accepted_at_the_end() {
    for records in 1..5 {
        let mut run = Run::default();
        for i in 0..records {
            run.at(start(i * MINUTE), "a");
        }
        assert_eq!(run.builder.newest(), None, "nothing agrees yet");
        run.finish();
        assert_eq!((run.requests() as i64, run.rejections.total()), (records, 0));
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    for bounded in [false, true] {
        for step in [1.0, 60.0, 3600.0] {
            let mut run = Run::new(config(step), &Limits::default());
            if bounded {
                run.builder = run.builder.bounded_input();
            }
            let ends = [i64::MIN, i64::MIN + 1, i64::MIN + MINUTE, 0, i64::MAX - 1, i64::MAX];
            for nanos in ends.into_iter().flat_map(|nanos| [nanos; 6]) {
                run.at(Timestamp::from_nanos(nanos), "a");
            }
            run.advance(Timestamp::MAX);
            run.finish();
            assert_eq!(run.requests() + run.rejections.total(), 36);
            for pair in run.rows.windows(2) {
                assert!(pair[0].bucket < pair[1].bucket);
                let apart = pair[1].bucket.since(pair[0].bucket);
                assert!(pair[1].gap as f64 * step * 1e9 < apart as f64, "{pair:?}");
            }
            assert_eq!(run.rows[0].gap, 0);
        }
    }
}

/// A request: nanoseconds after the start, which entity, failed or not, latency.
type Sketch = (i64, usize, bool, f64);

const NAMES: [(&str, &str); 4] = [("a", "/y"), ("a", "/x"), ("b", "/x"), ("ab", "/x")];

fn sketches(most: usize) -> impl Strategy<Value = Vec<Sketch>> {
    let latency = prop_oneof![0.0..1e4_f64, Just(0.0), Just(f64::MAX), Just(5e-324)];
    let one = (0..40 * MINUTE, 0..NAMES.len(), any::<bool>(), latency);
    prop::collection::vec(one, 1..most)
}

fn of_sketch(sketch: &Sketch) -> Request<'static> {
    let (service, endpoint) = NAMES[sketch.1];
    Request::new(start(sketch.0), service, endpoint, 200, sketch.3)
}

/// When a request is completed, nanoseconds after the start.
fn arrival(sketch: &Sketch) -> i64 {
    of_sketch(sketch).completed(RequestTime::Start).since(start(0))
}

fn counts_at(sketch: &Sketch) -> Timestamp {
    of_sketch(sketch).counts_at(
        RequestTime::Start,
        Duration::from_secs(60),
        Duration::from_secs(10),
    )
}

fn build(sketches: &[Sketch], bounded: bool) -> Run {
    let mut run = Run::default();
    if bounded {
        run.builder = run.builder.bounded_input();
    }
    for (nanos, entity, failed, latency) in sketches {
        let (service, endpoint) = NAMES[*entity];
        let status = if *failed { 503 } else { 200 };
        run.push(&Request::new(start(*nanos), service, endpoint, status, *latency));
    }
    run.finish();
    run
}

fn any_nanos() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => any::<i64>(),
        3 => (-2 * HOUR..2 * HOUR).prop_map(|nanos| START + nanos),
        2 => prop::sample::select(vec![i64::MIN, i64::MAX, 0, -1, POISON, i64::MAX - HOUR]),
        1 => (0..HOUR).prop_map(|nanos| i64::MAX - nanos),
        1 => (0..HOUR).prop_map(|nanos| i64::MIN + nanos),
    ]
}

fn any_latency() -> impl Strategy<Value = f64> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -0.0, f64::MAX, 5e-324];
    prop_oneof![any::<f64>(), 0.0..1e4_f64, prop::sample::select(odd.to_vec())]
}

#[test]
fn a_step_is_whole_at_the_end_of_a_short_stream_as_in_a_file() {
    // the second request completes so late after its step that it counts in the next one
    let sketches = [(0, 0, false, 0.0), (116_908_045_234, 0, false, 8_091.954_767_670_14)];
    assert_eq!(build(&sketches, false).named(), build(&sketches, true).named());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_within_the_lateness_gives_the_same_rows(
        sketches in sketches(300),
        delays in prop::collection::vec(0..10 * SECOND, 300),
        swaps in any::<u64>(),
    ) {
        let mut sorted = sketches;
        sorted.sort_by_key(|sketch| sketch.0);
        let expected = build(&sorted, true);
        prop_assert_eq!(expected.rejections.total(), 0);
        let mut delayed: Vec<(i64, Sketch)> = sorted
            .iter()
            .zip(&delays)
            .enumerate()
            .map(|(i, (sketch, delay))| (sketch.0 + delay * i64::from(swaps.rotate_left(i as u32) & 1 == 1), *sketch))
            .collect();
        delayed.sort_by_key(|(arrival, _)| *arrival);
        let arrived: Vec<Sketch> = delayed.into_iter().map(|(_, sketch)| sketch).collect();
        let run = build(&arrived, true);
        prop_assert_eq!(run.rejections.total(), 0, "{:?}", run.rejections);
        prop_assert_eq!(run.named(), expected.named());
        // in a stream a record arrives up to half of the lateness after its completion
        let mut completed: Vec<(i64, Sketch)> = sorted
            .iter()
            .zip(&delays)
            .map(|(sketch, delay)| (arrival(sketch) + delay / 2, *sketch))
            .collect();
        completed.sort_by_key(|(arrival, _)| *arrival);
        let arrived: Vec<Sketch> = completed.into_iter().map(|(_, sketch)| sketch).collect();
        let run = build(&arrived, false);
        prop_assert_eq!(run.rejections.total(), 0, "{:?}", run.rejections);
        prop_assert_eq!(run.named(), expected.named());
    }

    #[test]
    fn rows_equal_a_plain_count(sketches in sketches(200)) {
        let mut sorted = sketches;
        sorted.sort_by_key(|sketch| sketch.0);
        let run = build(&sorted, false);
        let mut groups = std::collections::BTreeMap::<_, Vec<Sketch>>::new();
        for sketch in &sorted {
            let bucket = counts_at(sketch).floor(MINUTE);
            groups.entry((bucket, NAMES[sketch.1])).or_default().push(*sketch);
        }
        prop_assert_eq!(run.rows.len(), groups.len());
        for (row, ((bucket, name), group)) in run.rows.iter().zip(&groups) {
            let entity = run.entities.get(row.entity).unwrap();
            prop_assert_eq!((row.bucket, (&*entity.service, &*entity.endpoint)), (*bucket, *name));
            prop_assert_eq!(row.count as usize, group.len());
            prop_assert_eq!(row.samples, row.count);
            prop_assert_eq!(row.errors as usize, group.iter().filter(|sketch| sketch.2).count());
            let latencies: Vec<f64> = group.iter().map(|sketch| sketch.3).collect();
            let mean = latencies.iter().map(|x| x / latencies.len() as f64).sum::<f64>();
            let mean = mean.min(f64::MAX);
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1e-300);
            prop_assert!(near(row.mean, mean), "{} {}", row.mean, mean);
            for (value, q) in [(row.p50, 0.5), (row.p95, 0.95), (row.p99, 0.99), (row.max, 1.0)] {
                let naive = naive_quantile(&latencies, q);
                prop_assert!(near(value, naive), "{q}: {value} {naive}");
            }
        }
    }

    #[test]
    fn no_time_or_number_panics(
        records in prop::collection::vec(
            (any_nanos(), 0..NAMES.len(), any::<i64>(), any_latency(), prop::option::of("[a-c]")), 0..60),
        ticks in prop::collection::vec(any_nanos(), 0..3),
        bounded in any::<bool>(),
        step in prop::sample::select(vec![1.0, 60.0, 3600.0]),
        lateness in prop::sample::select(vec![0.0, 10.0, 86_400.0]),
    ) {
        let config = FeatureConfig { lateness_seconds: lateness, ..config(step) };
        let limits = Limits { held_records: 7, entities: 2, request_ids: 2, ..Limits::default() };
        let mut run = Run::new(config, &limits);
        if bounded {
            run.builder = run.builder.bounded_input();
        }
        for (i, (nanos, entity, status, latency, id)) in records.iter().enumerate() {
            let (service, endpoint) = NAMES[*entity];
            let status = if status % 3 == 0 { *status } else { 200 };
            let at = Timestamp::from_nanos(*nanos);
            let request = Request { request_id: id.as_deref(), ..Request::new(at, service, endpoint, status, *latency) };
            run.push(&request);
            if let Some(tick) = ticks.get(i / 20).filter(|_| i % 20 == 19) {
                run.advance(Timestamp::from_nanos(*tick));
            }
            let state = serde_json::to_string(&run.builder).unwrap();
            run.builder = serde_json::from_str(&state).unwrap();
            prop_assert_eq!(serde_json::to_string(&run.builder).unwrap(), state);
        }
        run.finish();
        prop_assert_eq!(run.requests() + run.rejections.total(), records.len() as u64);
        prop_assert_eq!(run.requests(), run.builder.counts().requests);
        for pair in run.rows.windows(2) {
            prop_assert!(pair[0].bucket <= pair[1].bucket);
        }
        for row in &run.rows {
            for value in [row.mean, row.p50, row.p95, row.p99, row.max] {
                let known = value.is_finite() && value >= 0.0;
                prop_assert!(known || (value.is_nan() && row.samples == 0), "{row:?}");
            }
        }
    }
}

/// How the clock of a wrong source errs.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Off(i64),
    Frozen,
    Jumping,
}

fn any_wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        4 => (-2 * HOUR..24 * HOUR).prop_map(Wrong::Off),
        1 => Just(Wrong::Frozen),
        1 => Just(Wrong::Jumping),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_minority_of_wrong_sources_makes_no_other_record_late(
        hosts in 5..24_usize,
        wrong in prop::collection::vec(any_wrong(), 1..6),
        gap in prop::sample::select(vec![SECOND / 20, SECOND, 7 * SECOND]),
        step in prop::sample::select(vec![10.0, 60.0, 300.0]),
        begin in 0..600_usize,
        picks in prop::collection::vec(any::<u32>(), 1_500),
    ) {
        // at most a fifth of the hosts
        let bad = wrong.len().min(hosts / 5);
        let names: Vec<String> = (0..hosts).map(|host| format!("web-{host}")).collect();
        let mut run = Run::new(config(step), &Limits::default());
        let mut right = Vec::new();
        for (i, pick) in picks.iter().enumerate() {
            let host = *pick as usize % hosts;
            let true_time = i as i64 * gap;
            let at = match wrong.get(host).filter(|_| host < bad && i >= begin) {
                None => true_time,
                Some(Wrong::Off(offset)) => true_time + offset,
                Some(Wrong::Frozen) => begin as i64 * gap,
                Some(Wrong::Jumping) => i64::from(*pick) * 20_000 - HOUR,
            };
            let service = if pick & (1 << 20) == 0 { "a" } else { "b" };
            let host_name = names[host].as_str();
            run.push(&Request { host: host_name, ..request(start(at), service) });
            if host >= bad || i < begin {
                right.push(run.position);
            }
        }
        run.finish();
        for rejected in run.rejections.first() {
            prop_assert!(!right.contains(&rejected.position), "{rejected:?}");
        }
        prop_assert!(run.rejections.total() as usize + right.len() <= picks.len());
        prop_assert!(run.requests() as usize >= right.len());
    }
}
