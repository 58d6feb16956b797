//! The one-class support vector machine, compared with scikit-learn, and over bad input.

use mad_core::model::{RowModel, StandardScaler, WindowConfig, WindowedModel};
use mad_core::svm::{OneClassSvm, SvmConfig};
use ndarray::{Array2, array};

/// Rows that look irregular, and are the same in the script that made the expected decisions.
fn rows(count: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, 2), |(i, column)| {
        (if column == 0 { i * 37 % 50 } else { i * i * 11 % 41 }) as f64
    })
}

fn fit(nu: f64, rows: &Array2<f64>) -> OneClassSvm {
    OneClassSvm::fit(SvmConfig { nu, gamma: None }, rows.view()).unwrap()
}

/// `decision_function` of `OneClassSVM(nu=nu, gamma="scale", tol=1e-10)` of scikit-learn 1.9.1 over the
/// same rows behind a `StandardScaler`.
#[test]
fn decisions_are_those_of_scikit_learn() {
    let asked = [[25.0, 20.0], [0.0, 0.0], [49.0, 40.0], [60.0, 20.0], [-30.0, 90.0], [10.0, 35.0]];
    let few = [0.000_106_591, 0.0, -0.155_259_736, -0.236_409_876, -0.612_301_147, 0.056_380_277];
    let many = [
        -0.043_249_843,
        -2.273_591_032,
        -2.818_494_534,
        -3.499_064_786,
        -8.722_172_018,
        0.589_127_93,
    ];
    for (count, nu, expected) in [(60, 0.05, few), (200, 0.2, many)] {
        let rows = rows(count);
        let svm = fit(nu, &rows);
        for (row, expected) in asked.iter().zip(expected) {
            let found = svm.decision(row);
            assert!((found - expected).abs() < 1e-4, "{count} {row:?}: {found} {expected}");
        }
        let outside = rows.rows().into_iter().filter(|row| svm.is_outside(&row.to_vec())).count();
        assert!(outside as f64 <= nu * count as f64, "{outside} of {count}");
        assert!(svm.support_vectors() as f64 >= nu * count as f64);
    }
}

#[test]
fn the_score_is_half_on_the_border_and_one_far_away() {
    let svm = fit(0.05, &rows(200));
    for row in [[25.0, 20.0], [49.0, 40.0], [80.0, 0.0], [1e9, -1e9]] {
        let score = svm.score_row(&row);
        assert!((0.0..=1.0).contains(&score));
        // a row within the tolerance of the border is not outside
        assert_eq!(score > 0.5, svm.decision(&row) < -1e-3, "{row:?}");
    }
    assert_eq!(svm.score_row(&[1e9, 1e9]), 1.0);
}

#[test]
fn constant_features_and_equal_rows_are_defined() {
    for rows in [Array2::from_elem((50, 3), 7.0), Array2::from_elem((1, 3), 7.0)] {
        let svm = fit(0.05, &rows);
        assert!(!svm.is_outside(&[7.0; 3]), "an equal row is not outside");
        assert!(svm.is_outside(&[9.0, 7.0, 7.0]));
        assert!(svm.score_row(&[7.0; 3]) >= 0.49);
    }
    let mut with_constant = Array2::from_elem((200, 3), 5.0);
    with_constant.slice_mut(ndarray::s![.., ..2]).assign(&rows(200));
    let svm = fit(0.05, &with_constant);
    assert!(!svm.is_outside(&[25.0, 21.0, 5.0]) && svm.is_outside(&[25.0, 21.0, 50.0]));
}

