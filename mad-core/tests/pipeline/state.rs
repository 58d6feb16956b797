//! State by entity: partitions, eviction, export and load, merging of shards, commands, history.

use mad_core::config::PipelineConfig;
use mad_core::error::ErrorKind;
use mad_core::pipeline::{Command, Pipeline, Update};
use mad_core::series::Glob;
use mad_core::simulate::{ShopConfig, SimulatedRequest};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Document, Entity, Limits, MetricPoint, Reason, RejectReason, Request, Source};

use crate::common::{request, series_in, shop_with_outage};

/// Three hours of the shop with an incident at 02:00.
fn shop() -> Vec<SimulatedRequest> {
    let config = ShopConfig { rows: 20_000, duration_seconds: 10_800.0, ..ShopConfig::default() };
    shop_with_outage(config, (7_200.0, 900.0))
}

fn feed<'a>(
    pipeline: &mut Pipeline,
    requests: impl IntoIterator<Item = &'a SimulatedRequest>,
) -> Update {
    let mut update = Update::default();
    for row in requests {
        let SimulatedRequest { timestamp, service, latency_ms, .. } = row;
        pipeline.push(request(row), &Source::at(1), &mut update);
        let busy = MetricPoint::new(*timestamp, service, "busy", latency_ms % 7.0);
        pipeline.push(busy, &Source::at(1), &mut update);
    }
    update
}

fn new() -> Pipeline {
    Pipeline::new(PipelineConfig::default()).unwrap()
}

fn document(pipeline: &Pipeline) -> String {
    serde_json::to_string(&Document::new(pipeline)).unwrap()
}

fn limited(limits: Limits) -> Pipeline {
    Pipeline::new(PipelineConfig { limits, ..PipelineConfig::default() }).unwrap()
}

/// Steady requests of one service in these minutes.
fn steady(pipeline: &mut Pipeline, service: &str, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let at = Timestamp::from_nanos(minute * MINUTE);
        pipeline.ingest([Request::new(at, service, "/", 200, 9.0)]);
        pipeline.ingest([MetricPoint::new(at, service, "cpu", 0.5)]);
    }
}

#[test]
fn an_exported_entity_continues_unchanged() {
    let requests = shop();
    let paid = Entity::new("payments", "/pay");
    let of_paid: Vec<&SimulatedRequest> = requests
        .iter()
        .filter(|row| (&*row.service, &*row.endpoint) == ("payments", "/pay"))
        .collect();
    let (mut stayed, mut from, mut to) = (new(), new(), new());
    // in the middle of the incident
    let at = of_paid[of_paid.len() * 7 / 10].timestamp.floor(MINUTE);
    let (before, after): (Vec<_>, Vec<_>) = of_paid.iter().partition(|row| row.timestamp < at);
    for pipeline in [&mut stayed, &mut from] {
        feed(pipeline, before.iter().copied());
        pipeline.advance(at);
    }
    to.advance(at);
    assert!(from.incidents().iter().any(|incident| incident.closed_at.is_none()));
    let cpu = Entity::new("payments", "");
    for entity in [&paid, &cpu] {
        to.load(entity, &from.export(entity).unwrap()).unwrap();
    }
    // the clock of a pipeline is no part of an entity, so the same rows may close a few records later
    let to_end = |pipeline: &mut Pipeline, rows: &[&SimulatedRequest]| {
        let mut update = feed(pipeline, rows.iter().copied());
        update.rows.extend(pipeline.finish().rows);
        update
    };
    let went_on = to_end(&mut to, &after);
    let whole = to_end(&mut stayed, &after);
    assert!(went_on.rows.len() > 20 && !series_in(&went_on.rows).is_empty());
    let rows = |update: &Update| {
        let row = |judged: &mad_core::JudgedRow| format!("{} {:?}", judged.entity, judged.signals);
        // rows of different kinds are judged as their windows close
        let mut rows: Vec<String> = update.rows.iter().map(row).collect();
        rows.sort_by_key(|row| row.starts_with("payments /pay"));
        rows
    };
    assert_eq!(rows(&went_on), rows(&whole));
    let closed = |pipeline: &Pipeline| {
        let incident = pipeline.incidents()[0];
        (incident.id.clone(), incident.start, incident.end, incident.rows)
    };
    assert_eq!(closed(&to), closed(&stayed));
}

