//! Settings of some entities: overrides and mutes.

use std::time::Duration;

use mad_core::config::{MuteWindow, Override, SeriesKind, Weekday};
use mad_core::series::{Direction, Glob};
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::{Entity, GuardConfig, Pipeline, PipelineConfig};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(value: Value) -> PipelineConfig {
    let config: PipelineConfig = serde_json::from_value(value).unwrap();
    config.validate().unwrap();
    config
}

fn problem(value: Value) -> String {
    match serde_json::from_value::<PipelineConfig>(value) {
        Ok(config) => config.validate().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text, ZonePolicy::Refuse).unwrap()
}

proptest! {
    /// A recording of less than 20 minutes has 45 rows of at least the resolution of its times, and no
    /// setting that was chosen changes.
    #[test]
    fn the_step_fits_the_recording(seconds in 0_u64..6_000, resolution in 0_u64..90_000) {
        let config = read(json!({ "guard": { "warm_up_minutes": 7.0 } }));
        let (length, finest) =
            (Duration::from_secs(seconds), Duration::from_millis(resolution));
        let Some(short) = config.for_recording(length, finest, 100_000, 9) else {
            prop_assert!(!(45..1_200).contains(&seconds) || resolution > 15_000);
            return Ok(());
        };
        let step = short.features.step_seconds;
        prop_assert!(step < 60.0 && step * 1e3 >= resolution as f64);
        prop_assert!(seconds as f64 >= 45.0 * step || step < 2.0 * resolution as f64 / 1e3 + 10.0);
        prop_assert_eq!(short.guard.warm_up_minutes, 7.0);
        prop_assert!((short.incident.merge_minutes - 5.0 * step / 60.0).abs() < 1e-12);
        prop_assert!(short.validate().is_ok());
        // fewer than one record of an entity in a row are noise
        let few = (5.0 * seconds as f64 / step).ceil() as u64 - 1;
        prop_assert_eq!(config.for_recording(length, finest, few, 5), None);
        // the points of one series are one a row
        let one_each = (seconds as f64 / step).ceil() as u64;
        prop_assert!(config.for_recording(length, finest, one_each, 0).is_some());
        // the settings in use are not shortened again
        prop_assert_eq!(short.for_recording(length, finest, 100_000, 9), None);
        let kept = read(json!({ "features": { "step_seconds": 60.0 } }));
        prop_assert_eq!(kept.for_recording(length, finest, 100_000, 9), None);
        let written = serde_json::to_value(&short).unwrap();
        prop_assert_eq!(read(written), short);
    }
}

#[test]
fn without_overrides_all_entities_have_the_same_settings() {
    let config = PipelineConfig::default();
    let settings = config.resolve(&Entity::new("payments", "/pay"));
    assert_eq!((settings.score, settings.guard), (config.score, config.guard));
    assert!(settings.watched && !settings.is_special());
    let signal = settings.of_signal("cpu");
    assert_eq!((signal.kind, signal.direction, signal.watched), (None, None, true));
    assert_eq!((signal.threshold, signal.guard), (0.5, config.guard));
}

#[test]
fn later_overrides_win_field_by_field() {
    let config = read(json!({
        "score": {"window": 60},
        "override": [
            {"service": "pay*", "threshold": 0.7, "min_points": 40, "latency_relative": 1.0},
            {"service": "payments", "signal": "p95_latency_ms", "threshold": 0.9,
             "latency_relative": 2.0},
            {"endpoint": "/pay", "min_points": 50, "watched": false},
            {"endpoint": "/pay", "signal": "error_rate", "watched": true},
        ]
    }));
    let pay = config.resolve(&Entity::new("payments", "/pay"));
    assert_eq!((pay.score.threshold, pay.score.window, pay.guard.min_points), (0.7, 60, 50));
    assert_eq!((pay.guard.latency_relative, pay.watched), (1.0, false));
    let p95 = pay.of_signal("p95_latency_ms");
    assert_eq!((p95.threshold, p95.guard.latency_relative, p95.watched), (0.9, 2.0, false));
    assert!(pay.of_signal("error_rate").watched);
    let refund = config.resolve(&Entity::new("payments", "/refund"));
    assert_eq!((refund.guard.min_points, refund.watched), (40, true));
    assert_eq!(refund.guard.min_requests, config.guard.min_requests);
    assert!(!config.resolve(&Entity::new("auth", "/login")).is_special());
}

