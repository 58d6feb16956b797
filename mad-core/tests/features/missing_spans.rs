//! Signals of whole traces: missing spans, found one by one and reported when there are many, and
//! network time between services.

use std::collections::{BTreeMap, BTreeSet};

use mad_core::graph::TraceProfiles;
use mad_core::simulate::{MeltTraces, SimulatedSpan, TraceScenario, Traces, TracesConfig};
use mad_core::telemetry::SpanKind;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Limits, LogLine, Pipeline, PipelineConfig, Source, Update};

const START: Timestamp = Timestamp::from_seconds(1_767_693_600);

/// The services of missing spans, by the minute of the trace.
fn found(profiles: &mut TraceProfiles, spans: &[SimulatedSpan]) -> BTreeSet<(Timestamp, String)> {
    let mut traces = Vec::new();
    for span in spans {
        traces.extend(profiles.close(span.start));
        profiles.span(&span.span());
    }
    traces.extend(profiles.close(Timestamp::MAX));
    let of = |place: u32| profiles.operation(place).unwrap().0.to_owned();
    let each = traces.iter().flat_map(|trace| {
        trace.missing.iter().map(|place| (trace.start.floor(MINUTE), of(*place)))
    });
    each.collect()
}

#[test]
fn lost_spans_are_found_from_the_rest_of_their_traces() {
    let (spans, lost) = MeltTraces::new(1_000, 0.2, 1, START).unwrap().run();
    let truth: BTreeSet<(Timestamp, String)> =
        lost.iter().map(|lost| (lost.minute, lost.service.to_string())).collect();
    let found = found(&mut TraceProfiles::new(&Limits::default()), &spans);
    let right = found.intersection(&truth).count() as f64;
    let f1 = 2.0 * right / (found.len() + truth.len()) as f64;
    assert!(f1 >= 0.95, "{f1}");
    let (whole, none) = MeltTraces::new(200, 0.0, 1, START).unwrap().run();
    assert!(none.is_empty());
    assert!(self::found(&mut TraceProfiles::new(&Limits::default()), &whole).is_empty());
}

#[test]
fn the_order_of_spans_within_a_minute_is_free() {
    let (spans, _) = MeltTraces::new(300, 0.2, 3, START).unwrap().run();
    let mut shuffled = spans.clone();
    shuffled.sort_by_key(|span| (span.start.floor(MINUTE), span.span_id.clone()));
    let new = || TraceProfiles::new(&Limits::default());
    assert_eq!(found(&mut new(), &shuffled), found(&mut new(), &spans));
    // divided by service, as in shards, and merged before the end
    let mut profiles = [new(), new()];
    for span in &spans {
        profiles[usize::from(&*span.service == "frontend")].span(&span.span());
    }
    let [mut one, other] = profiles;
    one.absorb(&other);
    let mut whole = new();
    for span in &spans {
        whole.span(&span.span());
    }
    let finished = |profiles: &mut TraceProfiles| -> Vec<(Timestamp, Vec<String>)> {
        let traces = profiles.close(Timestamp::MAX);
        let of = |place: &u32| profiles.operation(*place).unwrap().0.to_owned();
        let named = |places: &[u32]| -> Vec<String> {
            let names: BTreeSet<String> = places.iter().map(of).collect();
            names.into_iter().collect()
        };
        traces.iter().map(|trace| (trace.start, named(&trace.missing))).collect()
    };
    assert_eq!(finished(&mut one), finished(&mut whole));
}

#[test]
fn bounds_hold() {
    let limits = Limits { open_spans: 8, entities: 2, ..Limits::default() };
    let mut profiles = TraceProfiles::new(&limits);
    let (spans, _) = MeltTraces::new(100, 0.0, 1, START).unwrap().run();
    for span in &spans {
        profiles.span(&span.span());
    }
    // two operations, and of the traces the last ones
    assert_eq!(profiles.close(Timestamp::MAX).len(), 4);
    assert!(profiles.operation(1).is_some() && profiles.operation(2).is_none());
}

fn feed(pipeline: &mut Pipeline, spans: &[SimulatedSpan]) -> Update {
    let mut update = Update::default();
    for span in spans {
        pipeline.push(span.span(), &Source::at(1), &mut update);
    }
    update
}