#[test]
fn a_part_is_refused_by_another_pipeline() {
    let (mut here, mut there) = (new(), new());
    steady(&mut here, "a", 0..40);
    let a = Entity::new("a", "/");
    let unknown = here.export(&Entity::new("b", "/")).unwrap_err();
    assert_eq!(
        (unknown.kind(), unknown.to_string().as_str()),
        (&ErrorKind::NotFound, "no entity `b /` is known",)
    );
    let part = here.export(&a).unwrap();
    assert!(here.load(&a, &part).unwrap_err().to_string().contains("two histories"));
    assert!(there.load(&a, &part[..100]).unwrap_err().to_string().contains("is cut"));
    let saved = here.checkpoint().unwrap();
    let wrong = there.load(&a, &saved).unwrap_err().to_string();
    assert_eq!(wrong, "this is no saved state of an entity of mad");
    let mut other = limited(Limits { entities: 1, ..Limits::default() });
    assert!(other.load(&a, &part).unwrap_err().to_string().contains("`limits.entities`"));
    there.load(&Entity::new("renamed", "/"), &part).unwrap();
    assert!(there.export(&Entity::new("renamed", "/")).unwrap() == part);
}

#[test]
fn shards_of_different_entities_merge_into_the_whole() {
    let requests = shop();
    let mut whole = new();
    feed(&mut whole, &requests);
    whole.finish();
    let shard = |mine: bool| {
        let mut pipeline = new();
        let of_shard = |row: &&SimulatedRequest| row.service.len().is_multiple_of(2) == mine;
        feed(&mut pipeline, requests.iter().filter(of_shard));
        pipeline.finish();
        pipeline
    };
    let mut merged = shard(true);
    let alone = document(&merged);
    merged.merge(shard(false)).unwrap();
    assert!(document(&merged) != alone && !whole.incidents().is_empty());
    assert_eq!(document(&merged), document(&whole));
    let error = merged.merge(shard(false)).unwrap_err().to_string();
    assert!(error.contains("two histories"), "{error}");
    let mut open = new();
    feed(&mut open, &requests[..50]);
    assert!(merged.merge(open).unwrap_err().to_string().contains("not closed"));
    assert_eq!(document(&merged), document(&whole));
}