#[test]
fn metrics_have_kinds_and_directions() {
    let config = read(json!({"override": [
        {"metric": "*_free", "direction": "down"},
        {"resource": "sd?", "metric": "*_total", "kind": "counter"},
        {"metric": "success*", "direction": "down"},
        {"metric": "success_rate", "kind": "rate"},
    ]}));
    let disk = config.resolve(&Entity::new("db", "sda"));
    assert_eq!(disk.of_signal("bytes_free").direction, Some(Direction::Down));
    assert_eq!(disk.of_signal("reads_total").kind, Some(SeriesKind::Counter));
    assert_eq!(config.resolve(&Entity::new("db", "")).of_signal("reads_total").kind, None);
    // a rate is judged upwards only, for any override
    assert_eq!(disk.of_signal("success_rate").direction, Some(Direction::Up));
    assert_eq!(disk.of_signal("successes").direction, Some(Direction::Down));
}

#[test]
fn every_guardrail_field_can_be_overridden() {
    let Value::Object(fields) = serde_json::to_value(GuardConfig::default()).unwrap() else {
        panic!("fields by name");
    };
    for (field, value) in fields {
        let changed = match (value.as_u64(), value.as_f64()) {
            (Some(n), _) => json!(n + 7),
            (None, Some(x)) => json!(x / 2.0),
            _ => panic!("{field} is {value}"),
        };
        let config = read(json!({"override": [{"service": "a", field.as_str(): changed}]}));
        let guard = serde_json::to_value(config.resolve(&Entity::new("a", "b")).guard).unwrap();
        assert_eq!(guard[&field], changed, "{field}");
        let other = config.resolve(&Entity::new("b", "b")).guard;
        assert_eq!(other, GuardConfig::default());
    }
}

