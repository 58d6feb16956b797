//! Times at the ends of their range: refused as records and commands, and never an overflow.

use mad_core::series::Glob;
use mad_core::{
    Change, Command, LogLine, MetricPoint, Pipeline, PipelineConfig, Record, RejectReason, Request,
    Source, Span, SpanKind, Timestamp, Update,
};
use proptest::prelude::*;

const OUTSIDE: [i64; 8] = [
    i64::MIN,
    i64::MIN + 1,
    -9_223_372_036_000_000_000,
    -1,
    Timestamp::LATEST.nanos() + 1,
    9_223_372_036_000_000_000,
    i64::MAX - 1,
    i64::MAX,
];

fn records(at: Timestamp) -> [Record<'static>; 5] {
    let span = Span {
        trace_id: "t",
        span_id: "s",
        parent_id: None,
        service: "shop",
        operation: "/pay",
        start: at,
        duration_ms: 1e300,
        status: "",
        kind: SpanKind::Server,
        peer: None,
        host: "",
        version: "",
    };
    [
        Request::new(at, "shop", "/pay", 200, 1e300).into(),
        MetricPoint::new(at, "shop", "cpu", 1.0).into(),
        span.into(),
        LogLine::new(at, "shop", "ERROR", "no").into(),
        Change::new(at, "shop", "deploy").into(),
    ]
}

fn commands(at: Timestamp, until: Timestamp) -> [Command; 5] {
    let (any, id) = (Glob::default, || "i-1".to_owned());
    [
        Command::Acknowledge { id: id(), at },
        Command::Resolve { id: id(), at },
        Command::Mute { service: any(), endpoint: any(), at, until, reason: String::new() },
        Command::AcceptLevel { service: any(), endpoint: any(), signal: any(), at },
        Command::Unmute { service: any(), endpoint: any(), at },
    ]
}

#[test]
fn records_outside_the_range_are_refused_in_every_kind() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut all_are_refused = |newest: Option<Timestamp>| {
        for nanos in OUTSIDE {
            for record in records(Timestamp::from_nanos(nanos)) {
                let mut update = Update::default();
                pipeline.push(record, &Source::at(1), &mut update);
                let kind = record.kind();
                assert_eq!(update.rejected.count(RejectReason::BadTimestamp), 1, "{kind} {nanos}");
                assert_eq!(pipeline.newest(), newest, "{kind} {nanos}");
            }
        }
        // from now on their names are known
        for record in records(Timestamp::from_seconds(60)) {
            pipeline.push(record, &Source::at(1), &mut Update::default());
        }
        pipeline.newest()
    };
    let newest = all_are_refused(None);
    all_are_refused(newest);
}

#[test]
fn a_request_that_ends_after_the_range_does_not_spoil_the_saved_state() {
    let config = PipelineConfig::default();
    let mut pipeline = Pipeline::new(config.clone()).unwrap();
    let near = Timestamp::LATEST.plus(-1_000_000_000);
    for k in 0..20 {
        let at = near.plus(-k * 60_000_000_000);
        pipeline.ingest([Request::new(at, "shop", "/pay", 200, 120_000.0)]);
    }
    pipeline.finish();
    let saved = pipeline.checkpoint().unwrap();
    let restored = Pipeline::restore(config, &saved);
    assert!(restored.is_ok(), "{:?}", restored.err());
}