#[test]
fn each_partition_has_its_own_watermark() {
    let requests = shop();
    let mut together = new();
    feed(&mut together, &requests);
    together.finish();
    let mut apart = new();
    let mut update = Update::default();
    for (name, even) in [("even", true), ("odd", false)] {
        let partition = apart.partition(name).unwrap();
        for row in requests.iter().filter(|row| row.service.len().is_multiple_of(2) == even) {
            let SimulatedRequest { timestamp, service, endpoint, status_code, latency_ms, .. } =
                row;
            let status = i64::from(*status_code);
            let request = Request::new(*timestamp, service, endpoint, status, *latency_ms);
            apart.push(request, &Source::at(1).in_partition(partition), &mut update);
            let busy = MetricPoint::new(*timestamp, service, "busy", latency_ms % 7.0);
            apart.push(busy, &Source::at(1).in_partition(partition), &mut update);
        }
    }
    apart.finish();
    let of = |reason| update.rejected.count(reason);
    assert_eq!((of(RejectReason::Late), of(RejectReason::Future)), (0, 0));
    let incidents = |pipeline: &Pipeline| {
        let of =
            |incident: &&mad_core::Incident| (incident.id.clone(), incident.end, incident.rows);
        pipeline.incidents().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(incidents(&apart), incidents(&together));
    let mut few = limited(Limits { partitions: 2, ..Limits::default() });
    assert_eq!(few.partition("a").unwrap(), few.partition("a").unwrap());
    // names beyond the limit share a partition, and known ones keep theirs
    let further = few.partition("b").unwrap();
    assert_eq!(few.partition("c").unwrap(), further);
    assert_ne!(few.partition("a").unwrap(), further);
}

#[test]
fn a_flood_of_endpoints_leaves_before_anything_else() {
    let mut pipeline = limited(Limits { entities: 1_000, ..Limits::default() });
    steady(&mut pipeline, "kept", 0..60);
    for k in 0..3_000_i64 {
        let at = Timestamp::from_nanos(60 * MINUTE + k * MINUTE / 3_000);
        let (service, endpoint) = (format!("flood-{}", k % 300), format!("/junk{k}x"));
        pipeline.ingest([Request::new(at, &service, &endpoint, 200, 5.0)]);
    }
    assert!(pipeline.counters().entities_overflowed > 1_000);
    steady(&mut pipeline, "kept", 62..185);
    steady(&mut pipeline, "new", 185..190);
    let find = |name: &str| pipeline.entities().find(name, "/");
    assert!(find("new").is_some() && find("kept").is_some());
    assert!(pipeline.counters().entities_forgotten > 500);
}

#[test]
fn idle_entities_are_evicted_and_no_other_entity_changes() {
    let limits = Limits { entities: 4, series: 2, idle_seconds: 2 * 3600, ..Limits::default() };
    let mut pipeline = limited(limits.clone());
    let mut alone = limited(limits);
    steady(&mut pipeline, "gone", 0..60);
    for minute in 60..400 {
        for (pipeline, names) in [(&mut pipeline, &["stays", "late"][..]), (&mut alone, &["stays"])]
        {
            for name in names.iter().filter(|name| **name == "stays" || minute >= 300) {
                steady(pipeline, name, minute..minute + 1);
            }
        }
    }
    let find = |name: &str| pipeline.entities().find(name, "/");
    assert_eq!(find("gone"), None);
    assert!(find("late").is_some() && find("stays").is_some());
    let counters = pipeline.counters();
    assert_eq!((counters.entities_forgotten, counters.series_forgotten), (2, 1));
    assert_eq!((counters.entities_overflowed, counters.points_overflowed), (0, 0));
    let stays = Entity::new("stays", "/");
    assert!(pipeline.export(&stays).unwrap() == alone.export(&stays).unwrap());
    // the same after a restore in the middle, with the free ids
    let restored =
        Pipeline::restore(pipeline.config().clone(), &pipeline.checkpoint().unwrap()).unwrap();
    assert!(restored.checkpoint().unwrap() == pipeline.checkpoint().unwrap());
}

#[test]
fn eviction_is_independent_of_batches() {
    let limits = Limits { idle_seconds: 1800, ..Limits::default() };
    let requests: Vec<Request<'static>> = (0..3_000)
        .map(|k| {
            // each service sends requests for ten minutes
            let service: &'static str = ["a", "b", "c", "d", "e"][(k / 60 % 5) as usize];
            Request::new(Timestamp::from_seconds(k * 10), service, "/", 200, 5.0)
        })
        .collect();
    let mut one_by_one = limited(limits.clone());
    let rows: Vec<String> = requests
        .iter()
        .flat_map(|request| one_by_one.ingest([*request]).rows)
        .map(|row| format!("{} {:?}", row.entity, row.signals))
        .collect();
    let mut at_once = limited(limits);
    let update = at_once.ingest(requests);
    let together: Vec<String> =
        update.rows.iter().map(|row| format!("{} {:?}", row.entity, row.signals)).collect();
    assert_eq!(rows, together);
    assert!(at_once.counters().entities_forgotten > 3);
    assert!(at_once.checkpoint().unwrap() == one_by_one.checkpoint().unwrap());
}

/// Looking for idle names costs time for each name. Records an hour apart must not pay for all names
/// each: 100,000 of them would hold a service with full tables for minutes.
#[test]
fn idle_names_are_looked_for_after_enough_records() {
    let limits = Limits { idle_seconds: 2 * 3600, ..Limits::default() };
    let mut pipeline = limited(limits);
    let at = |hour: i64| Timestamp::from_seconds(hour * 3600);
    for hour in 0..30 {
        pipeline.ingest([Request::new(at(hour), "slow", "/", 200, 5.0)]);
    }
    for k in 0..400 {
        pipeline.ingest([Request::new(at(30).plus(k), &format!("s{k}"), "/", 200, 5.0)]);
    }
    let forgotten_until = |pipeline: &mut Pipeline, hours: std::ops::Range<i64>| {
        for hour in hours {
            pipeline.ingest([Request::new(at(hour), "slow", "/", 200, 5.0)]);
        }
        pipeline.counters().entities_forgotten
    };
    // one record pays for eight names: 50 records for 401
    assert_eq!(forgotten_until(&mut pipeline, 31..75), 0);
    assert_eq!(forgotten_until(&mut pipeline, 75..95), 400);
}

#[test]
fn a_new_name_in_every_record_stays_within_the_limit() {
    let limits = Limits { entities: 500, series: 300, ..Limits::default() };
    let mut pipeline = limited(limits.clone());
    let mut alone = limited(limits);
    let mut sizes = Vec::new();
    for k in 0..60_000_i64 {
        let at = Timestamp::from_nanos(k * MINUTE / 1_000);
        let name = format!("pod-{k}");
        if k % 10 == 0 {
            for pipeline in [&mut pipeline, &mut alone] {
                pipeline.ingest([Request::new(at, "kept", "/", 200, (k % 7) as f64)]);
                pipeline.ingest([MetricPoint::new(at, "kept", "cpu", (k % 7) as f64)]);
            }
        }
        pipeline.ingest([Request::new(at, &name, "/", 200, 5.0)]);
        pipeline.ingest([MetricPoint::new(at, &name, "cpu", 5.0)]);
        if k % 15_000 == 14_999 {
            sizes.push(pipeline.checkpoint().unwrap().len());
        }
    }
    let counters = pipeline.counters();
    assert_eq!(counters.entities, 501);
    assert!(counters.series <= 300, "{}", counters.series);
    assert_eq!(counters.requests, 66_000);
    assert!(counters.entities_overflowed > 100_000 && counters.points_overflowed > 59_000);
    assert!(sizes[3] < sizes[0] * 11 / 10, "{sizes:?}");
    let kept = Entity::new("kept", "/");
    assert!(pipeline.export(&kept).unwrap() == alone.export(&kept).unwrap());
}

#[test]
fn a_repeated_batch_is_ignored() {
    let mut pipeline = limited(Limits { batch_ids: 2, ..Limits::default() });
    for (id, is_new) in
        [("a", true), ("a", false), ("b", true), ("a", false), ("c", true), ("a", true)]
    {
        assert_eq!(pipeline.begin_batch(id), is_new, "{id}");
    }
    let saved = pipeline.checkpoint().unwrap();
    let mut restored = Pipeline::restore(pipeline.config().clone(), &saved).unwrap();
    assert!(!restored.begin_batch("c") && restored.begin_batch("b"));
    assert_eq!(restored.counters().batches_repeated, 3);
}

#[test]
fn a_mute_lasts_from_the_command_to_its_end() {
    let at = |minute: i64| Timestamp::from_nanos(minute * MINUTE);
    let reasons = |commands: &[(i64, Command)]| {
        let mut pipeline = new();
        let mut out = Vec::new();
        for minute in 0..180 {
            for (when, command) in commands {
                if *when == minute {
                    pipeline.apply(command).unwrap();
                }
            }
            let latency = if (120..160).contains(&minute) { 900.0 } else { 10.0 };
            let request = |k: i64| {
                let time = at(minute).plus(k * 1_000_000_000);
                Request::new(time, "pay", "/", 200, latency + k as f64)
            };
            let rows = pipeline.ingest((0..50).map(request)).rows;
            out.extend(rows.into_iter().map(|row| (row.head.at, row.verdict.reason)));
        }
        out.retain(|(bucket, _)| *bucket >= at(120) && *bucket < at(160));
        let muted = out.iter().filter(|(_, reason)| *reason == Reason::Muted).count();
        (muted, pipeline.incidents().len())
    };
    let glob = |pattern: &str| Glob::new(pattern);
    let mute = |service: &str, from: i64, until: i64| Command::Mute {
        service: glob(service),
        endpoint: Glob::default(),
        at: at(from),
        until: at(until),
        reason: "planned".to_owned(),
    };
    let unmute = |service: &str, when: i64| Command::Unmute {
        service: glob(service),
        endpoint: Glob::default(),
        at: at(when),
    };
    assert_eq!(reasons(&[]), (0, 1));
    assert_eq!(reasons(&[(100, mute("mail", 100, 170))]), (0, 1));
    assert_eq!(reasons(&[(100, mute("p*", 100, 170))]), (40, 0));
    assert_eq!(reasons(&[(100, mute("pay", 100, 130))]), (10, 1));
    assert_eq!(reasons(&[(100, mute("pay", 100, 170)), (140, unmute("pay", 140))]), (20, 1));
    let mut pipeline = new();
    let refused = pipeline.apply(&mute("pay", 10, 10)).unwrap_err().to_string();
    assert!(refused.contains("mute.to"), "{refused}");
    let unknown = pipeline.apply(&unmute("pay", 10)).unwrap_err();
    assert_eq!(unknown.kind(), &ErrorKind::NotFound);
}

#[test]
fn backfill_is_learnt_and_opens_no_incident() {
    let requests = shop();
    let split = requests.partition_point(|row| row.timestamp < Timestamp::from_seconds(9_000));
    let day = requests[0].timestamp.floor(MINUTE).nanos();
    let incident = Timestamp::from_nanos(day).plus(7_200_000_000_000);
    let split = split.max(requests.partition_point(|row| row.timestamp < incident));
    let (history, rest) = requests.split_at(split);
    let mut warm = new();
    warm.backfill(true);
    let learnt = feed(&mut warm, history);
    warm.finish();
    warm.backfill(false);
    assert!(learnt.rows.iter().all(|row| row.verdict.reason == Reason::History));
    let mut series = series_in(&learnt.rows).into_iter();
    assert!(series.all(|(_, signal)| signal.reason == Reason::History));
    assert!(warm.incidents().is_empty());
    assert_eq!((warm.counters().requests, warm.counters().rows), (0, 0));
    feed(&mut warm, rest);
    warm.finish();
    let mut cold = new();
    feed(&mut cold, rest);
    cold.finish();
    let found = |pipeline: &Pipeline| pipeline.incidents().len();
    assert_eq!((found(&warm), found(&cold)), (1, 0), "cold it is still warming up");
}
