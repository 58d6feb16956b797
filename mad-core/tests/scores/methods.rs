//! Methods beside the default: their rules over rows of a pipeline, ensembles and summaries.

use mad_core::guard::Severity;
use mad_core::method::{MethodName, Methods, Opinion};
use mad_core::{
    Change, JudgedRow, LogLine, MetricPoint, Pipeline, PipelineConfig, Record, Request, Source,
    Timestamp, Update,
};

const START: i64 = 1_767_693_600;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_seconds(START + 60 * minute)
}

/// The rows of some records.
fn judged(records: &[Record<'_>]) -> Vec<JudgedRow> {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for (place, record) in records.iter().enumerate() {
        pipeline.push(record, &Source::at(place as u64), &mut update);
    }
    update.rows.append(&mut pipeline.finish().rows);
    update.rows
}

/// Ten requests in each of some minutes, with a latency and failures by minute.
fn requests(
    minutes: std::ops::Range<i64>,
    latency: impl Fn(i64) -> f64,
    failed: impl Fn(i64) -> usize,
) -> Vec<JudgedRow> {
    let mut records = Vec::new();
    for at in minutes {
        for i in 0..10_usize {
            let status = if i < failed(at) { 500 } else { 200 };
            let at_second = minute(at).plus(i as i64 * 5_000_000_000);
            let ms = latency(at) + i as f64;
            records.push(Record::from(Request::new(at_second, "shop", "/pay", status, ms)));
        }
    }
    judged(&records)
}

fn opinions(names: &[&str], rows: &[JudgedRow]) -> (Vec<Opinion>, Methods) {
    let mut methods = Methods::new(names, 1_000).unwrap();
    let mut out = Vec::new();
    for row in rows {
        methods.push(row, &mut out);
    }
    (out, methods)
}

fn flagged(opinions: &[Opinion], method: MethodName) -> Vec<(Timestamp, &str, Severity)> {
    let of = opinions.iter().filter(|one| one.method == method && one.judgement.is_anomaly);
    of.map(|one| (one.at, &*one.judgement.signal, one.judgement.severity)).collect()
}

#[test]
fn a_slow_endpoint_is_flagged_over_five_minutes_and_does_not_become_the_baseline() {
    let slow = |at| if (30..40).contains(&at) { 2_000.0 } else { 100.0 };
    let (found, _) = opinions(&["ewma"], &requests(0..60, slow, |_| 0));
    let found_at: Vec<_> = flagged(&found, MethodName::Ewma).iter().map(|one| one.0).collect();
    // the mean of five minutes stays above three times 100 ms for four minutes after the last slow one
    assert_eq!(found_at, (30..44).map(minute).collect::<Vec<_>>());
    let first = flagged(&found, MethodName::Ewma)[0];
    assert_eq!((first.1, first.2), ("avg_latency_ms", Severity::Warning));
    let second = flagged(&found, MethodName::Ewma)[1];
    assert_eq!(second.2, Severity::Critical, "860 ms against 104 ms");
    let health: Vec<f64> = found.iter().map(|one| one.judgement.health).collect();
    assert_eq!((health[10], health[35]), (100.0, 70.0));
}

#[test]
fn a_level_that_lasts_for_an_hour_becomes_the_baseline() {
    let slow = |at| if at >= 30 { 2_000.0 } else { 100.0 };
    let (found, _) = opinions(&["ewma"], &requests(0..150, slow, |_| 0));
    let found = flagged(&found, MethodName::Ewma);
    assert_eq!(found.len(), 61);
}

#[test]
fn failed_requests_are_flagged_above_a_fifth_and_critical_above_half() {
    let failed = |at| match at {
        20..30 => 3,
        50..60 => 8,
        _ => 0,
    };
    let (found, _) = opinions(&["ewma"], &requests(0..80, |_| 100.0, failed));
    let found = flagged(&found, MethodName::Ewma);
    assert_eq!(found[0], (minute(23), "error_rate", Severity::Warning), "12 of 50");
    assert!(found.iter().any(|one| one.2 == Severity::Critical && one.0 >= minute(53)));
    assert!(found.iter().all(|one| one.1 == "error_rate"));
}

#[test]
fn normal_traffic_raises_none_of_the_rules() {
    let usual = |at: i64| 100.0 + (at * 37 % 23) as f64;
    let (found, _) = opinions(&["ewma"], &requests(0..300, usual, |at| usize::from(at % 9 == 0)));
    assert_eq!(flagged(&found, MethodName::Ewma), []);
}