#[test]
fn commands_outside_the_range_are_refused() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let good = Timestamp::from_seconds(60);
    for outside in OUTSIDE.map(Timestamp::from_nanos) {
        for command in commands(outside, good) {
            let error = pipeline.apply(&command).unwrap_err().to_string();
            assert!(error.contains("`at`") && error.contains("1970 to 2199"), "{error}");
        }
        let [_, _, mute, ..] = commands(good, outside);
        let error = pipeline.apply(&mute).unwrap_err().to_string();
        assert!(error.contains("`until`"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Ticks, records and commands of any time, and times at the ends of the range, overflow
    /// nothing, and the saved state can be restored.
    #[test]
    fn no_time_overflows(
        steps in proptest::collection::vec((0_u8..8, prop_oneof![
            any::<i64>(),
            Just(0), Just(Timestamp::LATEST.nanos()), Just(i64::MAX), Just(i64::MIN),
            0_i64..10_000_000_000_000,
            (Timestamp::LATEST.nanos() - 10_000_000_000_000)..=Timestamp::LATEST.nanos(),
        ]), 1..60),
        lateness in prop_oneof![Just(10.0), Just(0.0), Just(3600.0)],
    ) {
        let mut config = PipelineConfig::default();
        config.features.lateness_seconds = lateness;
        config.limits.idle_seconds = u32::MAX as usize;
        let mut pipeline = Pipeline::new(config.clone()).unwrap();
        let mut update = Update::default();
        for (what, nanos) in steps {
            let at = Timestamp::from_nanos(nanos);
            match what {
                0..5 => { pipeline.push(records(at)[usize::from(what)], &Source::at(1), &mut update); }
                5 => { pipeline.advance(at); }
                6 => for command in commands(at, at.plus(60_000_000_000)) {
                    let _ = pipeline.apply(&command);
                },
                _ => { pipeline.culprits(Some(at)); }
            }
        }
        pipeline.advance(Timestamp::LATEST);
        let saved = pipeline.checkpoint().unwrap();
        let restored = Pipeline::restore(config, &saved);
        prop_assert!(restored.is_ok(), "{:?}", restored.err());
        pipeline.finish();
    }
}

/// Kinds of records that move a clock.
const KINDS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// While jumps are refused, a batch that is dated ahead changes no row of other sources, however
    /// many sources it names, in which partition, and in how many pieces it comes.
    #[test]
    fn refused_jumps_change_nothing(
        ahead in 3_700_i64..4_000_000_000,
        names in 1_usize..100,
        in_other_partition: bool,
        kind in 0..KINDS,
        pieces in 1_usize..5,
    ) {
        let mut quiet = Pipeline::new(PipelineConfig::default()).unwrap();
        let mut attacked = quiet.clone();
        let start = 1_767_693_600;
        let at = Timestamp::from_seconds;
        let names: Vec<String> = (0..names).map(|number| format!("wrong-{number}")).collect();
        for pipeline in [&mut quiet, &mut attacked] {
            pipeline.ingest((0..600).map(|s| Request::new(at(start + s), "a", "/", 200, 9.0)));
            pipeline.refuse_jumps(true);
        }
        let partition = if in_other_partition { "other" } else { "" };
        let partition = attacked.partition(partition).unwrap();
        let wrong = at(start + 600 + ahead);
        let mut update = Update::default();
        for (place, name) in names.iter().cycle().take(pieces * names.len()).enumerate() {
            let source = Source { partition, ..Source::at(place as u64) };
            let record = match kind {
                0 => Record::from(Request::new(wrong, name, "/", 200, 9.0)),
                1 => Record::from(MetricPoint::new(wrong, name, "cpu", 1.0)),
                _ => Record::from(LogLine::new(wrong, name, "ERROR", "no")),
            };
            attacked.push(record, &source, &mut update);
        }
        prop_assert_eq!(update.rejected.total(), (pieces * names.len()) as u64);
        let rest = || (600..1_200).map(|s| Request::new(at(start + s), "a", "/", 200, 9.0));
        let (expected, found) = (quiet.ingest(rest()), attacked.ingest(rest()));
        prop_assert_eq!(found.rejected.total(), 0);
        let [expected, found] = [expected, found].map(|update| format!("{:?}", update.rows));
        prop_assert!(expected == found);
        prop_assert_eq!(quiet.clock(), attacked.clock());
        let restored = Pipeline::restore(PipelineConfig::default(), &attacked.checkpoint().unwrap());
        prop_assert!(restored.unwrap().refuses_jumps());
    }
}
