//! New error templates: an alarm before any baseline exists, and none for known ones.

use std::collections::BTreeMap;

use mad_core::config::PipelineConfig;
use mad_core::pipeline::{Pipeline, Update};
use mad_core::time::Timestamp;
use mad_core::{Entity, LogLine, Source};

type Line = (i64, &'static str, String);

/// An INFO line every ten seconds from 0 to `until`, with more lines in between.
fn log(until: i64, more: impl IntoIterator<Item = Line>) -> Vec<Line> {
    let calm = (0..until).step_by(10);
    let mut lines: Vec<Line> =
        calm.map(|second| (second, "INFO", format!("GET /orders/{second} 200"))).collect();
    lines.extend(more);
    lines.sort();
    lines
}

fn feed(pipeline: &mut Pipeline, lines: &[Line]) -> Update {
    let mut update = Update::default();
    for (second, level, body) in lines {
        let line = LogLine::new(Timestamp::from_seconds(*second), "cart", level, body);
        pipeline.push(line, &Source::at(1), &mut update);
    }
    update
}

/// Start and end of the incidents of a log, in seconds.
fn incidents(lines: &[Line]) -> Vec<(i64, i64)> {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut pipeline, lines);
    pipeline.finish();
    let second = |at: Timestamp| at.nanos() / 1_000_000_000;
    let found = pipeline.incidents();
    found.iter().map(|one| (second(one.start), second(one.end))).collect()
}

fn errors(seconds: [i64; 5]) -> Vec<Line> {
    let body = |second| format!("DB timeout after {second} ms on orders");
    seconds.map(|second| (second, "ERROR", body(second))).into()
}

#[test]
fn a_new_error_five_times_within_30_seconds_is_an_incident_before_any_baseline() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut pipeline, &log(240, errors([125, 130, 135, 140, 155])));
    pipeline.finish();
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].entity, Entity::new("cart", ""));
    let summary = "cart: number of new error lines reached 5 (usual 0), \
                   1970-01-01 00:02 to 00:03 UTC (1 minute, all flagged). \
                   Nothing else was flagged around that time.";
    assert_eq!(pipeline.explain(incidents[0]).summary, summary);
}

#[test]
fn an_hour_later_the_log_is_normal_and_learns_nothing_of_new_errors() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut pipeline, &log(3_600, errors([125, 130, 135, 140, 155])));
    pipeline.finish();
    let states = mad_core::status::states(&pipeline);
    let state = states.iter().find(|one| one.metric.as_deref() == Some("log_new_errors")).unwrap();
    assert_eq!(state.state, mad_core::status::HealthState::Normal, "{}", state.reason);
}

#[test]
fn the_30_seconds_may_lie_in_two_steps() {
    assert_eq!(incidents(&log(300, errors([165, 170, 180, 185, 190]))), [(180, 240)]);
}

#[test]
fn fewer_or_slower_lines_open_nothing() {
    assert!(incidents(&log(300, errors([125, 135, 145, 155, 165]))).is_empty());
    assert!(incidents(&log(300, errors([125, 130, 135, 140, 145])[..4].to_vec())).is_empty());
}

#[test]
fn lines_of_lower_levels_and_of_many_kinds_open_nothing() {
    for level in ["INFO", "WARN", ""] {
        let good = (120..300).map(|second| (second, level, format!("paid {second} in v2")));
        assert!(incidents(&log(300, good)).is_empty(), "{level}");
    }
    let kinds = ["disk full", "no route to host", "cannot parse", "key rejected", "queue closed"];
    let one_each = (120..125).zip(kinds).map(|(at, kind)| (at, "ERROR", kind.to_owned()));
    assert!(incidents(&log(300, one_each)).is_empty());
}

#[test]
fn an_error_that_was_there_from_the_beginning_is_not_new() {
    let always = (0..600).step_by(4).map(|second| (second, "ERROR", "cache miss".to_owned()));
    assert!(incidents(&log(600, always)).is_empty());
}

#[test]
fn an_error_with_the_text_of_earlier_lines_is_not_new() {
    let text = |level: &'static str| move |second| (second, level, "card refused".to_owned());
    let info = (0..120).step_by(10).map(text("INFO"));
    let errors = (120..180).step_by(5).map(text("ERROR"));
    assert!(incidents(&log(300, info.chain(errors))).is_empty());
}

#[test]
fn an_error_is_new_for_ten_minutes() {
    let long = (120..1_500).step_by(2).map(|second| (second, "ERROR", "no quorum".to_owned()));
    let found = incidents(&log(1_500, long));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 120);
    let rare = [(120, "ERROR", "no quorum".to_owned())];
    let late = (1_320..1_325).map(|second| (second, "ERROR", "no quorum".to_owned()));
    assert!(incidents(&log(1_400, rare.into_iter().chain(late))).is_empty());
}

#[test]
fn numeric_levels_are_read_on_their_scale() {
    let number = |(at, level, body): Line| (at, if level == "ERROR" { "3" } else { "6" }, body);
    let lines = log(240, errors([125, 130, 135, 140, 145]));
    let lines: Vec<Line> = lines.into_iter().map(number).collect();
    assert_eq!(incidents(&lines), [(120, 180)]);
}

/// Lines with five words out of 40 each, so that nearly all are different.
fn random_lines(count: u64) -> Vec<Line> {
    let word = |i: u64| {
        let hash = (i.wrapping_add(7)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        char::from(b'a' + (hash % 26) as u8).to_string() + &"xyzw"[..(hash % 4) as usize]
    };
    let body = |i: u64| (0..5).map(|at| word(i * 31 + at)).collect::<Vec<_>>().join(" ");
    let level = |i: u64| if i.is_multiple_of(3) { "ERROR" } else { "INFO" };
    (0..count).map(|i| ((i / 20) as i64, level(i), body(i))).collect()
}

#[test]
fn the_state_of_many_different_lines_is_bounded() {
    let size = |lines: u64| {
        let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
        feed(&mut pipeline, &random_lines(lines));
        pipeline.checkpoint().unwrap().len()
    };
    let (few, many) = (size(6_000), size(30_000));
    assert!(many < 2_000_000 && many < 5 * few, "{few} {many}");
}

#[test]
fn saved_deltas_continue_like_the_whole() {
    let lines = log(1_200, errors([425, 430, 435, 440, 445]).into_iter().chain(random_lines(400)));
    let mut whole = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut whole, &lines);
    let mut parts = Pipeline::new(PipelineConfig::default()).unwrap();
    let (mut entities, mut closed) = (BTreeMap::new(), BTreeMap::new());
    for piece in lines.chunks(50) {
        feed(&mut parts, piece);
        let delta = parts.take_delta().unwrap();
        for (id, part) in delta.entities {
            entities.insert(id, part);
        }
        for (id, part) in delta.incidents {
            closed.insert(id, part);
        }
        let known = entities.iter().filter_map(|(id, part)| Some((*id, part.as_deref()?)));
        let incidents =
            closed.iter().filter_map(|(id, part)| Some((id.as_str(), part.as_deref()?)));
        let config = PipelineConfig::default();
        parts = Pipeline::restore_delta(config, &delta.global, known, incidents).unwrap();
    }
    assert!(whole.checkpoint().unwrap() == parts.checkpoint().unwrap());
    assert_eq!(whole.incidents().len(), 1);
}