#[test]
fn silence_is_flagged_once_when_others_show_that_time_has_passed() {
    let mut records = Vec::new();
    for at in 0..60 {
        for i in 0..6 {
            let time = minute(at).plus(i * 9_000_000_000);
            records.push(Record::from(Request::new(time, "shop", "/home", 200, 50.0)));
            if !(20..40).contains(&at) {
                records.push(Record::from(Request::new(time, "shop", "/pay", 200, 50.0)));
            }
        }
        // an endpoint of few requests may be silent
        if at < 10 {
            records.push(Record::from(Request::new(minute(at), "shop", "/rare", 200, 50.0)));
        }
    }
    let (found, _) = opinions(&["ewma"], &judged(&records));
    assert_eq!(flagged(&found, MethodName::Ewma), [(minute(25), "silence", Severity::Warning)]);
}

#[test]
fn metrics_are_judged_by_z_and_ratio_and_the_worst_series_leads() {
    let mut records = Vec::new();
    for at in 0..200 {
        for (metric, value) in [("cpu", 18.0), ("memory", 1_507.0)] {
            let noise = (at * 31 % 11) as f64 - 5.0;
            let value = if at == 150 && metric == "cpu" { 75.0 } else { value + noise };
            records.push(Record::from(MetricPoint::new(minute(at), "shop", metric, value)));
        }
    }
    let (found, methods) = opinions(&["zscore", "ewma"], &judged(&records));
    assert_eq!(flagged(&found, MethodName::Zscore), [(minute(150), "cpu", Severity::Warning)]);
    assert_eq!(flagged(&found, MethodName::Ewma), [(minute(150), "cpu", Severity::Warning)]);
    let summaries = methods.summaries();
    let names: Vec<_> = summaries.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(names, ["default", "ewma", "zscore", "vote", "weighted"]);
    assert_eq!(summaries[2].first, Some(minute(150)));
    assert_eq!((summaries[3].flagged, summaries[3].entities), (1, 1));
}

#[test]
fn error_lines_and_restarts_are_flagged() {
    let mut records = Vec::new();
    for at in 0..30 {
        let level = if at % 10 == 7 { "ERROR" } else { "INFO" };
        records.push(Record::from(LogLine::new(minute(at), "shop", level, "text")));
    }
    let (found, mut methods) = opinions(&["log_level", "event_kind"], &judged(&records));
    let at: Vec<_> = flagged(&found, MethodName::LogLevel).iter().map(|one| one.0).collect();
    assert_eq!(at, [minute(7), minute(17), minute(27)]);
    let mut out = Vec::new();
    for kind in ["SERVICE_RESTART", "CONFIG_CHANGE", "USER_LOGIN", "DEPLOYMENT", "restart"] {
        methods.push_change(&Change::new(minute(5), "shop", kind), &mut out);
    }
    let kinds: Vec<_> = flagged(&out, MethodName::EventKind).iter().map(|one| one.1).collect();
    assert_eq!(kinds, ["SERVICE_RESTART", "restart"]);
    methods.push_change(&Change::new(minute(5), "", "restart"), &mut out);
    assert_eq!(out.len(), 5, "a change without a service is no row");
}

