//! The pipeline as a whole: a stream equals the batch, restored state continues unchanged, there is
//! no lookahead, and no input panics.

use std::collections::BTreeSet;

use mad_core::config::PipelineConfig;
use mad_core::error::ErrorKind;
use mad_core::incident::{CloseReason, Incident, IncidentChange, IncidentStatus};
use mad_core::pipeline::{Command, Pipeline, Update};
use mad_core::simulate::{IncidentKind, IncidentSpec, Shop, ShopConfig};
use mad_core::telemetry::{RejectReason, Request};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use mad_core::{Document, LogLine, Source, Span, SpanKind};
use proptest::prelude::*;

/// A request that owns its names.
#[derive(Debug, Clone)]
struct Owned {
    at: Timestamp,
    service: String,
    endpoint: String,
    status: i64,
    latency: f64,
    id: Option<String>,
}

impl Owned {
    fn request(&self) -> Request<'_> {
        let Self { at, service, endpoint, status, latency, id } = self;
        let request = Request::new(*at, service, endpoint, *status, *latency);
        Request { request_id: id.as_deref(), ..request }
    }
}

/// About 2,000 requests of payments within an hour; `/pay` fails from minute 40 to 49.
fn shop(seed: u64) -> Vec<Owned> {
    let incident =
        IncidentSpec { start_seconds: 2_400.0, duration_seconds: 540.0, ..IncidentSpec::default() };
    let config = ShopConfig {
        rows: 2_000,
        duration_seconds: 3_600.0,
        seed,
        services: 1,
        incidents: vec![incident],
        ..ShopConfig::default()
    };
    let requests = Shop::new(config).unwrap().requests();
    requests
        .map(|row| Owned {
            at: row.timestamp,
            service: row.service.to_string(),
            endpoint: row.endpoint.to_string(),
            status: i64::from(row.status_code),
            latency: row.latency_ms,
            id: None,
        })
        .collect()
}

/// The shop with late, early, repeated and broken records.
fn rough_shop(seed: u64) -> Vec<Owned> {
    let mut requests = shop(seed);
    for i in (0..requests.len()).step_by(97) {
        let mut odd = requests[i].clone();
        match i / 97 % 6 {
            0 => odd.at = odd.at.plus(-5 * SECOND),
            1 => odd.at = odd.at.plus(-20 * MINUTE),
            2 => odd.at = Timestamp::from_seconds(4_070_908_800),
            3 => odd.latency = f64::NAN,
            4 => odd.status = 999,
            _ => "new\nline".clone_into(&mut odd.service),
        }
        odd.id = Some(format!("{}", i % 5));
        requests.insert(i + 1, odd);
    }
    requests
}

fn pipeline() -> Pipeline {
    Pipeline::new(PipelineConfig::default()).unwrap()
}

/// The whole output as text.
#[derive(Default, PartialEq, Debug)]
struct Output {
    rows: Vec<String>,
    changes: Vec<String>,
}

impl Output {
    fn add(&mut self, update: &Update) {
        self.rows.extend(update.rows.iter().map(|row| format!("{row:?}")));
        let changes = update.changes.iter();
        self.changes.extend(changes.map(|change| serde_json::to_string(change).unwrap()));
    }
}

fn document(pipeline: &Pipeline) -> String {
    serde_json::to_string(&Document::new(pipeline)).unwrap()
}

fn state(pipeline: &Pipeline) -> String {
    serde_json::to_string(pipeline).unwrap()
}

fn restored(pipeline: &Pipeline) -> Pipeline {
    serde_json::from_str(&state(pipeline)).unwrap()
}

fn ingest(pipeline: &mut Pipeline, requests: &[Owned]) -> Update {
    pipeline.ingest(requests.iter().map(Owned::request))
}

/// One batch, run to its end.
fn batch(requests: &[Owned]) -> (Pipeline, Output) {
    let (mut pipeline, mut output) = (pipeline(), Output::default());
    output.add(&ingest(&mut pipeline, requests));
    output.add(&pipeline.finish());
    (pipeline, output)
}

fn cuts(places: &[usize], len: usize) -> BTreeSet<usize> {
    places.iter().map(|place| place % (len + 1)).chain([0, len]).collect()
}

