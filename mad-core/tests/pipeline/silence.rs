//! Silence: an entity with regular traffic that stops has an incident, in batch as in stream.

use mad_core::config::{IncidentConfig, MuteWindow, Override, PipelineConfig};
use mad_core::export::prometheus_text;
use mad_core::series::{Glob, SILENCE};
use mad_core::status::{HealthState, states};
use mad_core::time::SECOND;
use mad_core::{Edge, Incident, Pipeline, Request, Severity, Source, Timestamp, Update};

use crate::common::{minute, wobble};

/// Requests of an endpoint in the minutes of `when`: `rate` in each.
fn requests(
    name: (&'static str, &'static str),
    rate: i64,
    end: i64,
    when: impl Fn(i64) -> bool,
) -> Vec<Request<'static>> {
    let one = |i: i64, k: i64| {
        let ms = 80.0 + 15.0 * wobble(977 * i + k);
        Request::new(minute(i).plus(k * 60 * SECOND / rate), name.0, name.1, 200, ms)
    };
    (0..end).filter(|i| when(*i)).flat_map(|i| (0..rate).map(move |k| one(i, k))).collect()
}

/// The services that go on sending.
fn others(end: i64) -> Vec<Request<'static>> {
    let mut all = requests(("menu", "/list"), 12, end, |_| true);
    all.extend(requests(("stock", "/level"), 4, end, |_| true));
    all
}

