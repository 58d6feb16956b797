//! Values of the fitted models for a comparison with other programs.
//!
//! `model-peers lstm` prints a network of the LSTM autoencoder as lines of a name and numbers: `shape`
//! (rows of a sequence, features, units), `rows`, `parameters`, `loss`, `errors` (of each row) and `gradient`. `tests/deep`
//! compares them with `PyTorch`.
//!
//! `model-peers svm NU` reads rows of numbers (CSV) on standard input and prints the decision of each by
//! a one-class SVM that is fitted on them, then `seconds` and the time of the fit and of the decisions.
//! `benches/svm.py` compares them with scikit-learn.

use std::io::{Read, Write};
use std::time::Instant;

use mad_core::error::{Error, Result};
use mad_core::lstm::Network;
use mad_core::svm::{OneClassSvm, SvmConfig};
use ndarray::Array2;

const STEPS: usize = 10;
const FEATURES: usize = 3;
const UNITS: usize = 16;
const SEED: u64 = 42;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let text = match (arguments.next().as_deref(), arguments.next()) {
        (Some("lstm"), _) => lstm(),
        (Some("svm"), nu) => svm(nu.and_then(|nu| nu.parse().ok()).unwrap_or(f64::NAN))?,
        _ => return Err(Error::argument("model", "missing", "lstm, or svm NU")),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn lstm() -> String {
    let value = |place: usize| ((place * 37 % 50) as f64 - 25.0) / 10.0;
    let rows: Vec<f64> = (0..STEPS * FEATURES).map(value).collect();
    let sequence: Vec<&[f64]> = rows.chunks_exact(FEATURES).collect();
    let network = Network::new(FEATURES, UNITS, SEED);
    let mut gradient = vec![0.0; network.parameters().len()];
    let loss = network.add_gradient(&sequence, 1.0, &mut gradient);
    let shape = [STEPS, FEATURES, UNITS].map(|one| one as f64);
    [
        line("shape", &shape),
        line("rows", &rows),
        line("parameters", network.parameters()),
        line("loss", &[loss]),
        line("errors", &network.errors(&sequence)),
        line("gradient", &gradient),
    ]
    .concat()
}

fn svm(nu: f64) -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| Error::input(error.to_string()))?;
    let rows: Vec<Vec<f64>> = text
        .lines()
        .map(|line| line.split(',').map(|one| one.parse().unwrap_or(f64::NAN)).collect())
        .collect();
    let features = rows.first().map_or(0, Vec::len);
    let value = |(row, feature): (usize, usize)| {
        rows.get(row).and_then(|row| row.get(feature)).copied().unwrap_or(f64::NAN)
    };
    let table = Array2::from_shape_fn((rows.len(), features), value);
    let start = Instant::now();
    let svm = OneClassSvm::fit(SvmConfig { nu, gamma: None }, table.view())?;
    let fit = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let decisions: Vec<f64> = rows.iter().map(|row| svm.decision(row)).collect();
    let times = [fit, start.elapsed().as_secs_f64()];
    Ok(line("decisions", &decisions) + &line("seconds", &times))
}

fn line(name: &str, values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(f64::to_string).collect();
    format!("{name} {}\n", values.join(" "))
}
