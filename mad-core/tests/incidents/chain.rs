//! The chain of an incident: when each entity became anomalous, and its relation to an earlier one.

use mad_core::explain::Tie;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Change, Edge, IncidentDocument, Pipeline, PipelineConfig, Request, Source, Update};

fn at(minute: i64, second: i64) -> Timestamp {
    Timestamp::from_nanos((29_461_560 + minute) * MINUTE + second * 1_000_000_000)
}

/// Front calls cart, cart calls store. The store slows down in minute 100, its callers follow a
/// minute apart, and `store /b` follows the store.
fn spread(edges: &[(&str, &str)], deployed: bool) -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for (caller, callee) in edges {
        pipeline.push(Edge::new(caller, callee), &Source::at(1), &mut update);
    }
    if deployed {
        let deploy = Change::new(at(98, 0), "store", "deploy");
        pipeline.push(Change { version: "1.4.2", ..deploy }, &Source::at(1), &mut update);
    }
    let places =
        [("store", "/a", 100), ("store", "/b", 101), ("cart", "/x", 101), ("front", "/", 102)];
    for minute in 0..130_i64 {
        for second in 0..60_i64 {
            for (service, endpoint, from) in places {
                let slow = if (from..115).contains(&minute) { 900.0 } else { 0.0 };
                let latency = 100.0 + (second * 37 % 41) as f64 + slow;
                let request = Request::new(at(minute, second), service, endpoint, 200, latency);
                pipeline.push(request, &Source::at(1), &mut update);
            }
        }
    }
    pipeline.finish();
    pipeline
}

const EDGES: [(&str, &str); 2] = [("front", "cart"), ("cart", "store")];

#[test]
fn each_link_has_a_relation_to_an_earlier_one() {
    let pipeline = spread(&EDGES, true);
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    let chain = pipeline.chain(incidents[0]);
    let links: Vec<_> = chain
        .iter()
        .map(|link| {
            let minute = link.at.since(at(0, 0)) / MINUTE;
            let tie = link.tie.as_ref().map(|(to, tie)| (to.to_string(), *tie));
            (minute, link.entity.to_string(), tie)
        })
        .collect();
    let tied = |to: &str, tie| Some((to.to_owned(), tie));
    assert_eq!(links[0], (100, "store /a".to_owned(), None));
    // of the same minute, the callee comes before its caller, whatever their names are
    assert_eq!(links[1], (101, "store /b".to_owned(), tied("store /a", Tie::SameService)));
    assert_eq!(links[2], (101, "cart /x".to_owned(), tied("store /b", Tie::Calls)));
    assert_eq!(links[3], (102, "front /".to_owned(), tied("cart /x", Tie::Calls)));
    assert_eq!(chain[0].change.as_ref().unwrap().version, "1.4.2");
    assert!(chain[2].change.is_none());
    let sentences = pipeline.explain(incidents[0]).chain;
    assert_eq!(sentences.len(), 4);
    let start = "11:40 UTC: store /a: median latency was 1,0";
    assert!(sentences[0].starts_with(start), "{}", sentences[0]);
    let change = ", within 3 minutes of a change: deploy 1.4.2.";
    assert!(sentences[0].ends_with(change), "{}", sentences[0]);
    assert!(
        sentences[2].starts_with("11:41 UTC: cart /x, which calls store: "),
        "{}",
        sentences[2]
    );
    let document = serde_json::to_value(IncidentDocument::new(&pipeline, incidents[0])).unwrap();
    assert_eq!(document["chain"][2]["tie"], "calls");
    assert_eq!(document["chain"][2]["to"], "store /b");
    assert_eq!(document["chain"][0]["change"]["kind"], "deploy");
}

#[test]
fn three_services_without_known_calls_share_an_incident_by_time() {
    let pipeline = spread(&[], false);
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    assert!(incidents[0].by_time);
    let chain = pipeline.chain(incidents[0]);
    assert_eq!(chain.len(), 4);
    let ties: Vec<_> = chain.iter().filter_map(|link| link.tie.as_ref()).collect();
    assert!(ties.iter().all(|(_, tie)| *tie == Tie::SameService), "{ties:?}");
    let impact = pipeline.explain(incidents[0]).impact.join(" ");
    assert!(impact.contains("grouped because their faults began at the same time"), "{impact}");
}

#[test]
fn a_storm_is_one_incident_for_each_connected_cause() {
    use mad_core::MetricPoint;
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for service in 2..40 {
        let (caller, callee) = (format!("s{service}"), format!("s{}", service - 2));
        pipeline.push(Edge::new(&caller, &callee), &Source::at(1), &mut update);
    }
    for minute in 0..70_i64 {
        for series in 0..400_i64 {
            let (service, resource) = (format!("s{}", series / 10), format!("pod{}", series % 10));
            let wander = ((series * 7_919 + minute * 104_729) % 997) as f64 / 997.0;
            let value = 10.0 + wander + if minute >= 65 { 60.0 } else { 0.0 };
            let point = MetricPoint::new(at(minute, 0), &service, "load", value);
            let point = MetricPoint { resource: &resource, ..point };
            pipeline.push(point, &Source::at(1), &mut update);
        }
    }
    pipeline.finish();
    let reached: Vec<(bool, u64)> =
        pipeline.incidents().iter().map(|found| (found.is_open(), found.reached)).collect();
    assert_eq!(reached, [(true, 199), (true, 199)]);
    let sentences = pipeline.explain(pipeline.incidents()[0]).chain;
    assert_eq!((sentences.len(), sentences[8].as_str()), (9, "192 more entities followed."));
}

/// Front calls cart, cart calls store. All three get five times the requests in minute 100, and those
/// behind the front become slow and fail because of it. Cart is flagged a minute late with `lag`.
fn surge(lag: i64) -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for (caller, callee) in EDGES {
        pipeline.push(Edge::new(caller, callee), &Source::at(1), &mut update);
    }
    for minute in 0..112_i64 {
        for tick in 0..300_i64 {
            for (service, endpoint, from) in
                [("store", "/a", 100), ("cart", "/x", 100), ("front", "/", 100 + lag)]
            {
                let is_surge = (from..110).contains(&minute);
                if !is_surge && tick % 5 != 0 {
                    continue;
                }
                let slow = if is_surge && service != "front" { 900.0 } else { 0.0 };
                let latency = 100.0 + (tick * 37 % 41) as f64 + slow;
                let time = at(minute, 0).plus(tick * MINUTE / 300);
                let request = Request::new(time, service, endpoint, 200, latency);
                pipeline.push(request, &Source::at(1), &mut update);
            }
        }
    }
    pipeline.finish();
    pipeline
}

#[test]
fn the_first_failure_of_a_surge_is_where_it_enters() {
    for lag in [0, 1] {
        let pipeline = surge(lag);
        let incidents = pipeline.incidents();
        assert_eq!(incidents.len(), 1);
        let explanation = pipeline.explain(incidents[0]);
        let said = format!("front / at 11:4{lag} UTC: number of requests was 300 (usual 60).");
        assert_eq!(explanation.first_failure, said, "{:?}", explanation.chain);
        assert!(explanation.root_cause.starts_with("front /"), "{}", explanation.root_cause);
    }
    // of the same minute, the caller comes before its callees
    let pipeline = surge(0);
    let chain = pipeline.chain(pipeline.incidents()[0]);
    let names: Vec<_> = chain.iter().map(|link| &*link.entity.service).collect();
    assert_eq!(names, ["front", "cart", "store"]);
}