#[test]
fn missing_and_extreme_values_are_defined() {
    let mut known = rows(200);
    known[[3, 0]] = f64::NAN;
    known[[5, 1]] = f64::INFINITY;
    known.row_mut(9).fill(f64::NAN);
    let svm = fit(0.05, &known);
    assert!(!svm.is_outside(&[f64::NAN, f64::NAN]), "a missing value counts as the mean");
    assert!(svm.is_outside(&[25.0, f64::INFINITY]) && svm.is_outside(&[f64::MIN, 20.0]));
    assert_eq!(svm.decision(&[25.0]), svm.decision(&[25.0, f64::NAN]));
    assert_eq!(svm.decision(&[25.0, 20.0, 3.0]), svm.decision(&[25.0, 20.0]));
    for extreme in [f64::MAX, f64::MIN, f64::MIN_POSITIVE] {
        let mut known = rows(60);
        known[[4, 1]] = extreme;
        assert!(fit(0.05, &known).decision(&[25.0, 20.0]).is_finite(), "{extreme}");
    }
    let none = fit(0.05, &Array2::from_elem((60, 2), f64::NAN));
    assert!(!none.is_outside(&[f64::NAN, f64::NAN]));
}

#[test]
fn bad_settings_and_shapes_are_refused_by_name() {
    let fault = |nu, gamma, rows: &Array2<f64>| {
        OneClassSvm::fit(SvmConfig { nu, gamma }, rows.view()).unwrap_err().to_string()
    };
    for nu in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(fault(nu, None, &rows(9)).contains("svm.nu"), "{nu}");
    }
    for gamma in [0.0, f64::INFINITY, f64::NAN] {
        assert!(fault(0.1, Some(gamma), &rows(9)).contains("svm.gamma"), "{gamma}");
    }
    for shape in [(0, 2), (3, 0)] {
        assert!(fault(0.1, None, &Array2::zeros(shape)).contains("`rows`"), "{shape:?}");
    }
    // every row has the same weight
    assert_eq!(fit(1.0, &rows(40)).support_vectors(), 40);
}

#[test]
fn a_scaler_standardises_known_values() {
    let scaler = StandardScaler::fit(array![[1.0, f64::NAN], [3.0, 4.0], [f64::NAN, 4.0]].view());
    assert_eq!(scaler.apply(&[5.0, 6.0]), [3.0, 2.0]);
    assert_eq!(scaler.apply(&[f64::INFINITY, f64::NEG_INFINITY]), [1e3, -1e3]);
    assert_eq!(scaler.features(), 2);
}

#[test]
fn a_window_is_fitted_after_the_warm_up_and_again_and_forgets() {
    let config = WindowConfig { rows: 100, every: 50, warm_up: 60 };
    let mut model: WindowedModel<OneClassSvm> =
        WindowedModel::new(config, SvmConfig::default()).unwrap();
    let row = |i: usize, level: f64| [level + (i * 37 % 50) as f64, (i * i * 11 % 41) as f64];
    let scores: Vec<_> = (0..300).map(|i| model.observe(&row(i, 0.0))).collect();
    assert!(scores[..60].iter().all(Option::is_none) && scores[60..].iter().all(Option::is_some));
    // a new level is outside until it fills the window
    assert!(model.observe(&row(1, 1_000.0)).unwrap() > 0.5);
    for i in 0..150 {
        model.observe(&row(i, 1_000.0));
    }
    let outside = |i: &usize| model.observe(&row(*i, 1_000.0)).unwrap() > 0.5;
    assert!((150..200).filter(outside).count() <= 10);
    assert!(model.observe(&[25.0, 21.0]).unwrap() > 0.5);
    assert_eq!(model.model().unwrap().features(), 2);
    // a row with a new feature, and a short one
    assert!(model.observe(&[1_025.0, 21.0, 3.0]).is_some() && model.observe(&[]).is_some());
    for wrong in [
        WindowConfig { rows: 1, ..config },
        WindowConfig { every: 0, ..config },
        WindowConfig { warm_up: 101, ..config },
    ] {
        let found = WindowedModel::<OneClassSvm>::new(wrong, SvmConfig::default());
        assert!(found.unwrap_err().to_string().contains("window."));
    }
    assert_eq!(model.model().map(RowModel::rows_before), Some(0));
}