/// A steady endpoint: `per_minute` requests of 100 to 140 ms from minute `from` to minute `to`,
/// slowed down by `factor`.
fn steady(name: &str, from: i64, to: i64, per_minute: i64, factor: f64) -> Vec<Owned> {
    (from * per_minute..to * per_minute)
        .map(|i| Owned {
            at: Timestamp::from_nanos(i * (MINUTE / per_minute)),
            service: name.to_owned(),
            endpoint: "/x".to_owned(),
            status: 200,
            latency: factor * (100.0 + (i * 37 % 41) as f64),
            id: None,
        })
        .collect()
}

/// A normal hour and then a slow period of `minutes`.
fn slow_for(name: &str, minutes: i64) -> Vec<Owned> {
    let mut requests = steady(name, 0, 60, 10, 1.0);
    requests.extend(steady(name, 60, 60 + minutes, 10, 20.0));
    requests
}

fn merged(mut all: Vec<Owned>) -> Vec<Owned> {
    all.sort_by_key(|request| request.at);
    all
}

#[test]
fn the_shop_has_its_incident() {
    for seed in 0..3 {
        let (pipeline, _) = batch(&shop(seed));
        let incidents = pipeline.incidents();
        assert_eq!(incidents.len(), 1, "{seed}");
        assert_eq!(incidents[0].entity.to_string(), "payments /pay");
        assert_eq!(incidents[0].start.to_string(), "2026-01-06T10:40:00Z");
        let ranking = pipeline.ranking_of(incidents[0]);
        assert_eq!(ranking.culprits[0].entity, incidents[0].entity);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_equals_the_batch_for_any_division(
        seed in 0..4_u64,
        places in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let requests = rough_shop(seed);
        let (whole, expected) = batch(&requests);
        let (mut cut, mut output) = (pipeline(), Output::default());
        let cuts: Vec<usize> = cuts(&places, requests.len()).into_iter().collect();
        for pair in cuts.windows(2) {
            output.add(&ingest(&mut cut, &requests[pair[0]..pair[1]]));
            output.add(&ingest(&mut cut, &[]));
        }
        output.add(&cut.finish());
        prop_assert_eq!(output, expected);
        prop_assert_eq!(document(&cut), document(&whole));
        prop_assert_eq!(state(&cut), state(&whole));
    }

    #[test]
    fn a_restored_pipeline_continues_unchanged(
        seed in 0..4_u64,
        places in prop::collection::vec(any::<usize>(), 1..6),
    ) {
        let requests = rough_shop(seed);
        let (whole, expected) = batch(&requests);
        let (mut stopped, mut output) = (pipeline(), Output::default());
        let cuts: Vec<usize> = cuts(&places, requests.len()).into_iter().collect();
        for pair in cuts.windows(2) {
            let before = state(&stopped);
            stopped = restored(&stopped);
            prop_assert_eq!(state(&stopped), before);
            output.add(&ingest(&mut stopped, &requests[pair[0]..pair[1]]));
        }
        output.add(&restored(&stopped).finish());
        stopped.finish();
        stopped = restored(&stopped);
        prop_assert_eq!(output, expected);
        prop_assert_eq!(document(&stopped), document(&whole));
        prop_assert_eq!(state(&stopped), state(&whole));
    }

    #[test]
    fn later_records_change_no_earlier_row(seed in 0..4_u64, place in 1..2_000_usize) {
        let requests = rough_shop(seed);
        let (_, all) = batch(&requests);
        let (mut start, mut output) = (pipeline(), Output::default());
        output.add(&ingest(&mut start, &requests[..place]));
        prop_assert_eq!(&output.rows[..], &all.rows[..output.rows.len()]);
        prop_assert_eq!(&output.changes[..], &all.changes[..output.changes.len()]);
    }
}

fn any_request() -> impl Strategy<Value = Owned> {
    let at = prop_oneof![
        1 => any::<i64>(),
        6 => (0..4 * 60 * MINUTE).prop_map(|nanos| 1_767_693_600 * SECOND + nanos),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX]),
    ];
    let name = prop_oneof![
        5 => prop::sample::select(vec!["a", "b", "(other)", "/x", "é", "<b>", "a\"b"])
            .prop_map(str::to_owned),
        1 => ".{0,6}",
        1 => Just("x".repeat(600)),
    ];
    let status = prop_oneof![3 => Just(200), 3 => Just(500), 1 => any::<i64>(), 1 => 90..610_i64];
    let latency = prop_oneof![
        5 => 0.0..1e3_f64,
        2 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, 5e-324, f64::NAN, f64::INFINITY]),
    ];
    let id = prop::option::weighted(0.2, ".{0,3}");
    (at, name.clone(), name, status, latency, id).prop_map(
        |(at, service, endpoint, status, latency, id)| {
            let at = Timestamp::from_nanos(at);
            Owned { at, service, endpoint, status, latency, id }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_panics(
        mut requests in prop::collection::vec(any_request(), 0..300),
        sorted in any::<bool>(),
        bounded in any::<bool>(),
        tick in any::<i64>(),
        tight in any::<bool>(),
    ) {
        if sorted {
            requests.sort_by_key(|request| request.at);
        }
        let mut config = PipelineConfig::default();
        if tight {
            config.features.step_seconds = 1.0;
            config.score.window = 3;
            config.guard.warm_up_minutes = 0.0;
            config.guard.min_points = 1;
            config.guard.min_requests = 0;
            config.incident.open_rows = 1;
            config.incident.open_steps = 1;
            config.limits.entities = 3;
            config.limits.window_samples = 2;
            config.limits.held_records = 3;
            config.limits.history_rows = 2;
            config.limits.flagged_rows = 2;
            config.limits.closed_incidents = 1;
            config.limits.request_ids = 1;
        }
        let mut pipeline = Pipeline::new(config).unwrap();
        if bounded {
            pipeline = pipeline.bounded_input();
        }
        let half = requests.len() / 2;
        ingest(&mut pipeline, &requests[..half]);
        pipeline = restored(&pipeline);
        ingest(&mut pipeline, &requests[half..]);
        pipeline.advance(Timestamp::from_nanos(tick));
        pipeline.finish();
        let counters = pipeline.counters();
        prop_assert_eq!(counters.requests + pipeline.rejected().total(), requests.len() as u64);
        let written = document(&pipeline);
        prop_assert!(!written.contains('\n'));
        prop_assert_eq!(document(&restored(&pipeline)), written);
    }
}

#[test]
fn a_push_answers_for_its_own_record() {
    let mut config = PipelineConfig::default();
    config.limits.held_records = 1;
    let mut pipeline = Pipeline::new(config).unwrap();
    let mut update = Update::default();
    let mut push = |position: u64, second: i64| {
        let line = LogLine::new(Timestamp::from_seconds(second), "pay", "ERROR", "refused");
        let accepted = pipeline.push(line, &Source::at(position), &mut update);
        (accepted, update.rejected.total())
    };
    // held, because no source confirms the time
    assert_eq!(push(1, 900_000), (true, 0));
    // held too; the record above is dated further ahead and makes room
    assert_eq!(push(2, 0), (true, 1));
    // dated further ahead than the held record
    assert_eq!(push(3, 900_000), (false, 2));
}

#[test]
fn rows_are_independent_of_other_entities() {
    let pay = slow_for("payments", 8);
    let (alone, _) = batch(&pay);
    let mut all = pay.clone();
    for (i, name) in ["aardvark", "middle", "zebra"].into_iter().enumerate() {
        let factor = if i == 1 { 12.0 } else { 1.0 };
        all.extend(steady(name, 0, 40, 7, 1.0));
        all.extend(steady(name, 40, 50, 7, factor));
        all.extend(steady(name, 50, 68, 7, 1.0));
    }
    let (together, _) = batch(&merged(all));
    let of_payments = |pipeline: &Pipeline| -> Vec<Incident> {
        let all = pipeline.incidents().into_iter().cloned();
        let ours = all.filter(|incident| &*incident.entity.service == "payments");
        ours.map(|incident| Incident { entity_id: mad_core::EntityId(0), ..incident }).collect()
    };
    assert_eq!(of_payments(&alone).len(), 1);
    assert_eq!(of_payments(&alone), of_payments(&together));
    assert_eq!(together.incidents().len(), 2);
    let [a, b] = together.incidents()[..] else { panic!("two") };
    assert_ne!((&a.id, &a.fingerprint), (&b.id, &b.fingerprint));
    assert!(a.id != b.id && a.fingerprint != b.fingerprint);
    let again = batch(&slow_for("payments", 8)).0;
    assert_eq!(again.incidents()[0].id, alone.incidents()[0].id);
    assert!(alone.incidents()[0].id.starts_with("INC-"));
}

#[test]
fn a_recurrence_has_the_same_fingerprint_and_a_new_id() {
    let mut requests = slow_for("a", 8);
    requests.extend(steady("a", 68, 120, 10, 1.0));
    requests.extend(steady("a", 120, 128, 10, 20.0));
    let (pipeline, _) = batch(&requests);
    let [second, first] = pipeline.incidents()[..] else { panic!("{:?}", pipeline.incidents()) };
    assert_eq!(second.fingerprint, first.fingerprint);
    assert_ne!(second.id, first.id);
    assert!(second.start > first.start);
}

#[test]
fn a_tick_closes_steps_and_then_silent_incidents() {
    let mut pipeline = pipeline();
    let requests = slow_for("a", 5);
    let mut opened = Vec::new();
    let update = ingest(&mut pipeline, &requests);
    opened.extend(update.changes);
    assert!(matches!(opened[0], IncidentChange::Opened(_)));
    let end = Timestamp::from_nanos(65 * MINUTE);
    // the last step is still open
    let last = pipeline.advance(end);
    assert_eq!(last.rows.len(), 1);
    assert!(matches!(last.changes[..], [IncidentChange::Updated(_)]));
    // half an hour without records
    assert!(pipeline.advance(end.plus(30 * MINUTE - 1)).changes.is_empty());
    let [IncidentChange::Closed(closed)] = &pipeline.advance(end.plus(30 * MINUTE)).changes[..]
    else {
        panic!("not closed")
    };
    assert_eq!(closed.close_reason, Some(CloseReason::Expired));
    assert_eq!(closed.closed_at, Some(end.plus(30 * MINUTE)));
    assert_eq!((closed.start, closed.end), (Timestamp::from_nanos(60 * MINUTE), end));
    assert_eq!(closed.status, IncidentStatus::Resolved);
    assert!(pipeline.advance(end.plus(90 * MINUTE)).changes.is_empty());
    // records of that time are now late
    let late = ingest(&mut pipeline, &requests[600..601]);
    assert_eq!(late.rejected.count(RejectReason::Late), 1);
    assert_eq!(pipeline.rejected().total(), 1);
}

#[test]
fn commands_acknowledge_and_resolve_an_incident() {
    let mut pipeline = pipeline();
    ingest(&mut pipeline, &slow_for("a", 5));
    let id = pipeline.incidents()[0].id.clone();
    assert_eq!(pipeline.incidents()[0].status, IncidentStatus::Open);
    let at = |minute: i64| Timestamp::from_nanos(minute * MINUTE);
    let acknowledge = |minute| Command::Acknowledge { id: id.clone(), at: at(minute) };
    let resolve = |minute| Command::Resolve { id: id.clone(), at: at(minute) };

    let update = pipeline.apply(&acknowledge(64)).unwrap();
    let [IncidentChange::Acknowledged(taken)] = &update.changes[..] else { panic!("{update:?}") };
    assert_eq!(taken.status, IncidentStatus::Acknowledged);
    assert_eq!(taken.acknowledged_at, Some(at(64)));
    assert!(taken.is_open());
    // the first acknowledgement stays
    pipeline.apply(&acknowledge(66)).unwrap();
    assert_eq!(pipeline.incidents()[0].acknowledged_at, Some(at(64)));
    // it still grows
    let update = pipeline.advance(at(65));
    let [IncidentChange::Updated(grown)] = &update.changes[..] else { panic!("{update:?}") };
    assert_eq!((grown.status, grown.rows), (IncidentStatus::Acknowledged, 5));

    let update = pipeline.apply(&resolve(67)).unwrap();
    let [IncidentChange::Closed(closed)] = &update.changes[..] else { panic!("{update:?}") };
    assert_eq!(closed.close_reason, Some(CloseReason::Command));
    assert_eq!((closed.closed_at, closed.status), (Some(at(67)), IncidentStatus::Resolved));
    assert!(pipeline.incident_window(&id).unwrap().ranking.is_some());
    assert_eq!(pipeline.incidents().len(), 1);

    for command in
        [acknowledge(68), resolve(68), Command::Resolve { id: "INC-0".to_owned(), at: at(68) }]
    {
        let before = state(&pipeline);
        let error = pipeline.apply(&command).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("INC-"), "{error}");
        assert_eq!(state(&pipeline), before);
    }
    let written = serde_json::to_string(&resolve(68)).unwrap();
    assert_eq!(serde_json::from_str::<Command>(&written).unwrap(), resolve(68));
}