fn sorted(mut all: Vec<Request<'static>>) -> Vec<Request<'static>> {
    all.sort_by_key(|request| request.timestamp);
    all
}

fn run(config: PipelineConfig, all: Vec<Request<'static>>) -> Pipeline {
    let mut pipeline = Pipeline::new(config).unwrap();
    pipeline.ingest(sorted(all));
    pipeline.finish();
    pipeline
}

fn default() -> PipelineConfig {
    PipelineConfig::default()
}

fn incidents(pipeline: &Pipeline) -> Vec<Incident> {
    pipeline.incidents().into_iter().cloned().collect()
}

#[test]
fn a_silent_service_has_an_incident_from_its_first_empty_step_until_it_returns() {
    for rate in [2, 20, 300] {
        for length in [12, 45, 200] {
            let mut all = others(160 + length);
            let gone = |i: i64| (100..100 + length).contains(&i);
            all.extend(requests(("kiosk", "/scan"), rate, 160 + length, |i| !gone(i)));
            let pipeline = run(default(), all);
            let found = incidents(&pipeline);
            let context = format!("{rate} a minute, {length} minutes");
            assert_eq!(found.len(), 1, "{context}");
            assert_eq!(&*found[0].entity.service, "kiosk", "{context}");
            assert_eq!((found[0].start, found[0].end), (minute(100), minute(100 + length)));
            assert!(!found[0].is_open() && found[0].severity == Severity::Critical);
            let opened = found[0].opened_at;
            assert!(minute(105) < opened && opened < minute(110), "{context}: {opened}");
            assert_eq!(found[0].signals().next().unwrap().as_str(), SILENCE);
        }
    }
}

#[test]
fn a_service_that_is_silent_at_the_end_is_open_and_its_health_is_0() {
    let mut all = others(130);
    all.extend(requests(("kiosk", "/scan"), 30, 100, |_| true));
    let pipeline = run(default(), all);
    let found = incidents(&pipeline);
    assert_eq!((found.len(), found[0].is_open()), (1, true));
    let known = states(&pipeline);
    let kiosk = known.iter().find(|one| &*one.entity.service == "kiosk").unwrap();
    assert_eq!((kiosk.state, kiosk.health), (HealthState::Silent, Some(0.0)));
    let text = prometheus_text(&pipeline, 1_000);
    assert!(text.contains("mad_health_score{service=\"kiosk\",endpoint=\"/scan\"} 0\n"), "{text}");
    let said = pipeline.explain(&found[0]);
    // the last minute was cut off by the end of the stream
    let sentence = "kiosk /scan: time without requests reached 29 minutes (usual 1 minute)";
    assert!(said.summary.starts_with(sentence), "{}", said.summary);
    assert!(said.recommended_actions[0].contains("whether kiosk is running"));
}

#[test]
fn a_silence_is_found_in_a_running_stream_and_restores_give_the_same() {
    let mut all = others(140);
    all.extend(requests(("kiosk", "/scan"), 30, 140, |i| !(100..128).contains(&i)));
    all.extend(requests(("kiosk", "/print"), 3, 140, |i| !(100..128).contains(&i)));
    let all = sorted(all);
    let whole = run(default(), all.clone());
    for cut in [100, 104, 106, 107, 115, 127, 128, 133] {
        let place = all.partition_point(|request| request.timestamp < minute(cut));
        let mut pipeline = Pipeline::new(default()).unwrap();
        for request in &all[..place] {
            let mut update = Update::default();
            pipeline.push(*request, &Source::at(1), &mut update);
        }
        let saved = pipeline.checkpoint().unwrap();
        let mut restored = Pipeline::restore(default(), &saved).unwrap();
        assert_eq!(restored.checkpoint().unwrap(), saved);
        if cut >= 107 {
            assert!(restored.incidents().iter().any(|one| one.start == minute(100)), "{cut}");
        }
        restored.ingest(all[place..].iter().copied());
        restored.finish();
        // the expected error rate of a silence is NaN, which differs from itself
        assert_eq!(format!("{:?}", incidents(&restored)), format!("{:?}", incidents(&whole)));
        assert_eq!(format!("{:?}", states(&restored)), format!("{:?}", states(&whole)));
    }
    assert_eq!(whole.incidents().len(), 1, "one incident of the service, not one an endpoint");
}

#[test]
fn hundreds_of_endpoints_that_stop_at_once_are_one_incident_of_their_service() {
    // few values at each position of the path, so that no route is learnt
    let letter = |i: usize| char::from(b'a' + i as u8);
    let path = |i: usize| format!("/v1/{}x/{}y", letter(i / 25), letter(i % 25));
    let names: Vec<&'static str> =
        (0..600).map(|i| &*Box::leak(path(i).into_boxed_str())).collect();
    let mut all = others(110);
    for (i, name) in names.iter().enumerate() {
        // some have a request in every minute, others in every third
        let every = 1 + i as i64 % 3;
        all.extend(requests(("parts", name), 1, 70, |at| at % every == 0));
    }
    all.extend(requests(("parts", "/v2"), 30, 110, |i| i >= 70));
    let found = incidents(&run(default(), all));
    assert_eq!(found.len(), 1, "{:?}", found.iter().map(|one| &one.entity).collect::<Vec<_>>());
    assert!(found[0].reached > 400, "{}", found[0].reached);
    assert_eq!(found[0].severity, Severity::Warning, "the service still has requests");
}

#[test]
fn what_was_silent_before_or_is_silent_with_all_others_is_no_incident() {
    // a hole in the collection
    let mut all = others(200);
    all.extend(requests(("kiosk", "/scan"), 20, 200, |_| true));
    all.extend(requests(("cron", "/job"), 1, 200, |i| i % 7 == 0));
    all.retain(|request| !(minute(100)..minute(140)).contains(&request.timestamp));
    let found = incidents(&run(default(), all));
    assert!(found.is_empty(), "{found:?}");
    // jobs that are on time, and bursts
    let mut all = others(2 * 1_440);
    all.extend(requests(("sync", "/half-hourly"), 1, 2 * 1_440, |i| i % 30 == 4));
    all.extend(requests(("cron", "/bursts"), 20, 2 * 1_440, |i| i % 60 < 10));
    all.extend(requests(("report", "/hourly"), 3, 2 * 1_440, |i| i % 60 == 0));
    let found = incidents(&run(default(), all));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn nights_without_requests_are_expected_from_the_third_on_and_noon_is_not() {
    let days = 5;
    let is_open = |i: i64| (480..1_080).contains(&(i % 1_440));
    let noon = |i: i64| (4 * 1_440 + 700..4 * 1_440 + 730).contains(&i);
    let mut all = requests(("menu", "/list"), 1, days * 1_440, |_| true);
    all.extend(requests(("desk", "/open"), 5, days * 1_440, |i| is_open(i) && !noon(i)));
    let found = incidents(&run(default(), all));
    let late: Vec<_> = found.iter().filter(|one| one.start >= minute(2 * 1_440)).collect();
    assert_eq!(late.len(), 1, "{found:?}");
    assert_eq!(late[0].start, minute(4 * 1_440 + 700));
    assert!(found.len() <= 3);
}

#[test]
fn a_job_that_stops_is_missed_and_has_one_incident() {
    let mut all = others(2_000);
    all.extend(requests(("cron", "/sync"), 1, 2_000, |i| {
        i % 20 == 3 && !(900..1_400).contains(&i)
    }));
    let found = incidents(&run(default(), all));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].start, found[0].is_open()), (minute(903), false));
    assert!(found[0].end >= minute(1_360) && found[0].end <= minute(1_404), "{}", found[0].end);
}

