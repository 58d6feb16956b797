//! Delta checkpoints: the newest parts together are the whole state.

use std::collections::BTreeMap;

use mad_core::config::PipelineConfig;
use mad_core::pipeline::{DeltaCheckpoint, Pipeline, Update};
use mad_core::simulate::{Shop, ShopConfig};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Limits, MetricPoint, Request, Source};

/// The parts that a store has kept.
#[derive(Clone, Default)]
struct Store {
    global: Vec<u8>,
    entities: BTreeMap<u32, Vec<u8>>,
    incidents: BTreeMap<String, Vec<u8>>,
}

impl Store {
    fn save(&mut self, pipeline: &mut Pipeline) -> DeltaCheckpoint {
        let delta = pipeline.take_delta().unwrap();
        self.global.clone_from(&delta.global);
        for (id, part) in &delta.entities {
            match part {
                Some(part) => self.entities.insert(*id, part.clone()),
                None => self.entities.remove(id),
            };
        }
        for (id, part) in &delta.incidents {
            match part {
                Some(part) => self.incidents.insert(id.clone(), part.clone()),
                None => self.incidents.remove(id),
            };
        }
        delta
    }

    fn restore(&self, config: PipelineConfig) -> mad_core::Result<Pipeline> {
        let entities = self.entities.iter().map(|(id, part)| (*id, part.as_slice()));
        let incidents = self.incidents.iter().map(|(id, part)| (id.as_str(), part.as_slice()));
        Pipeline::restore_delta(config, &self.global, entities, incidents)
    }
}

fn of(limits: Limits) -> PipelineConfig {
    PipelineConfig { limits, ..PipelineConfig::default() }
}

/// A minute of one service: a request, and a point of a metric.
fn minute(pipeline: &mut Pipeline, service: &str, minute: i64) {
    let at = Timestamp::from_nanos(minute * MINUTE);
    pipeline.ingest([Request::new(at, service, "/", 200, 9.0)]);
    pipeline.ingest([MetricPoint::new(at, service, "cpu", 0.5)]);
}

#[test]
fn the_newest_parts_are_the_whole_state_at_every_place() {
    let config = PipelineConfig::default();
    let shop = Shop::new(ShopConfig { rows: 12_000, ..ShopConfig::default() }).unwrap();
    let mut pipeline = Pipeline::new(config.clone()).unwrap();
    let (mut store, mut update) = (Store::default(), Update::default());
    for (i, row) in shop.requests().enumerate() {
        let status = i64::from(row.status_code);
        let request =
            Request::new(row.timestamp, &row.service, &row.endpoint, status, row.latency_ms);
        pipeline.push(request, &Source::at(i as u64), &mut update);
        let busy = MetricPoint::new(row.timestamp.floor(MINUTE), &row.service, "busy", 3.0);
        pipeline.push(busy, &Source::at(i as u64), &mut update);
        if i % 397 == 0 {
            store.save(&mut pipeline);
            let restored = store.restore(config.clone()).unwrap();
            assert_eq!(restored.checkpoint().unwrap(), pipeline.checkpoint().unwrap(), "at {i}");
        }
    }
    assert!(!update.changes.is_empty(), "no incident was on the way");
}

#[test]
fn a_restored_pipeline_continues_with_deltas() {
    let config = PipelineConfig::default();
    let (mut pipeline, mut store) = (Pipeline::new(config.clone()).unwrap(), Store::default());
    for at in 0..90 {
        minute(&mut pipeline, "cart", at);
        minute(&mut pipeline, "mail", at);
        if at % 30 == 10 {
            store.save(&mut pipeline);
            pipeline = store.restore(config.clone()).unwrap();
        }
    }
    store.save(&mut pipeline);
    let restored = store.restore(config.clone()).unwrap();
    assert_eq!(restored.checkpoint().unwrap(), pipeline.checkpoint().unwrap());
    // a pipeline from a full checkpoint has saved no part yet
    let whole = pipeline.checkpoint().unwrap();
    let mut moved = Pipeline::restore(config.clone(), &whole).unwrap();
    let mut fresh = Store::default();
    fresh.save(&mut moved);
    assert_eq!(fresh.restore(config).unwrap().checkpoint().unwrap(), whole);
}

#[test]
fn unchanged_entities_are_not_saved_again() {
    let (mut pipeline, mut store) =
        (Pipeline::new(of(Limits::default())).unwrap(), Store::default());
    for at in 0..30 {
        minute(&mut pipeline, "cart", at);
        minute(&mut pipeline, "mail", at);
    }
    // the requests of a service are one entity, its metrics another
    assert_eq!(store.save(&mut pipeline).entities.len(), 4);
    assert_eq!(store.save(&mut pipeline).entities.len(), 0);
    for at in 30..40 {
        minute(&mut pipeline, "mail", at);
    }
    // after a failed write
    let lost = pipeline.take_delta().unwrap();
    assert_eq!(lost.entities.len(), 4);
    pipeline.mark_dirty(lost.entities.iter().map(|(id, _)| *id), []);
    assert_eq!(pipeline.take_delta().unwrap(), lost);
    pipeline.mark_dirty(lost.entities.iter().map(|(id, _)| *id), []);
    // the last minutes of the cart have closed in the meantime
    store.save(&mut pipeline);
    for at in 40..50 {
        minute(&mut pipeline, "mail", at);
    }
    assert_eq!(store.save(&mut pipeline).entities.len(), 2);
}