#[test]
fn errors_name_the_wrong_override() {
    for (over, message) in [
        (json!({"threshold": 1.0}), "`override[1].threshold` is 1; expected a number above 0 and"),
        (json!({"min_points": 0}), "`override[1].min_points` is 0; expected an integer from 1 to"),
        (json!({"min_errors": -1}), "invalid value: integer `-1`"),
        (json!({"critical_error_rate": 1.5}), "`override[1].critical_error_rate` is 1.5"),
        (json!({"latency_relative": -0.5}), "`override[1].latency_relative` is -0.5"),
        (json!({"service": "a"}), "`override[1]` is without a setting"),
        (json!({}), "`override[1]` is without a setting"),
        (json!({"signal": "p95*", "min_points": 5}), "`override[1].min_points` is set for the"),
        (json!({"kind": "rate", "direction": "both"}), "`override[1].direction` is both"),
        (json!({"kind": "meter"}), "unknown variant `meter`"),
        (json!({"direction": "sideways"}), "unknown variant `sideways`"),
        (json!({"treshold": 0.5}), "unknown field `treshold`"),
        (json!({"endpoint": "a", "resource": "b"}), "duplicate field `endpoint`"),
    ] {
        let said = problem(json!({"override": [{"threshold": 0.9}, over]}));
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn errors_name_the_wrong_mute() {
    for (mute, message) in [
        (
            json!({"from": "2026-01-07T00:00:00Z", "to": "2026-01-07T00:00:00Z"}),
            "`mute[0].to` is 2026-01-07T00:00:00Z; expected a time after `from`",
        ),
        (json!({"daily": "22:00-22:00"}), "`mute[0].daily` is 22:00-22:00; expected two different"),
        (json!({"daily": "25:00-26:00"}), "not a span of the day: \"25:00-26:00\""),
        (json!({"daily": "00:00-24:00", "offset_seconds": 90_000}), "`mute[0].offset_seconds`"),
        (json!({"from": "2026-01-07T00:00:00"}), "expected a time with a zone"),
        (json!({"days": ["someday"]}), "unknown variant `someday`"),
        (json!({"reason": "quiet"}), "`mute[0]` is a mute of everything for ever"),
    ] {
        let said = problem(json!({"mute": [mute]}));
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn a_mute_window_has_a_start_and_an_end() {
    let config = read(json!({"mute": [
        {"service": "pay*", "from": "2026-01-06T10:00:00Z", "to": "2026-01-06T12:00:00+01:00"}
    ]}));
    let mute = &config.mutes[0];
    let pay = Entity::new("payments", "/pay");
    let end = Some(time("2026-01-06T11:00:00Z"));
    assert_eq!(mute.muted_until(&pay, time("2026-01-06T10:00:00Z")), end);
    assert_eq!(mute.muted_until(&pay, time("2026-01-06T10:59:59.999Z")), end);
    assert_eq!(mute.muted_until(&pay, time("2026-01-06T11:00:00Z")), None);
    assert_eq!(mute.muted_until(&pay, time("2026-01-06T09:59:59Z")), None);
    assert_eq!(mute.muted_until(&Entity::new("auth", "/"), time("2026-01-06T10:30:00Z")), None);
}

#[test]
fn nights_weekends_and_zones() {
    let config = read(json!({"mute": [
        {"service": "a", "daily": "22:00-04:30", "days": ["fri"], "offset_seconds": 7200},
        {"service": "b", "days": ["sat", "sun"]},
        {"service": "c", "daily": "00:00-24:00"},
        {"service": "d"},
        {"service": "d", "to": "2026-01-10T00:00:00Z", "days": ["tue"]},
    ]}));
    let until = |service: &str, at: &str| {
        config.mute_at(&Entity::new(service, "/"), time(at)).map(|(_, end)| end.to_string())
    };
    // 2026-01-09 is a Friday; 22:00 at +02:00 is 20:00 UTC
    assert_eq!(until("a", "2026-01-09T19:59:59Z"), None);
    assert_eq!(until("a", "2026-01-09T20:00:00Z").as_deref(), Some("2026-01-10T02:30:00Z"));
    assert_eq!(until("a", "2026-01-10T02:29:59Z").as_deref(), Some("2026-01-10T02:30:00Z"));
    assert_eq!(until("a", "2026-01-10T02:30:00Z"), None);
    assert_eq!(until("a", "2026-01-10T21:00:00Z"), None);
    // adjacent days are one window
    assert_eq!(until("b", "2026-01-10T12:00:00Z").as_deref(), Some("2026-01-12T00:00:00Z"));
    assert_eq!(until("b", "2026-01-12T00:00:00Z"), None);
    assert_eq!(until("b", "2026-01-09T23:59:59Z"), None);
    let forever = Some(Timestamp::MAX.to_string());
    assert_eq!(until("c", "2026-01-10T12:00:00Z"), forever);
    // the window that ends last wins
    assert_eq!(until("d", "2026-01-06T12:00:00Z"), forever);
}

#[test]
fn settings_survive_serialization() {
    let config = read(json!({
        "routes": {"patterns": ["/item/{sku}"]},
        "override": [{"service": "a*", "metric": "cpu", "direction": "down", "kind": "gauge"}],
        "mute": [{"resource": "sda", "from": "2026-01-06T10:00:00.5Z", "daily": "22:00-04:30",
                  "days": ["mon", "fri"], "offset_seconds": -3600, "reason": "backup"}],
    }));
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written["override"][0]["signal"], "cpu");
    assert_eq!(written["mute"][0]["from"], "2026-01-06T10:00:00.5Z");
    assert_eq!(serde_json::from_value::<PipelineConfig>(written).unwrap(), config);
    // also within the saved state of a pipeline
    let saved = Pipeline::new(config.clone()).unwrap().checkpoint().unwrap();
    assert_eq!(Pipeline::restore(config, &saved).unwrap().checkpoint().unwrap(), saved);
}

proptest! {
    #[test]
    fn a_mute_ends_at_its_end(
        from in 0_u32..1440, to in 0_u32..=1440, at in -10_000_000_000_000_000_i64..4_000_000_000_000_000_000,
        offset in -86_400_i32..=86_400, days in 0_usize..8,
    ) {
        let all = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri,
                   Weekday::Sat, Weekday::Sun];
        let mute = MuteWindow {
            service: Glob::new("a"),
            daily: Some(mad_core::config::Daily { from, to }),
            days: all.into_iter().take(days).collect(),
            offset_seconds: offset,
            ..MuteWindow::default()
        };
        prop_assume!(mute.validate("mute[0]").is_ok());
        let (entity, at) = (Entity::new("a", "/"), Timestamp::from_nanos(at));
        if let Some(end) = mute.muted_until(&entity, at) {
            prop_assert!(end > at);
            if end < Timestamp::MAX {
                prop_assert_eq!(mute.muted_until(&entity, end), None);
                prop_assert_eq!(mute.muted_until(&entity, end.plus(-1)), Some(end));
            }
        }
    }

    #[test]
    fn an_override_changes_only_matching_entities(service in "[ab]{1,2}", glob in "[ab*?]{1,2}") {
        let over = Override {
            service: Glob::new(glob.as_str()),
            min_requests: Some(9),
            ..Override::default()
        };
        let entity = Entity::new(&service, "/");
        let config = PipelineConfig { overrides: vec![over], ..PipelineConfig::default() };
        let wanted = if Glob::new(glob.as_str()).matches(&service) { 9 } else { 1 };
        let settings = config.resolve(&entity);
        prop_assert_eq!(settings.guard, GuardConfig { min_requests: wanted, ..config.guard });
        prop_assert_eq!(settings.is_special(), wanted == 9);
    }
}