#[test]
fn the_counts_of_the_document_are_consistent() {
    let requests = rough_shop(1);
    let (pipeline, output) = batch(&requests);
    let document = Document::new(&pipeline);
    assert_eq!(document.requests + document.rejected.total, requests.len() as u64);
    // rows of services count the same requests again
    let of_endpoints = output.rows.iter().filter(|row| !row.contains("kind: Services"));
    assert_eq!(document.rows, of_endpoints.count() as u64);
    assert_eq!(document.rows, document.timeline.iter().map(|lane| lane.rows).sum::<u64>());
    assert_eq!(document.flagged, document.timeline.iter().map(|lane| lane.flagged).sum::<u64>());
    assert_eq!(document.rejected.total, document.rejected.counts.values().sum::<u64>());
    let reasons: Vec<&str> = document.rejected.counts.keys().copied().collect();
    assert_eq!(reasons, ["bad_name", "duplicate", "future", "late"]);
    for rejected in &document.rejected.first {
        let odd = &requests[rejected.position as usize - 1];
        assert!(odd.id.is_some(), "{} {}", rejected.reason, rejected.position);
        assert!(!rejected.hint.is_empty());
    }
    let incident = &document.incidents[0];
    let series = incident.series.as_ref().unwrap();
    let of_it = |(at, flagged): &(&String, &bool)| {
        **flagged && (&incident.start..&incident.end).contains(at)
    };
    let rows = series.bucket.iter().zip(&series.flagged).filter(of_it).count();
    assert_eq!(rows as u64, incident.rows);
    for signal in &series.signals {
        assert_eq!(signal.values.len(), series.bucket.len());
        assert_eq!(signal.low.len(), series.bucket.len());
    }
    assert_eq!(incident.affected[0], "payments /pay");
}

