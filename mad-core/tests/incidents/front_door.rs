//! The front door of an incident: where its requests enter, and its impact there.

use mad_core::config::{Override, SloConfig};
use mad_core::series::Glob;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Edge, Entity, IncidentDocument, Pipeline, PipelineConfig, Request, Source, Update};

fn at(minute: i64, second: i64) -> Timestamp {
    Timestamp::from_nanos(minute * MINUTE + second * 1_000_000_000)
}

/// 60 requests a minute to each place. From minute 100 on, of the requests of the store all fail, and
/// of those of its callers the given share in 60.
fn outage(
    config: PipelineConfig,
    edges: &[(&str, &str)],
    places: &[(&'static str, &'static str, i64)],
) -> Pipeline {
    let mut pipeline = Pipeline::new(config).unwrap();
    let mut update = Update::default();
    for (caller, callee) in edges {
        pipeline.push(Edge::new(caller, callee), &Source::at(1), &mut update);
    }
    for minute in 0..120_i64 {
        for second in 0..60_i64 {
            for (service, endpoint, failing) in places {
                let is_bad = (100..110).contains(&minute) && second < *failing;
                let latency = 100.0 + (second * 37 % 41) as f64;
                let status = if is_bad { 503 } else { 200 };
                let request = Request::new(at(minute, second), service, endpoint, status, latency);
                pipeline.push(request, &Source::at(1), &mut update);
            }
        }
    }
    pipeline.finish();
    pipeline
}

const EDGES: [(&str, &str); 3] = [("web", "cart"), ("cart", "store"), ("mail", "store")];

#[test]
fn the_impact_is_counted_where_requests_enter() {
    let places =
        [("store", "/get", 60), ("cart", "/add", 40), ("web", "/buy", 20), ("web", "/see", 0)];
    let pipeline = outage(PipelineConfig::default(), &EDGES, &places);
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    let door = pipeline.front_door(incidents[0]);
    assert_eq!(door.entities, [Entity::new("web", "/buy")]);
    assert_eq!((door.requests, door.errors), (600, 200));
    let slo = door.slo.unwrap();
    assert_eq!((slo.errors.bad, slo.errors.requests, &door.slo_of), (200, 600, &None));
    let impact = pipeline.explain(incidents[0]).impact;
    assert_eq!(
        impact[0],
        "Counted at web /buy, which no other affected service calls: 200 of 600 requests failed in \
         the flagged time. The error rate was 33.3 %."
    );
    assert_eq!(impact[1], "Statuses in the flagged time: 503 (200 requests).");
    // 60 a minute are 2,592,000 in 30 days, of which 2,592 may fail
    assert_eq!(
        impact[2],
        "Failed requests used 7.7 % of the 30-day error budget (objective 99.9 %)."
    );
    let document = serde_json::to_value(IncidentDocument::new(&pipeline, incidents[0])).unwrap();
    assert_eq!(document["front_door"]["entities"][0]["endpoint"], "/buy");
    assert_eq!(document["front_door"]["slo"]["errors"]["bad"], 200);
}

#[test]
fn several_entries_are_summed_up() {
    let places = [("store", "/get", 60), ("web", "/buy", 20), ("mail", "/send", 10)];
    let edges = [("web", "store"), ("mail", "store")];
    let pipeline = outage(PipelineConfig::default(), &edges, &places);
    let door = pipeline.front_door(pipeline.incidents()[0]);
    let mut names: Vec<_> = door.entities.iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["mail /send", "web /buy"]);
    assert_eq!((door.requests, door.errors), (1_200, 300));
    let slo = door.slo.unwrap();
    assert_eq!((slo.errors.bad, slo.errors.requests), (300, 1_200));
    assert!((slo.errors.window_requests - 2.0 * 2_592_000.0).abs() < 1e-3);
    // budgets of different objectives have no sum: the worst is named
    let strict = Override {
        service: Glob::new("mail"),
        error_objective: Some(0.9999),
        ..Override::default()
    };
    let slo = SloConfig::default();
    let config = PipelineConfig { slo, overrides: vec![strict], ..PipelineConfig::default() };
    let pipeline = outage(config, &edges, &places);
    let door = pipeline.front_door(pipeline.incidents()[0]);
    assert_eq!(door.slo_of, Some(Entity::new("mail", "/send")));
    let impact = pipeline.explain(pipeline.incidents()[0]).impact.join(" ");
    let said = "mail /send: failed requests used 38.6 % of the 30-day error budget";
    assert!(impact.contains(said), "{impact}");
}

#[test]
fn without_an_affected_caller_it_is_the_entity_itself() {
    // the callers have no failures
    let places = [("store", "/get", 60), ("cart", "/add", 0), ("web", "/buy", 0)];
    let pipeline = outage(PipelineConfig::default(), &EDGES, &places);
    let incident = pipeline.incidents()[0];
    let door = pipeline.front_door(incident);
    assert_eq!(door.entities, std::slice::from_ref(&incident.entity));
    assert_eq!((door.requests, door.errors, door.slo), (600, 600, incident.slo));
    let impact = pipeline.explain(incident).impact;
    assert!(impact[0].starts_with("600 of 600 requests failed in the flagged time."), "{impact:?}");
    // services that call each other in a circle
    let circle = [("web", "cart"), ("cart", "store"), ("store", "web")];
    let places = [("store", "/get", 60), ("cart", "/add", 40), ("web", "/buy", 20)];
    let pipeline = outage(PipelineConfig::default(), &circle, &places);
    let incident = pipeline.incidents()[0];
    let door = pipeline.front_door(incident);
    assert_eq!(door.entities, std::slice::from_ref(&incident.entity));
}