#[test]
fn mutes_overrides_and_the_config_turn_silence_off() {
    let silent = || {
        let mut all = others(150);
        all.extend(requests(("kiosk", "/scan"), 30, 100, |_| true));
        all
    };
    let quiet = |config: PipelineConfig| run(config, silent()).incidents().is_empty();
    assert!(!quiet(default()));
    let incident = IncidentConfig { silence_minutes: 0.0, ..IncidentConfig::default() };
    assert!(quiet(PipelineConfig { incident, ..default() }));
    let incident = IncidentConfig { silence_minutes: 60.0, ..IncidentConfig::default() };
    assert!(quiet(PipelineConfig { incident, ..default() }));
    let over = Override { signal: Glob::new(SILENCE), watched: Some(false), ..Override::default() };
    assert!(quiet(PipelineConfig { overrides: vec![over], ..default() }));
    let mute = MuteWindow {
        service: Glob::new("kiosk"),
        from: Some(minute(90)),
        to: Some(minute(500)),
        ..MuteWindow::default()
    };
    assert!(quiet(PipelineConfig { mutes: vec![mute], ..default() }));
}

#[test]
fn a_short_step_has_the_same_silences() {
    let mut config = default();
    config.features.step_seconds = 5.0;
    let mut all = others(150);
    all.extend(requests(("kiosk", "/scan"), 120, 150, |i| !(100..125).contains(&i)));
    all.extend(requests(("stall", "/ping"), 120, 150, |i| !(110..112).contains(&i)));
    let found = incidents(&run(config, all));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(&*found[0].entity.service, "kiosk");
    assert_eq!(found[0].start, minute(100));
    let end = found[0].end;
    assert!(minute(123) <= end && end <= minute(125), "{end}");
}

#[test]
fn a_dead_callee_is_the_culprit_of_its_failing_caller() {
    let mut pipeline = Pipeline::new(default()).unwrap();
    let mut update = Update::default();
    pipeline.push(Edge::new("session", "store"), &Source::at(1), &mut update);
    let mut all = others(200);
    all.extend(requests(("store", "/get"), 40, 200, |i| i < 120));
    let failing = |request: Request<'static>| {
        let fails = request.timestamp >= minute(120) && request.timestamp.nanos() % 5 != 0;
        let status = if fails { 503 } else { 200 };
        Request::new(request.timestamp, "session", "/open", status, request.latency_ms)
    };
    all.extend(requests(("session", "/open"), 30, 200, |_| true).into_iter().map(failing));
    pipeline.ingest(sorted(all));
    pipeline.finish();
    for incident in pipeline.incidents() {
        let ranking = pipeline.ranking_of(incident);
        assert_eq!(&*ranking.culprits[0].entity.service, "store");
        assert!(ranking.culprits[0].onset <= Timestamp::from_nanos(minute(121).nanos()));
    }
    assert_eq!(pipeline.incidents().len(), 1);
}