#[test]
fn a_long_incident_is_thinned_evenly() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let requests: Vec<Owned> = slow_for("a", 1_500);
    ingest(&mut pipeline, &requests);
    pipeline.finish();
    let [incident] = pipeline.incidents()[..] else { panic!("one") };
    assert_eq!(incident.rows, 1_500);
    let record = pipeline.incident_window(&incident.id).unwrap();
    assert!(
        record.requests.rows.len() <= 361 && record.requests.rows.len() > 150,
        "{}",
        record.requests.rows.len()
    );
    let step = i64::from(record.requests.stride) * MINUTE;
    let rows: Vec<_> = record.requests.rows.iter().collect();
    for pair in rows.windows(2) {
        assert_eq!(pair[1].at.since(pair[0].at), step);
    }
}

#[test]
fn late_and_early_records_open_nothing() {
    // every third minute a record dated a day ahead and an hour-old repeated delivery
    let mut requests = steady("a", 0, 120, 10, 1.0);
    for i in (30..requests.len()).step_by(30).rev() {
        let mut early = requests[i].clone();
        early.at = early.at.plus(24 * 60 * MINUTE);
        early.latency = 1e4;
        let mut late = requests[i / 4].clone();
        late.latency = 1e4;
        requests.insert(i, early);
        if i > 200 {
            requests.insert(i, late);
        }
    }
    let (pipeline, _) = batch(&requests);
    assert!(pipeline.incidents().is_empty());
    assert_eq!(pipeline.counters().requests, 1_200);
}

