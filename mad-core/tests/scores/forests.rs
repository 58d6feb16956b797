//! The Isolation Forest: scores, bad input, repetition, windows and drift.

use mad_core::forest::{ForestConfig, IsolationForest, WindowedForest, WindowedForestConfig};
use mad_core::model::WindowConfig;
use ndarray::{Array2, array};

/// Rows of noise that is the same in every run, around 0 with a spread of 1.
fn noise(rows: usize, features: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, features), |(row, feature)| {
        let mixed = (row * 7 + feature + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let spread = |shift: u32| ((mixed >> shift) % 1_000) as f64 / 1_000.0;
        spread(20) + spread(31) + spread(42) - 1.5
    })
}

fn fit(config: ForestConfig, rows: &Array2<f64>) -> IsolationForest {
    IsolationForest::fit(config, rows.view()).unwrap()
}

fn scores(forest: &IsolationForest, rows: &Array2<f64>) -> Vec<f64> {
    forest.score(rows.view()).unwrap()
}

#[test]
fn a_distant_row_has_the_highest_score_and_a_usual_one_less_than_half() {
    let rows = noise(1_000, 4);
    let forest = fit(ForestConfig::default(), &rows);
    let known = scores(&forest, &rows);
    let far = scores(&forest, &Array2::from_elem((1, 4), 9.0))[0];
    assert!(known.iter().all(|score| *score < far), "{far}");
    let mean = known.iter().sum::<f64>() / 1_000.0;
    assert!((0.4..0.5).contains(&mean), "{mean}");
    assert_eq!(forest.score_row(&[9.0; 4]), far);
}

