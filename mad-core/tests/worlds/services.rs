//! Services across their endpoints: thin failures, rare endpoints, and paths without a bound.

use mad_core::{
    Document, Incident, Pipeline, PipelineConfig, Request, RowKind, Source, Timestamp, Update,
};

const START: i64 = 1_767_693_600;

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The requests of one service and the pipeline that takes them.
struct World {
    random: Random,
    pipeline: Pipeline,
    update: Update,
}

impl World {
    fn new(seed: u64) -> Self {
        let pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            pipeline,
            update: Update::default(),
        }
    }

    fn uniform(&mut self, below: u64) -> u64 {
        (self.random.uniform() * below as f64) as u64
    }

    /// About `rate` requests a minute for `minutes`, each with the path, status and latency that
    /// `make` gives it.
    fn run(
        &mut self,
        minutes: i64,
        rate: u64,
        mut make: impl FnMut(&mut Self, i64) -> (String, i64, f64),
    ) -> Vec<Incident> {
        for minute in 0..minutes {
            for i in 0..rate {
                let offset = 60.0 * (i as f64 + self.random.uniform()) / rate as f64;
                let nanos = (1e9 * offset) as i64;
                let at = Timestamp::from_seconds(START + 60 * minute);
                let at = Timestamp::from_nanos(at.nanos() + nanos.min(59_999_999_999));
                let (path, status, latency) = make(self, minute);
                let request = Request::new(at, "press", &path, status, latency);
                self.pipeline.push(request, &Source::at(1), &mut self.update);
            }
        }
        let end = self.pipeline.finish();
        self.update.rows.extend(end.rows);
        self.pipeline.incidents().into_iter().cloned().collect()
    }

    fn latency(&mut self, ms: f64) -> f64 {
        ms * (0.6 * self.random.normal()).exp()
    }
}

/// An incident in short, for messages.
fn shown(incident: &Incident) -> String {
    let signals: Vec<&str> = incident.signals().map(mad_core::SignalName::as_str).collect();
    format!("{} at {} {signals:?}", incident.entity, minutes_after_start(incident))
}

fn minutes_after_start(incident: &Incident) -> i64 {
    incident.start.since(Timestamp::from_seconds(START)) / 60_000_000_000
}

#[test]
fn a_service_with_unbounded_paths_is_one_incident() {
    for (rate, from) in [(12, 140), (50, 140), (200, 75)] {
        let mut world = World::new(rate);
        let incidents = world.run(from + 40, rate, |world, minute| {
            let is_down = (from..from + 25).contains(&minute);
            let path = format!("/read/story-{}-of-{}", world.uniform(90_000), world.uniform(900));
            let ms = world.latency(if is_down { 640.0 } else { 60.0 });
            (path, if is_down { 502 } else { 200 }, ms)
        });
        let shown: Vec<String> = incidents.iter().map(shown).collect();
        assert_eq!(incidents.len(), 1, "{rate} a minute: {shown:?}");
        assert!((from - 1..from + 4).contains(&minutes_after_start(&incidents[0])));
        let learnt: Vec<_> = world.pipeline.learnt_routes().collect();
        assert_eq!(learnt, [("press", vec!["/read/{*}".to_owned()])]);
        let document = Document::new(&world.pipeline);
        assert_eq!(document.requests, document.rows_of_endpoints(&world.update));
    }
}

/// The requests in rows of endpoints, which are all requests.
trait RowsOfEndpoints {
    fn rows_of_endpoints(&self, update: &Update) -> u64;
}

impl RowsOfEndpoints for Document {
    fn rows_of_endpoints(&self, update: &Update) -> u64 {
        let rows = update.rows.iter().filter(|row| row.head.kind == RowKind::Requests);
        rows.filter_map(|row| row.requests).map(|facts| facts.requests).sum()
    }
}

#[test]
fn failures_spread_thinly_over_many_endpoints_are_found() {
    let mut world = World::new(3);
    let incidents = world.run(180, 60, |world, minute| {
        let endpoint = world.uniform(120);
        let fails = (130..160).contains(&minute) && world.uniform(100) < 25;
        let failed = fails || world.uniform(1000) < 4;
        (
            format!("/report/kind-{}", letters(endpoint)),
            if failed { 500 } else { 200 },
            world.latency(80.0),
        )
    });
    assert_eq!(incidents.len(), 1, "{:?}", incidents.iter().map(shown).collect::<Vec<_>>());
    assert!(incidents[0].entity.is_service(), "{:?}", incidents[0].entity);
    assert!((129..134).contains(&minutes_after_start(&incidents[0])));
}

#[test]
fn an_endpoint_that_explains_its_service_leads_the_incident() {
    let mut world = World::new(4);
    let incidents = world.run(180, 100, |world, minute| {
        let endpoint = ["/home", "/search", "/pay"][world.uniform(3) as usize];
        let fails = endpoint == "/pay" && (130..160).contains(&minute);
        (endpoint.to_owned(), if fails { 500 } else { 200 }, world.latency(80.0))
    });
    assert_eq!(incidents.len(), 1, "{:?}", incidents.iter().map(shown).collect::<Vec<_>>());
    assert_eq!(&*incidents[0].entity.endpoint, "/pay");
    assert!(incidents[0].members.is_empty(), "{:?}", incidents[0].members);
}

#[test]
fn another_mix_of_endpoints_is_no_incident_of_latency() {
    let mut world = World::new(5);
    let incidents = world.run(240, 100, |world, minute| {
        // from minute 150 on half of the requests are for the slow endpoint instead of a twentieth
        let is_slow = world.uniform(100) < if minute < 150 { 5 } else { 50 };
        let (path, ms) = if is_slow { ("/export", 900.0) } else { ("/view", 20.0) };
        (path.to_owned(), 200, world.latency(ms))
    });
    let of_latency = incidents
        .iter()
        .filter(|incident| incident.signals().any(|signal| signal.as_str().contains("latency")));
    let found: Vec<String> = of_latency.map(shown).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn two_hundred_static_routes_keep_their_rows() {
    let mut world = World::new(6);
    world.run(120, 100, |world, _| {
        let (first, second) = (world.uniform(10), world.uniform(20));
        (format!("/{}/{}", letters(first), letters(100 + second)), 200, world.latency(30.0))
    });
    assert_eq!(world.pipeline.learnt_routes().count(), 0);
    assert_eq!(world.pipeline.entities().counted(), 200);
}

/// A word for a number.
fn letters(number: u64) -> String {
    format!("{number:03}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

#[test]
fn a_restored_pipeline_learns_the_same_routes() {
    let requests: Vec<(i64, String)> =
        (0..900).map(|second| (second, format!("/read/story-{second}-of-us"))).collect();
    let push = |pipeline: &mut Pipeline, from: usize, to: usize| {
        let requests = requests[from..to].iter().map(|(second, path)| {
            Request::new(Timestamp::from_seconds(START + second), "press", path, 200, 30.0)
        });
        pipeline.ingest(requests);
    };
    let config = PipelineConfig::default();
    let mut whole = Pipeline::new(config.clone()).unwrap();
    push(&mut whole, 0, 900);
    whole.finish();
    for cut in [100, 256, 257, 300, 430, 899] {
        let mut first = Pipeline::new(config.clone()).unwrap();
        push(&mut first, 0, cut);
        let saved = first.checkpoint().unwrap();
        let mut second = Pipeline::restore(config.clone(), &saved).unwrap();
        push(&mut second, cut, 900);
        second.finish();
        assert_eq!(second.checkpoint().unwrap(), whole.checkpoint().unwrap(), "cut at {cut}");
    }
}