/// Eight traces a minute for two hours; from minute 90 to 100 the cache is not called.
fn spans() -> Vec<SimulatedSpan> {
    let (spans, _) = MeltTraces::new(960, 0.01, 5, START).unwrap().run();
    let faster = |span: SimulatedSpan| {
        let since = span.start.since(START);
        let start = START.plus(since / MINUTE / 8 * MINUTE + since % MINUTE);
        SimulatedSpan { start, ..span }
    };
    let mut spans: Vec<SimulatedSpan> = spans.into_iter().map(faster).collect();
    spans.sort_by_key(|span| span.start);
    let silent = START.plus(90 * MINUTE)..START.plus(100 * MINUTE);
    spans.retain(|span| &*span.service != "cache-service" || !silent.contains(&span.start));
    spans
}

#[test]
fn many_missing_spans_are_an_explained_incident() {
    let spans = spans();
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut pipeline, &spans);
    pipeline.finish();
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let incident = incidents[0];
    assert_eq!(&*incident.entity.service, "cache-service");
    assert_eq!(incident.start, START.plus(90 * MINUTE));
    let explanation = pipeline.explain(incident);
    assert!(
        explanation.summary.contains("number of missing spans reached 8 (usual 0)"),
        "{}",
        explanation.summary
    );
    assert!(
        explanation.likely_causes[0]
            .starts_with("Calls to cache-service call that no longer happen"),
        "{}",
        explanation.likely_causes[0]
    );
}

#[test]
fn a_log_that_ends_does_not_hold_traces_back() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for second in 0..180 {
        let at = START.plus(second * MINUTE / 60);
        let line = LogLine::new(at, "frontend", "ERROR", "a failure at the beginning");
        pipeline.push(line, &Source::at(1), &mut update);
    }
    // judged while spans come, before the end
    feed(&mut pipeline, &spans());
    let incident = pipeline.incidents()[0];
    assert!(incident.peaks.iter().any(|one| one.signal.signal.as_str() == "missing_spans"));
}

#[test]
fn batches_and_restores_change_nothing() {
    for spans in [spans(), checkout(TraceScenario::SlowNetwork)] {
        cut_and_saved(&spans);
    }
}

fn cut_and_saved(spans: &[SimulatedSpan]) {
    let mut whole = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut parts = whole.clone();
    let mut batch = whole.clone();
    for piece in spans.chunks(331) {
        parts = Pipeline::restore(PipelineConfig::default(), &parts.checkpoint().unwrap()).unwrap();
        let (one, other) = (feed(&mut whole, piece), feed(&mut parts, piece));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
    feed(&mut batch, spans);
    for pipeline in [&mut whole, &mut parts, &mut batch] {
        pipeline.finish();
    }
    assert!(whole.checkpoint().unwrap() == parts.checkpoint().unwrap());
    assert!(whole.checkpoint().unwrap() == batch.checkpoint().unwrap());
}

/// Half an hour of the checkout.
fn checkout(scenario: TraceScenario) -> Vec<SimulatedSpan> {
    Traces::new(TracesConfig { scenario, ..TracesConfig::default() }).unwrap().run().spans
}

/// The spans of services that write server spans only.
fn server_halves(spans: Vec<SimulatedSpan>) -> Vec<SimulatedSpan> {
    let clients = spans.iter().filter(|span| span.kind == SpanKind::Client);
    let callers: BTreeMap<String, Option<String>> =
        clients.map(|span| (span.span_id.clone(), span.parent_id.clone())).collect();
    let servers = spans.into_iter().filter(|span| span.kind == SpanKind::Server);
    servers
        .map(|span| {
            let parent_id = span.parent_id.as_ref().and_then(|client| callers[client].clone());
            SimulatedSpan { parent_id, ..span }
        })
        .collect()
}

fn judged(spans: &[SimulatedSpan]) -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut pipeline, spans);
    pipeline.finish();
    pipeline
}