#[test]
fn ensembles_name_members_and_votes() {
    let slow = |at| if at == 170 { 2_000.0 } else { 100.0 + (at * 37 % 23) as f64 };
    let rows = requests(0..180, slow, |_| 0);
    let (found, methods) = opinions(&["all", "zscore=3"], &rows);
    let of = |at, method| {
        found.iter().find(|one: &&Opinion| one.at == minute(at) && one.method == method).unwrap()
    };
    let vote = of(170, MethodName::Vote);
    let models = "isolation_forest one_class_svm lstm_autoencoder";
    assert_eq!(vote.members.names(), format!("ewma zscore {models}"));
    assert!(vote.votes.len() >= 2 && vote.judgement.is_anomaly, "{vote:?}");
    assert_eq!(vote.judgement.score, vote.votes.len() as f64 / 5.0);
    let members = [
        MethodName::Zscore,
        MethodName::Ewma,
        MethodName::IsolationForest,
        MethodName::OneClassSvm,
        MethodName::LstmAutoencoder,
    ];
    let scores = members.map(|method| of(170, method).judgement.score);
    let mean = (2.0 * scores[0] + scores.iter().sum::<f64>()) / 7.0;
    assert!((of(170, MethodName::Weighted).judgement.score - mean).abs() < 1e-12);
    // during the warm-up of the models the others are the members
    assert_eq!(of(60, MethodName::Vote).members.names(), "ewma zscore");
    let weights: Vec<_> = methods.summaries().iter().map(|one| one.weight).collect();
    assert_eq!(weights, [0.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
}

/// Requests of several endpoints, more than have a place, some of which pause for more than an hour.
fn many_endpoints() -> Vec<JudgedRow> {
    let mut records = Vec::new();
    for at in 0..290 {
        for (place, endpoint) in ["/a", "/b", "/c", "/d", "/e"].into_iter().enumerate() {
            if place == 1 && (60..200).contains(&at) || place == 4 && at < 150 {
                continue;
            }
            for i in 0..3_i64 {
                let time = minute(at).plus(i * 9_000_000_000);
                let ms = if at == 250 { 900.0 } else { 50.0 + ((at * 37 + i * 11) % 23) as f64 };
                records.push(Record::from(Request::new(time, "shop", endpoint, 200, ms)));
            }
        }
        let cpu = 18.0 + (at * 31 % 11) as f64;
        records.push(Record::from(MetricPoint::new(minute(at), "shop", "cpu", cpu)));
    }
    judged(&records)
}

#[test]
fn any_number_of_workers_and_any_batches_give_the_same_opinions() {
    let rows = many_endpoints();
    // five places for six entities, so that one takes the place of another
    let run = |workers: usize, batch: usize| {
        let mut methods = Methods::new(&["all", "default"], 5).unwrap();
        let mut out = Vec::new();
        for rows in rows.chunks(batch) {
            methods.push_all(rows, workers, &mut out);
        }
        format!("{out:?} {:?}", methods.summaries())
    };
    let expected = run(1, 1);
    assert!(expected.contains("LstmAutoencoder") && expected.contains("/e"));
    for (workers, batch) in [(1, 400), (2, 77), (2, usize::MAX), (8, 400), (8, usize::MAX)] {
        assert_eq!(run(workers, batch), expected, "{workers} workers, batches of {batch}");
    }
}

#[test]
fn models_flag_a_distant_row_and_few_others() {
    let slow = |at| if at == 270 { 2_000.0 } else { 100.0 + (at * 37 % 23) as f64 };
    let (found, _) =
        opinions(&["one_class_svm", "lstm_autoencoder"], &requests(0..280, slow, |_| 0));
    for method in [MethodName::OneClassSvm, MethodName::LstmAutoencoder] {
        let rows = found.iter().filter(|one| one.method == method).count();
        assert_eq!(rows, 160, "the warm-up has 120 rows");
        let flagged = flagged(&found, method);
        assert!(flagged.iter().any(|one| one.0 == minute(270)), "{method:?}");
        // a one-class SVM has a twentieth of usual rows outside
        assert!(flagged.len() <= 25, "{method:?}: {}", flagged.len());
    }
}

#[test]
fn opinions_do_not_depend_on_later_rows() {
    let slow = |at| if at > 250 { 900.0 } else { 100.0 + (at * 37 % 23) as f64 };
    let rows = requests(0..300, slow, |_| 0);
    let (all, _) = opinions(&["all", "default"], &rows);
    let (first, _) = opinions(&["all", "default"], &rows[..200]);
    assert_eq!(format!("{:?}", &all[..first.len()]), format!("{first:?}"));
}

#[test]
fn entities_beyond_the_bound_are_judged_when_another_is_idle() {
    let mut methods = Methods::new(&["ewma"], 2).unwrap();
    let mut records = Vec::new();
    for at in 0..200 {
        for endpoint in ["/a", "/b", "/c"] {
            // `/b` has no request after the first hundred minutes
            if endpoint != "/b" || at < 100 {
                records.push(Record::from(Request::new(minute(at), "shop", endpoint, 200, 50.0)));
            }
        }
    }
    let mut out = Vec::new();
    for row in judged(&records) {
        methods.push(&row, &mut out);
    }
    let of = |name: &str| out.iter().filter(|one| &*one.entity.endpoint == name).count();
    assert_eq!((of("/a"), of("/b"), of("/c")), (200, 101, 41));
}

#[test]
fn names_and_weights_are_checked() {
    let fault = |names: &[&str]| Methods::new(names, 10).unwrap_err().to_string();
    assert!(fault(&[]).contains("ewma, zscore"));
    assert!(fault(&["lstm"]).contains("`scorer` is lstm"));
    for name in ["ewma=0", "ewma=-1", "ewma=x", "ewma=inf", "ewma=1e10", "vote"] {
        assert!(fault(&[name]).contains("scorer"), "{name}");
    }
    assert_eq!(Methods::new(&["all"], 10).unwrap().members().len(), 7);
    assert_eq!(Methods::new(&["ewma", "ewma=2"], 10).unwrap().members()[0].weight, 2.0);
}
