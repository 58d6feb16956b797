//! Lines of single log templates: more of them than usual, and templates that stop.

use mad_core::config::PipelineConfig;
use mad_core::pipeline::{Pipeline, Update};
use mad_core::series::log_template_of;
use mad_core::time::Timestamp;
use mad_core::{Limits, LogLine, Source};

/// What a service writes in each step of a quarter of an hour, most lines first. `<*>` is a number.
const LINES: [(&str, f64); 6] = [
    ("GET /orders took <*> ms", 60.0),
    ("payment <*> settled", 42.0),
    ("cart <*> loaded", 30.0),
    ("stock of item <*> read", 24.0),
    ("session <*> renewed", 16.0),
    ("mail <*> queued", 8.0),
];
const STEP: i64 = 900;
const SECOND: i64 = 1_000_000_000;
/// Steps of a recording, and the first step of a fault: sixty steps and three days are learnt before.
const STEPS: i64 = 390;
const FAULT: i64 = 370;
const SETTLED: &str = "log_lines: payment <*> settled";

fn config() -> PipelineConfig {
    let mut config = PipelineConfig::default();
    config.features.step_seconds = STEP as f64;
    config.limits.service_log_rates = 16;
    config
}

/// A number between 0 and 1 that looks random.
fn draw(step: i64, place: usize) -> f64 {
    let mixed = (step as u64 * 31 + place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as f64 / (1u64 << 24) as f64
}

/// The lines of a step; `factor` is the change of a template's number of lines.
fn lines_of(step: i64, factor: &dyn Fn(i64, usize) -> f64) -> Vec<(Timestamp, String)> {
    let mut out = Vec::new();
    for (place, (text, usual)) in LINES.iter().enumerate() {
        let spread = 2.0 * usual.sqrt() * (draw(step, place) - 0.5);
        let lines = ((usual + spread) * factor(step, place)).round() as i64;
        for line in 0..lines {
            let at = step * STEP * SECOND + line * 899 * SECOND / lines.max(1);
            let text = text.replace("<*>", &(step * 1_000 + line).to_string());
            out.push((Timestamp::from_nanos(at), text));
        }
    }
    out.sort();
    out
}

fn feed(pipeline: &mut Pipeline, lines: &[(Timestamp, String)]) -> Update {
    let mut update = Update::default();
    for (at, text) in lines {
        pipeline.push(LogLine::new(*at, "pay", "INFO", text), &Source::at(1), &mut update);
    }
    update
}

/// Four days of a log.
fn watched(factor: &dyn Fn(i64, usize) -> f64) -> Pipeline {
    let mut pipeline = Pipeline::new(config()).unwrap();
    for at in 0..STEPS {
        feed(&mut pipeline, &lines_of(at, factor));
    }
    pipeline.finish();
    pipeline
}

/// The signals of the incidents.
fn signals(pipeline: &Pipeline) -> Vec<Vec<String>> {
    let of = |one: &mad_core::Incident| {
        one.peaks.iter().map(|peak| peak.signal.signal.as_str().to_owned()).collect()
    };
    pipeline.incidents().iter().map(|one| of(one)).collect()
}

const QUIET: [Vec<String>; 0] = [];

#[test]
fn a_quiet_log_has_no_incident() {
    assert_eq!(signals(&watched(&|_, _| 1.0)), QUIET);
}

#[test]
fn a_template_that_stops_is_an_explained_incident() {
    let pipeline = watched(&|at, place| {
        if (FAULT..FAULT + 10).contains(&at) && place == 1 { 0.0 } else { 1.0 }
    });
    assert_eq!(signals(&pipeline), [[SETTLED]]);
    let explanation = pipeline.explain(pipeline.incidents()[0]);
    let summary = &explanation.summary;
    let reached = "pay: number of lines `payment <*> settled` was down to 0 (usual 4";
    assert!(summary.starts_with(reached), "{summary}");
    let cause = &explanation.likely_causes[0];
    assert!(cause.contains("`payment <*> settled` was logged 0 times in one step (usual 4"));
}

#[test]
fn ten_times_as_many_lines_of_one_template_are_an_incident() {
    let pipeline = watched(&|at, place| {
        if (FAULT..FAULT + 5).contains(&at) && place == 1 { 10.0 } else { 1.0 }
    });
    assert_eq!(signals(&pipeline), [[SETTLED]]);
    let cause = &pipeline.explain(pipeline.incidents()[0]).likely_causes[0];
    assert!(cause.contains(" times in one step (usual 4"), "{cause}");
}

#[test]
fn a_surge_or_a_pause_of_the_whole_log_is_no_change_of_a_template() {
    for change in [4.0, 0.2] {
        let pipeline =
            watched(&|at, _| if (FAULT..FAULT + 5).contains(&at) { change } else { 1.0 });
        assert_eq!(signals(&pipeline), QUIET, "{change}");
    }
}

#[test]
fn a_template_that_ends_with_a_release_is_no_incident() {
    let mut pipeline = Pipeline::new(config()).unwrap();
    for at in 0..STEPS {
        let mut lines =
            lines_of(at, &|at, place| if at >= FAULT && place == 1 { 0.0 } else { 1.0 });
        if at >= FAULT {
            let new = (0..40).map(|line| {
                let time = Timestamp::from_nanos((at * STEP + line) * SECOND);
                (time, format!("settlement {line} of a payment was written"))
            });
            lines.extend(new);
            lines.sort();
        }
        feed(&mut pipeline, &lines);
    }
    pipeline.finish();
    assert_eq!(signals(&pipeline), QUIET);
}

#[test]
fn state_in_checkpoints_and_the_cut_of_batches_change_nothing() {
    let stops = |at: i64, place: usize| {
        if (FAULT..FAULT + 10).contains(&at) && place == 1 { 0.0 } else { 1.0 }
    };
    let mut pipeline = Pipeline::new(config()).unwrap();
    for at in 0..STEPS {
        feed(&mut pipeline, &lines_of(at, &stops));
        if at % 23 == 7 {
            let saved = pipeline.checkpoint().unwrap();
            pipeline = Pipeline::restore(config(), &saved).unwrap();
        }
    }
    pipeline.finish();
    let whole = watched(&stops);
    assert_eq!(signals(&pipeline), signals(&whole));
    assert_eq!(pipeline.checkpoint().unwrap(), whole.checkpoint().unwrap());
}

#[test]
fn the_templates_with_most_lines_are_counted_within_the_limit() {
    let limits = Limits { service_log_rates: 3, ..Limits::default() };
    let config = PipelineConfig { limits, ..config() };
    let mut pipeline = Pipeline::new(config).unwrap();
    for at in 0..150 {
        // a small change of the volumes changes no choice
        feed(
            &mut pipeline,
            &lines_of(at, &|at, place| 1.0 + 0.3 * f64::from(at > 90 && place == 3)),
        );
    }
    pipeline.finish();
    let states = mad_core::status::states(&pipeline);
    let metrics = states.iter().filter_map(|one| one.metric.as_deref());
    let mut counted: Vec<&str> = metrics.filter_map(log_template_of).collect();
    counted.sort_unstable();
    assert_eq!(counted, ["GET <*> took <*> ms", "cart <*> loaded", "payment <*> settled"]);
}

#[test]
fn a_step_with_more_kinds_of_lines_than_are_read_says_nothing_of_templates() {
    let mut pipeline = Pipeline::new(config()).unwrap();
    let word =
        |n: i64| -> String { (0..5).map(|i| (b'a' + (n >> i) as u8 % 26) as char).collect() };
    let mut forms = 0;
    for at in 0..STEPS {
        let mut lines = lines_of(at, &|_, _| 1.0);
        if (FAULT..FAULT + 5).contains(&at) {
            for line in 0..400 {
                forms += 1;
                let time = Timestamp::from_nanos((at * STEP + line % 60) * SECOND);
                let text = format!("{} {} {}", word(forms), word(forms / 7 + 3), word(line * 5));
                lines.push((time, text));
            }
            lines.sort();
        }
        feed(&mut pipeline, &lines);
    }
    pipeline.finish();
    assert_eq!(signals(&pipeline), QUIET);
}

#[test]
fn the_first_day_is_learnt_and_bursts_of_every_day_are_no_news() {
    let bursts = |at: i64, place: usize| {
        let is_burst = place == 1 && at > 60 && at % 50 < 3;
        if is_burst { 10.0 } else { 1.0 }
    };
    assert_eq!(signals(&watched(&bursts)), QUIET);
    let early =
        |at: i64, place: usize| if (70..75).contains(&at) && place == 1 { 10.0 } else { 1.0 };
    assert_eq!(signals(&watched(&early)), QUIET);
}

#[test]
fn a_template_with_wide_counts_is_missed_when_it_is_silent() {
    // ten times as many lines in every third step make the scale wide, and its silence shows all the same
    let bursts = |at: i64, place: usize| match (place, (FAULT..FAULT + 20).contains(&at)) {
        (1, true) => 0.0,
        (1, false) => [0.4, 1.0, 8.0][(draw(at, 9) * 3.0) as usize],
        _ => 1.0,
    };
    let pipeline = watched(&bursts);
    assert_eq!(signals(&pipeline), [[SETTLED]]);
}