#[test]
fn calls_that_a_failed_caller_never_made_are_not_missing() {
    let spans = checkout(TraceScenario::Cascade);
    for spans in [spans.clone(), server_halves(spans)] {
        let pipeline = judged(&spans);
        let incidents = pipeline.incidents();
        assert_eq!(incidents.len(), 1);
        let ranking = pipeline.ranking_of(incidents[0]);
        assert_eq!(&*ranking.culprits[0].entity.service, "payment", "{ranking:#?}");
        let text = format!("{:?}", pipeline.explain(incidents[0]));
        assert!(!text.contains("missing") && !text.contains("inventory"), "{text}");
    }
}

#[test]
fn spans_of_a_dead_service_are_missing_although_its_caller_failed() {
    let mut spans = checkout(TraceScenario::FailingInventory);
    let from = START.plus(18 * MINUTE)..START.plus(27 * MINUTE);
    let is_dead = |span: &SimulatedSpan| {
        &*span.service == "inventory" && span.kind == SpanKind::Server && from.contains(&span.start)
    };
    spans.retain(|span| !is_dead(span));
    for spans in [spans.clone(), server_halves(spans)] {
        let pipeline = judged(&spans);
        let ranking = pipeline.ranking_of(pipeline.incidents()[0]);
        let first = &ranking.culprits[0];
        assert_eq!(&*first.entity.service, "inventory", "{ranking:#?}");
        assert_eq!(first.metric.as_str(), "missing_spans");
    }
}

#[test]
fn a_slow_network_is_reported_between_two_services() {
    let pipeline = judged(&checkout(TraceScenario::SlowNetwork));
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    let ranking = pipeline.ranking_of(incidents[0]);
    let first = &ranking.culprits[0];
    assert_eq!(first.entity.to_string(), "checkout -> payment", "{ranking:#?}");
    assert_eq!(first.metric.as_str(), "network_gap_ms");
    let slow = ranking.culprits.iter().find(|one| one.slow_calls_to.is_some()).unwrap();
    assert_eq!(slow.slow_calls_to.as_deref(), Some("payment"));
    let explanation = pipeline.explain(incidents[0]);
    assert_eq!(
        explanation.likely_causes[0],
        "The network between checkout and payment: calls spent longer in it, beginning no later.",
    );
    assert!(
        explanation.summary.contains("checkout -> payment ranks first"),
        "{}",
        explanation.summary
    );
    // time in the callee is no network time
    let pipeline = judged(&checkout(TraceScenario::SlowPayment));
    let document = format!("{:?}", pipeline.explain(pipeline.incidents()[0]));
    assert!(!document.contains("between"), "{document}");
}

#[test]
fn network_time_is_the_wait_beyond_the_callees_work() {
    let mut profiles = TraceProfiles::new(&Limits::default());
    let base = checkout(TraceScenario::Quiet)[0].clone();
    let span = |id: &str, parent: Option<&str>, service: &str, kind, duration_ms| SimulatedSpan {
        span_id: id.to_owned(),
        parent_id: parent.map(str::to_owned),
        service: service.into(),
        kind,
        duration_ms,
        ..base.clone()
    };
    let spans = [
        span("1", None, "front", SpanKind::Server, 50.0),
        span("2", Some("1"), "front", SpanKind::Client, 40.0),
        span("3", Some("2"), "cart", SpanKind::Server, 30.0),
        // clock skew or a timeout: the callee worked longer than the caller waited
        span("4", Some("1"), "front", SpanKind::Client, 5.0),
        span("5", Some("4"), "mail", SpanKind::Unknown, 9.0),
        // no wait, the same service, no client span
        span("6", Some("2"), "queue", SpanKind::Consumer, 1.0),
        span("7", Some("2"), "front", SpanKind::Internal, 1.0),
        span("8", Some("3"), "store", SpanKind::Server, 1.0),
    ];
    for span in &spans {
        profiles.span(&span.span());
    }
    let traces = profiles.close(Timestamp::MAX);
    let of = |place: u32| profiles.operation(place).unwrap().0.to_owned();
    let gaps = traces[0].gaps.iter().map(|gap| (of(gap.caller), of(gap.callee), gap.ms));
    let front = || "front".to_owned();
    let expected = [(front(), "cart".to_owned(), 10.0), (front(), "mail".to_owned(), 0.0)];
    assert_eq!(gaps.collect::<Vec<_>>(), expected);
}