#[test]
fn a_stream_that_ends_within_a_minute_ends_without_an_incident() {
    for seconds in [1, 2, 10, 30, 59] {
        let mut requests = steady("a", 0, 120, 60, 1.0);
        requests.extend(steady("a", 120, 121, 60, 1.0).into_iter().take(seconds));
        let (pipeline, _) = batch(&requests);
        assert!(pipeline.incidents().is_empty(), "{seconds}: {:?}", pipeline.incidents());
        assert_eq!(pipeline.counters().flagged, 0);
    }
    // a part of a minute can be slow too
    let mut requests = steady("a", 0, 120, 60, 1.0);
    requests.extend(steady("a", 120, 121, 60, 20.0).into_iter().take(30));
    let (pipeline, _) = batch(&requests);
    let signals: Vec<_> = pipeline.incidents()[0].signals().collect();
    assert!(!signals.iter().any(|s| **s == mad_core::Signal::RequestCount), "{signals:?}");
    assert_eq!(signals.len(), 2);
}

#[test]
fn a_drop_of_traffic_opens_an_incident() {
    let incident = IncidentSpec {
        start_seconds: 2_400.0,
        duration_seconds: 600.0,
        kind: IncidentKind::Traffic { factor: 0.1 },
        ..IncidentSpec::default()
    };
    let config = ShopConfig {
        rows: 6_000,
        duration_seconds: 3_600.0,
        services: 1,
        incidents: vec![incident],
        ..ShopConfig::default()
    };
    let requests: Vec<_> = Shop::new(config).unwrap().requests().collect();
    let mut pipeline = pipeline();
    pipeline.ingest(requests.iter().map(mad_core::simulate::SimulatedRequest::request));
    pipeline.finish();
    let [incident] = pipeline.incidents()[..] else { panic!("{:?}", pipeline.incidents()) };
    let signals: Vec<&str> = incident.signals().map(mad_core::SignalName::as_str).collect();
    assert_eq!(signals, ["req_count"]);
}

