//! The LSTM autoencoder: its gradient, training, and bad input.
#![cfg(feature = "lstm")]

use mad_core::lstm::{AutoencoderConfig, LstmAutoencoder, Network};
use mad_core::model::{WindowConfig, WindowedModel};
use ndarray::Array2;

const SMALL: AutoencoderConfig = AutoencoderConfig { sequence: 4, units: 5, epochs: 3, seed: 42 };

/// Change of a parameter in finite differences.
const STEP: f64 = 1e-5;

/// A rhythm of six rows over two features.
fn rhythm(count: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, 2), |(row, column)| {
        let phase = (row % 6) as f64 * std::f64::consts::FRAC_PI_3;
        100.0 * column as f64 + if column == 0 { phase.sin() } else { 20.0 * phase.cos() }
    })
}

fn fit(config: AutoencoderConfig, rows: &Array2<f64>) -> LstmAutoencoder {
    LstmAutoencoder::fit(config, rows.view()).unwrap()
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let rows = [[0.3, -1.2, 0.5], [0.1, 0.4, -0.7], [1.5, -0.2, 0.0], [-0.6, 0.9, 1.1]];
    let sequence: Vec<&[f64]> = rows.iter().map(<[f64; 3]>::as_slice).collect();
    let mut network = Network::new(3, 4, 7);
    let count = network.parameters().len();
    assert_eq!(count, 4 * 4 * (3 + 4 + 1) + 4 * 4 * (4 + 4 + 1) + 3 * (4 + 1));
    let mut gradient = vec![0.0; count];
    let loss = network.add_gradient(&sequence, 1.0, &mut gradient);
    let errors = network.errors(&sequence);
    assert!((loss - errors.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    let mut error_at = |place: usize, by: f64| {
        network.parameters_mut()[place] += by;
        let loss = network.add_gradient(&sequence, 0.0, &mut vec![0.0; count]);
        network.parameters_mut()[place] -= by;
        loss
    };
    for (place, found) in gradient.iter().enumerate() {
        let slope = (error_at(place, STEP) - error_at(place, -STEP)) / (2.0 * STEP);
        assert!((slope - found).abs() < 1e-8 + 1e-6 * slope.abs(), "{place}: {found}, {slope}");
    }
    // most parameters matter, so that the comparison is not one of zeros
    assert!(gradient.iter().filter(|one| one.abs() > 1e-6).count() > count * 9 / 10);
}

#[test]
fn gradients_are_added_with_their_weight() {
    let rows = [[0.3], [0.1], [1.5]];
    let sequence: Vec<&[f64]> = rows.iter().map(<[f64; 1]>::as_slice).collect();
    let network = Network::new(1, 3, 7);
    let (mut one, mut two) =
        (vec![0.0; network.parameters().len()], vec![1.0; network.parameters().len()]);
    network.add_gradient(&sequence, 1.0, &mut one);
    network.add_gradient(&sequence, 0.25, &mut two);
    assert!(one.iter().zip(&two).all(|(one, two)| (1.0 + 0.25 * one - two).abs() < 1e-12));
}

#[test]
fn training_lowers_the_error_and_a_broken_rhythm_raises_it() {
    let rows = rhythm(120);
    let error = |model: &LstmAutoencoder| {
        let rows: Vec<Vec<f64>> = rows.rows().into_iter().map(|row| row.to_vec()).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let errors = model.errors(&rows);
        assert_eq!(errors.len(), 117);
        errors.iter().sum::<f64>() / 117.0
    };
    let (short, long) = (fit(SMALL, &rows), fit(AutoencoderConfig { epochs: 60, ..SMALL }, &rows));
    assert!(error(&long) < 0.2 * error(&short), "{} {}", error(&long), error(&short));
    // rows 6 to 9 of the rhythm, and the same with a last row from another place
    let rhythm: Vec<Vec<f64>> = rows.rows().into_iter().map(|row| row.to_vec()).collect();
    let usual: Vec<&[f64]> = rhythm[6..10].iter().map(Vec::as_slice).collect();
    let mut broken = usual.clone();
    broken[3] = &rhythm[0];
    assert!(long.errors(&usual)[0] < long.threshold());
    assert!(long.errors(&broken)[0] > long.threshold());
}

#[test]
fn the_same_seed_gives_the_same_network_and_the_longer_past_does_not_count() {
    let rows = rhythm(60);
    assert_eq!(fit(SMALL, &rows), fit(SMALL, &rows));
    assert!(fit(SMALL, &rows) != fit(AutoencoderConfig { seed: 43, ..SMALL }, &rows));
    let model = fit(SMALL, &rows);
    let all: Vec<Vec<f64>> = rows.rows().into_iter().map(|row| row.to_vec()).collect();
    let all: Vec<&[f64]> = all.iter().map(Vec::as_slice).collect();
    assert_eq!(model.errors(&all[..20]).last(), model.errors(&all[16..20]).last());
    assert!(model.errors(&all[..3]).is_empty());
}

#[test]
fn constant_missing_and_extreme_values_are_defined() {
    let constant = Array2::from_elem((40, 2), 7.0);
    let model = fit(SMALL, &constant);
    let row = |value: f64| [7.0, value];
    let rows = [row(7.0), row(7.0), row(7.0), row(7.0), row(90.0)];
    let rows: Vec<&[f64]> = rows.iter().map(<[f64; 2]>::as_slice).collect();
    let errors = model.errors(&rows);
    assert!(errors[0] <= model.threshold() && errors[1] > model.threshold(), "{errors:?}");
    for extreme in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN] {
        let mut known = rhythm(40);
        known[[9, 1]] = extreme;
        let model = fit(SMALL, &known);
        assert!(model.threshold().is_finite(), "{extreme}");
        let rows = [[0.0, extreme], [0.0, 100.0], [extreme, extreme], [0.5, 90.0]];
        let rows: Vec<&[f64]> = rows.iter().map(<[f64; 2]>::as_slice).collect();
        assert!(model.errors(&rows)[0].is_finite(), "{extreme}");
    }
    let none = fit(SMALL, &Array2::from_elem((40, 2), f64::NAN));
    assert!(none.errors(&[&[], &[1.0], &[1.0, 2.0], &[1.0, 2.0, 3.0]])[0].is_finite());
}

#[test]
fn bad_settings_and_shapes_are_refused_by_name() {
    let fault = |config, rows: &Array2<f64>| {
        LstmAutoencoder::fit(config, rows.view()).unwrap_err().to_string()
    };
    let rows = rhythm(20);
    for (wrong, field) in [
        (AutoencoderConfig { sequence: 1, ..SMALL }, "lstm.sequence"),
        (AutoencoderConfig { units: 0, ..SMALL }, "lstm.units"),
        (AutoencoderConfig { epochs: 0, ..SMALL }, "lstm.epochs"),
    ] {
        assert!(fault(wrong, &rows).contains(field), "{field}");
    }
    assert!(fault(SMALL, &rhythm(4)).contains("4 rows"));
    assert!(fault(SMALL, &Array2::zeros((9, 0))).contains("0 features"));
    assert!(LstmAutoencoder::fit(SMALL, rhythm(5).view()).is_ok());
}

#[test]
fn a_window_scores_a_row_by_the_rows_before_it() {
    let config = WindowConfig { rows: 60, every: 60, warm_up: 40 };
    let mut model: WindowedModel<LstmAutoencoder> =
        WindowedModel::new(config, AutoencoderConfig { epochs: 20, ..SMALL }).unwrap();
    let rows = rhythm(140);
    let mut scores = Vec::new();
    for row in rows.rows() {
        scores.push(model.observe(&row.to_vec()));
    }
    assert!(scores[..40].iter().all(Option::is_none));
    let usual = scores[40..].iter().flatten().filter(|score| **score <= 0.5).count();
    assert!(usual >= 95, "{usual} of 100");
    assert!(model.observe(&[9.0, 100.0]).unwrap() > 0.5);
}
