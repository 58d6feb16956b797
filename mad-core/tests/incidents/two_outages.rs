//! Two simultaneous outages: separate incidents and culprits, unless one service calls the other.

use mad_core::telemetry::Edge;
use mad_core::{Pipeline, PipelineConfig, Request, Source, Timestamp, Update};

/// Cart is three times as slow for five minutes. Mail starts a minute later and is forty times as
/// slow for eight minutes.
fn pipeline(edge: Option<(&str, &str)>) -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    if let Some((caller, callee)) = edge {
        pipeline.push(Edge { caller, callee, calls: 1 }, &Source::at(1), &mut update);
    }
    for second in 0..5_400_i64 {
        let at = Timestamp::from_seconds(second);
        let usual = 100.0 + (second * 37 % 50) as f64;
        let slow = |from: i64, minutes: i64, factor: f64| {
            let bad = (from..from + 60 * minutes).contains(&second);
            usual * if bad { factor } else { 1.0 }
        };
        for (service, latency_ms) in
            [("cart", slow(3_600, 5, 3.0)), ("mail", slow(3_660, 8, 40.0)), ("shop", usual)]
        {
            let request = Request::new(at, service, "/x", 200, latency_ms);
            pipeline.push(request, &Source::at(1), &mut update);
        }
    }
    pipeline.finish();
    pipeline
}

/// The service of each incident and its first culprit.
fn first_culprits(pipeline: &Pipeline) -> Vec<(String, String)> {
    let incidents = pipeline.incidents().into_iter();
    let culprits = incidents.map(|incident| {
        let first = pipeline.ranking_of(incident).culprits[0].entity.service.to_string();
        (incident.entity.service.to_string(), first)
    });
    let mut culprits: Vec<(String, String)> = culprits.collect();
    culprits.sort();
    culprits
}

#[test]
fn unrelated_outages_have_separate_culprits() {
    let own = |name: &str| (name.to_owned(), name.to_owned());
    for edge in [None, Some(("shop", "cart"))] {
        let pipeline = pipeline(edge);
        assert_eq!(first_culprits(&pipeline), [own("cart"), own("mail")]);
        // in the ranking of all rows the worse one is first
        let all = pipeline.culprits(Some(Timestamp::from_seconds(4_100)));
        assert_eq!(&*all.culprits[0].entity.service, "mail");
        let cart = pipeline.incidents().into_iter().find(|one| &*one.entity.service == "cart");
        let ranking = pipeline.ranking_of(cart.unwrap());
        assert_eq!(ranking.culprits.len(), 2, "the other one is still there to read");
    }
}

#[test]
fn outages_connected_by_a_call_are_one_incident() {
    let pipeline = pipeline(Some(("mail", "cart")));
    assert_eq!(first_culprits(&pipeline), [("cart".to_owned(), "cart".to_owned())]);
    let incident = pipeline.incidents()[0];
    assert_eq!(incident.members[0].entity.to_string(), "mail /x");
}

#[test]
fn a_restored_pipeline_gives_the_same_culprits() {
    let pipeline = pipeline(None);
    let blob = pipeline.checkpoint().unwrap();
    let restored = Pipeline::restore(PipelineConfig::default(), &blob).unwrap();
    assert_eq!(first_culprits(&restored), first_culprits(&pipeline));
}

/// Payments fails from minute 60 for eight minutes. Mail fails for six minutes, beginning `pause` minutes
/// after payments is normal again.
fn one_after_the_other(pause: i64, edge: Option<(&str, &str)>) -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    if let Some((caller, callee)) = edge {
        pipeline.push(Edge { caller, callee, calls: 1 }, &Source::at(1), &mut update);
    }
    let later = 3_600 + 60 * (8 + pause);
    for second in 0..later + 1_800 {
        let at = Timestamp::from_seconds(second);
        let usual = 100.0 + (second * 37 % 50) as f64;
        let payments = (3_600..4_080).contains(&second);
        let mail = (later..later + 360).contains(&second);
        for (service, is_bad, factor) in
            [("payments", payments, 30.0), ("mail", mail, 4.0), ("shop", false, 1.0)]
        {
            let latency_ms = usual * if is_bad { factor } else { 1.0 };
            let request = Request::new(at, service, "/x", 200, latency_ms);
            pipeline.push(request, &Source::at(1), &mut update);
        }
    }
    pipeline.finish();
    pipeline
}

#[test]
fn a_service_that_had_recovered_is_not_the_culprit_of_a_later_failure() {
    let own = |name: &str| (name.to_owned(), name.to_owned());
    for pause in [2, 4, 6, 9] {
        for edge in [None, Some(("shop", "payments")), Some(("payments", "mail"))] {
            let pipeline = one_after_the_other(pause, edge);
            assert_eq!(
                first_culprits(&pipeline),
                [own("mail"), own("payments")],
                "{pause} {edge:?}"
            );
            let mail = pipeline.incidents().into_iter().find(|one| &*one.entity.service == "mail");
            assert_eq!(pipeline.ranking_of(mail.unwrap()).culprits.len(), 1, "{pause} {edge:?}");
        }
    }
    // mail calls payments: nine minutes later it is no cause either
    let pipeline = one_after_the_other(9, Some(("mail", "payments")));
    assert_eq!(first_culprits(&pipeline), [own("mail"), own("payments")]);
}