#[test]
fn the_same_seed_gives_the_same_forest_and_another_one_nearly_the_same_scores() {
    let rows = noise(2_000, 3);
    let of = |seed| scores(&fit(ForestConfig { seed, ..ForestConfig::default() }, &rows), &rows);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let largest = of(1).iter().zip(of(2)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(largest < 0.1, "{largest}");
}

#[test]
fn rows_are_scored_alike_alone_and_together() {
    let rows = noise(203, 5);
    let forest = fit(ForestConfig { trees: 20, ..ForestConfig::default() }, &rows);
    let together = scores(&forest, &rows);
    for (row, score) in rows.outer_iter().zip(&together) {
        assert_eq!(forest.score_row(row.to_slice().unwrap()), *score);
    }
    let turned = rows.t().as_standard_layout().into_owned().reversed_axes();
    assert_eq!(forest.score(turned.view()).unwrap(), together);
}

#[test]
fn contamination_is_the_share_of_flagged_rows() {
    let rows = noise(1_000, 3);
    let flagged = |contamination| {
        let forest = fit(ForestConfig { contamination, ..ForestConfig::default() }, &rows);
        scores(&forest, &rows).iter().filter(|score| **score > forest.threshold()).count()
    };
    assert_eq!(flagged(Some(0.0)), 0);
    assert_eq!(flagged(Some(1.0)), 1_000);
    assert!((45..=50).contains(&flagged(Some(0.05))), "{}", flagged(Some(0.05)));
    assert!((145..=150).contains(&flagged(Some(0.15))), "{}", flagged(Some(0.15)));
    assert!(flagged(None) < 500);
}

#[test]
fn rows_without_a_difference_have_half_a_score() {
    for rows in [Array2::from_elem((50, 3), 7.0), Array2::from_elem((1, 2), 1.0)] {
        let forest = fit(ForestConfig::default(), &rows);
        let known = scores(&forest, &rows);
        assert!(known.iter().all(|score| (score - 0.5).abs() < 1e-12), "{known:?}");
    }
    // a constant feature beside one that differs is never split
    let mut rows = noise(300, 2);
    rows.column_mut(0).fill(3.0);
    let forest = fit(ForestConfig::default(), &rows);
    let a = forest.score(array![[3.0, 0.1]].view()).unwrap();
    assert_eq!(forest.score(array![[9e9, 0.1]].view()).unwrap(), a);
}

#[test]
fn fewer_rows_than_trees_and_few_rows_are_fitted() {
    for count in [1, 2, 3, 7, 40] {
        let rows = noise(count, 2);
        let forest = fit(ForestConfig::default(), &rows);
        let known = scores(&forest, &rows);
        assert!(known.iter().all(|score| (0.0..=1.0).contains(score)), "{count}: {known:?}");
    }
}

#[test]
fn missing_and_extreme_values_are_defined() {
    let mut rows = noise(400, 3);
    rows[[3, 0]] = f64::NAN;
    rows[[5, 1]] = f64::INFINITY;
    rows[[6, 1]] = f64::NEG_INFINITY;
    rows[[7, 2]] = f64::MAX;
    rows[[8, 2]] = f64::MIN;
    rows.row_mut(9).fill(f64::NAN);
    let forest = fit(ForestConfig::default(), &rows);
    let known = scores(&forest, &rows);
    assert!(known.iter().all(|score| (0.0..=1.0).contains(score)));
    let usual = known.iter().sum::<f64>() / 400.0;
    for extreme in &known[5..9] {
        assert!(*extreme > usual + 0.05, "{extreme} of {usual}");
    }
    let none = Array2::from_elem((60, 2), f64::NAN);
    let known = scores(&fit(ForestConfig::default(), &none), &none);
    assert!(known.iter().all(|score| (score - 0.5).abs() < 1e-12), "{known:?}");
}

#[test]
fn bad_settings_and_shapes_are_refused_by_name() {
    let rows = noise(10, 2);
    let fault = |config| IsolationForest::fit(config, rows.view()).unwrap_err().to_string();
    let base = ForestConfig::default();
    assert!(fault(ForestConfig { trees: 0, ..base }).contains("forest.trees` is 0"));
    assert!(fault(ForestConfig { sample_size: 1, ..base }).contains("forest.sample_size` is 1"));
    for share in [-0.1, 1.1, f64::NAN] {
        let text = fault(ForestConfig { contamination: Some(share), ..base });
        assert!(text.contains("forest.contamination"), "{text}");
    }
    for shape in [(0, 2), (3, 0)] {
        let text = IsolationForest::fit(base, Array2::zeros(shape).view()).unwrap_err().to_string();
        assert!(text.contains("`rows`"), "{text}");
    }
    let text = fit(base, &rows).score(noise(3, 5).view()).unwrap_err().to_string();
    assert!(text.contains("5 features") && text.contains("the 2 features"), "{text}");
}

#[test]
fn a_restored_forest_is_checked_and_scores_the_same() {
    let rows = noise(300, 2);
    let forest = fit(ForestConfig { trees: 10, ..ForestConfig::default() }, &rows);
    let text = serde_json::to_string(&forest).unwrap();
    let restored: IsolationForest = serde_json::from_str(&text).unwrap();
    restored.check().unwrap();
    assert_eq!(scores(&restored, &rows), scores(&forest, &rows));
    let damaged = text.replacen("\"features\":2", "\"features\":1", 1);
    serde_json::from_str::<IsolationForest>(&damaged).unwrap().check().unwrap_err();
}

fn config(rows: usize, every: usize, warm_up: usize) -> WindowedForestConfig {
    let window = WindowConfig { rows, every, warm_up };
    WindowedForestConfig { window, ..WindowedForestConfig::default() }
}

fn windowed(rows: usize, every: usize, warm_up: usize) -> WindowedForest {
    WindowedForest::new(config(rows, every, warm_up)).unwrap()
}

#[test]
fn a_window_is_fitted_after_the_warm_up_and_then_again() {
    let rows = noise(700, 2);
    let mut forest = WindowedForest::new(WindowedForestConfig::default()).unwrap();
    let mut fits = Vec::new();
    let mut last = None;
    for (place, row) in rows.outer_iter().enumerate() {
        forest.learn(row.to_slice().unwrap());
        let now = forest.score(&[4.0, 4.0]);
        if now != last {
            fits.push(place + 1);
        }
        last = now;
    }
    assert_eq!(fits, [120, 320, 520]);
    assert_eq!(forest.len(), 400);
    assert!(!forest.drift().unwrap().is_drift(), "{:?}", forest.drift());
}

#[test]
fn rows_of_another_kind_are_a_drift_once() {
    let rows = noise(2_000, 2);
    let mut forest = windowed(400, 200, 120);
    let mut drifts = Vec::new();
    for (place, row) in rows.outer_iter().enumerate() {
        let shift = if place >= 1_000 { 6.0 } else { 0.0 };
        let drift = forest.learn(&[row[0] + shift, row[1]]);
        if drift.is_some_and(|drift| drift.is_drift()) {
            drifts.push(place);
        }
    }
    assert!(drifts.contains(&1_119), "{drifts:?}");
    assert!(drifts.iter().all(|place| (1_000..1_600).contains(place)), "{drifts:?}");
}

#[test]
fn a_window_takes_missing_values_and_rows_of_other_lengths() {
    let mut forest = windowed(20, 5, 10);
    for i in 0..60_i32 {
        let value = if i % 7 == 0 { f64::NAN } else { f64::from(i % 5) };
        forest.learn(&vec![value; 1 + usize::from(i > 30)]);
    }
    let score = forest.score(&[f64::NAN]).unwrap();
    assert!((0.0..=1.0).contains(&score));
    assert_eq!(forest.range(0), Some((0.0, 4.0)));
    let text = serde_json::to_string(&forest).unwrap();
    let restored: WindowedForest = serde_json::from_str(&text).unwrap();
    restored.check().unwrap();
    assert_eq!(restored.score(&[2.0, 2.0]), forest.score(&[2.0, 2.0]));
    for (rows, every, warm_up) in [(1, 1, 1), (10, 0, 5), (10, 1, 11), (10, 1, 1)] {
        let config = config(rows, every, warm_up);
        assert!(WindowedForest::new(config).is_err(), "{rows} {every} {warm_up}");
    }
}