#[test]
fn evicted_entities_free_their_ids() {
    let config = of(Limits { idle_seconds: 3600, ..Limits::default() });
    let (mut pipeline, mut store) = (Pipeline::new(config.clone()).unwrap(), Store::default());
    for hour in 0..6 {
        let (steady, brief) = ("mail", format!("job-{hour}"));
        for at in 60 * hour..60 * (hour + 1) {
            minute(&mut pipeline, steady, at);
            if at % 60 < 20 {
                minute(&mut pipeline, &brief, at);
            }
            if at % 25 == 0 {
                store.save(&mut pipeline);
                let restored = store.restore(config.clone()).unwrap();
                assert_eq!(restored.checkpoint().unwrap(), pipeline.checkpoint().unwrap());
            }
        }
    }
    assert!(pipeline.counters().entities_forgotten > 4);
    store.save(&mut pipeline);
    assert!(store.entities.len() <= 8, "{}", store.entities.len());
}

#[test]
fn damaged_parts_are_refused() {
    let config = PipelineConfig::default();
    let (mut pipeline, mut store) = (Pipeline::new(config.clone()).unwrap(), Store::default());
    for at in 0..30 {
        minute(&mut pipeline, "cart", at);
    }
    store.save(&mut pipeline);
    let message = |store: &Store| store.restore(config.clone()).unwrap_err().to_string();
    let first = *store.entities.keys().next().unwrap();
    let mut damaged = store.clone();
    damaged.entities.get_mut(&first).unwrap()[40] ^= 1;
    assert!(message(&damaged).contains("checksum"), "{}", message(&damaged));
    let mut strange = store.clone();
    let piece = strange.entities.remove(&first).unwrap();
    strange.entities.insert(5_000, piece);
    assert_eq!(message(&strange), "part 5000 of the saved state has no place in its global part");
    let whole = Store { global: pipeline.checkpoint().unwrap(), ..Store::default() };
    assert_eq!(message(&whole), "this is no saved global part of a state of mad");
    let other =
        PipelineConfig { limits: Limits { entities: 7, ..Limits::default() }, ..config.clone() };
    assert!(store.restore(other).unwrap_err().to_string().contains("`limits.entities`"));
}

/// Twelve hours in which the only service is slow for ten minutes of each hour, at another minute
/// each time, so that they are no season.
fn with_incidents(config: &PipelineConfig, each_hour: &mut dyn FnMut(&mut Pipeline)) -> Pipeline {
    let mut pipeline = Pipeline::new(config.clone()).unwrap();
    for minute in 0..12 * 60 {
        let begin = minute / 60 * 7 % 23;
        let is_slow = minute > 60 && (begin..begin + 10).contains(&(minute % 60));
        let factor = if is_slow { 30.0 } else { 1.0 };
        let at = Timestamp::from_nanos(minute * MINUTE);
        let ms = |k: i64| factor * (100.0 + ((minute * 20 + k) * 7919 % 41) as f64);
        pipeline.ingest((0..20).map(|k| Request::new(at, "pay", "/", 200, ms(k))));
        if minute % 60 == 59 {
            each_hour(&mut pipeline);
        }
    }
    pipeline
}

#[test]
fn each_closed_incident_is_saved_once() {
    let mut config = PipelineConfig::default();
    config.incident.cooldown_minutes = 0.0;
    let (mut store, mut saved) = (Store::default(), 0);
    let pipeline = with_incidents(&config, &mut |pipeline| {
        let delta = store.save(pipeline);
        saved += delta.incidents.len();
        let restored = store.restore(config.clone()).unwrap();
        assert_eq!(restored.checkpoint().unwrap(), pipeline.checkpoint().unwrap());
    });
    let closed = pipeline.incidents().iter().filter(|one| !one.is_open()).count();
    assert!(closed >= 8, "{closed}");
    assert_eq!((store.incidents.len(), saved), (closed, closed));
}

#[test]
fn a_restored_pipeline_saves_no_closed_incident_again() {
    let mut config = PipelineConfig::default();
    config.incident.cooldown_minutes = 0.0;
    let mut store = Store::default();
    let mut pipeline = with_incidents(&config, &mut |_| {});
    let first = store.save(&mut pipeline).incidents.len();
    assert!(first >= 8, "{first}");
    let mut restored = store.restore(config).unwrap();
    assert_eq!(restored.take_delta().unwrap().incidents, []);
    // after a failed write
    let id = store.incidents.keys().next().unwrap().clone();
    restored.mark_dirty([], [id.clone(), "gone".to_owned()]);
    let again = restored.take_delta().unwrap().incidents;
    assert_eq!(again, [(id.clone(), store.incidents.get(&id).cloned()), ("gone".to_owned(), None)]);
}