#[test]
fn a_request_and_its_span_are_one_row() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for minute in 0..5 {
        let at = Timestamp::from_nanos(minute * MINUTE);
        let trace = format!("{minute}");
        let mut request = Request::new(at, "pay", "/pay", 200, 30.0);
        request.trace_id = Some(&trace);
        pipeline.push(request, &Source::at(1), &mut update);
        for (kind, span_id, service, operation) in [
            (SpanKind::Server, "a", "pay", "POST /pay"),
            (SpanKind::Internal, "b", "pay", "charge"),
            (SpanKind::Server, "c", "stock", "GET /stock"),
        ] {
            let span = Span {
                trace_id: &trace,
                span_id,
                parent_id: None,
                service,
                operation,
                start: at,
                duration_ms: 30.0,
                status: "ok",
                kind,
                peer: None,
                host: "",
                version: "",
            };
            pipeline.push(span, &Source::at(1), &mut update);
        }
    }
    pipeline.finish();
    let mut names: Vec<String> =
        pipeline.entities().iter().map(|(_, entity)| entity.to_string()).collect();
    names.sort();
    // `pay` has two endpoints and so its own row
    assert_eq!(names, ["pay", "pay /pay", "pay charge", "stock GET /stock"]);
}

#[test]
fn a_fault_of_a_chain_opens_one_incident_from_its_first_minute() {
    // the ends of the chain are judged before its middle, which connects them
    let names = ["a-store", "b-front", "c-middle"];
    let requests = merged(names.iter().flat_map(|name| slow_for(name, 8)).collect());
    let mut changes = Vec::new();
    for size in [requests.len(), 1] {
        let mut pipeline = pipeline();
        let mut update = Update::default();
        for (caller, callee) in [("b-front", "c-middle"), ("c-middle", "a-store")] {
            pipeline.push(mad_core::Edge::new(caller, callee), &Source::at(1), &mut update);
        }
        let (mut output, mut opened) = (Output::default(), 0);
        let updates: Vec<Update> =
            requests.chunks(size).map(|part| ingest(&mut pipeline, part)).collect();
        for update in updates.iter().chain([&pipeline.finish()]) {
            output.add(update);
            let opens = |change: &&IncidentChange| matches!(change, IncidentChange::Opened(_));
            opened += update.changes.iter().filter(opens).count();
        }
        let [incident] = pipeline.incidents()[..] else { panic!("{:?}", pipeline.incidents()) };
        assert_eq!((opened, incident.members.len()), (1, 2));
        assert!(output.changes.iter().all(|change| change.contains(&incident.id)));
        changes.push(output.changes);
    }
    assert_eq!(changes[0], changes[1]);
}
