//! An LSTM autoencoder over rows in the order of time.

use ndarray::{Array2, ArrayView2};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::adam::Adam;
use super::network::Network;
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;
use crate::model::{RowModel, StandardScaler};

/// Most rows of a sequence, units and epochs. They bound the time of a fit.
const MAX_SEQUENCE: usize = 1_000;
const MAX_UNITS: usize = 256;
const MAX_EPOCHS: usize = 1_000;
/// Most features of a row.
const MAX_FEATURES: usize = 4_096;
/// Step of the optimiser. Each fit starts from random weights, and its three epochs are about 70 steps, which
/// the usual 0.001 would hardly move.
const RATE: f64 = 0.01;
/// Sequences of one step.
const BATCH: usize = 16;
/// Standard deviations above the mean error of the fitted rows at which a row is anomalous.
const DEVIATIONS: f64 = 3.0;

/// Settings of an [`LstmAutoencoder`].
///
/// # Examples
///
/// ```
/// use mad_core::lstm::AutoencoderConfig;
///
/// let config = AutoencoderConfig::default();
/// assert_eq!((config.sequence, config.units, config.epochs), (10, 16, 3));
/// assert!(AutoencoderConfig { units: 0, ..config }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoencoderConfig {
    /// Rows of a sequence, 2 to 1,000.
    pub sequence: usize,
    /// Units of the encoder and of the decoder, 1 to 256.
    pub units: usize,
    /// Times that each sequence is learnt, 1 to 1,000.
    pub epochs: usize,
    /// Seed of the first weights and of the order of sequences.
    pub seed: u64,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self { sequence: 10, units: 16, epochs: 3, seed: 42 }
    }
}

impl AutoencoderConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(2..=MAX_SEQUENCE).contains(&self.sequence) {
            return Err(Error::config("lstm.sequence", self.sequence, "2 to 1000"));
        }
        if !(1..=MAX_UNITS).contains(&self.units) {
            return Err(Error::config("lstm.units", self.units, "1 to 256"));
        }
        if !(1..=MAX_EPOCHS).contains(&self.epochs) {
            return Err(Error::config("lstm.epochs", self.epochs, "1 to 1000"));
        }
        Ok(())
    }
}

/// Scores a row by how badly a network repeats it: an LSTM autoencoder (Malhotra and others, 2016).
///
/// # Method
///
/// Each feature is standardised. A [`Network`] learns to repeat all sequences of `sequence` rows that
/// follow each other: mean squared error, Adam with a step of 0.01, 16 sequences a step, in a random order.
/// The error of a row is that of the last row of the sequence that ends with it, averaged over its
/// features. A row is anomalous if its error is above the mean error of the fitted rows by more than
/// three of their standard deviations.
///
/// # Small samples and limits
///
/// A fit needs one row more than a sequence. With fewer earlier rows than a sequence a row has no error.
/// Missing values count as the mean of their feature. Rows that follow each other count as one step
/// apart, also where rows between them are missing. Fitted anomalies raise the threshold. Three epochs
/// over some hundred rows are little training: the error is mostly the distance from the mean. A fit
/// takes time proportional to rows, epochs, sequence and `units * (features + 2 units)`.
///
/// # Examples
///
/// ```
/// use mad_core::lstm::{AutoencoderConfig, LstmAutoencoder};
/// use ndarray::Array2;
///
/// let rows = Array2::from_shape_fn((60, 1), |(row, _)| (row % 4) as f64);
/// let config = AutoencoderConfig { sequence: 4, units: 4, ..AutoencoderConfig::default() };
/// let model = LstmAutoencoder::fit(config, rows.view())?;
/// let errors = model.errors(&[&[0.0], &[1.0], &[2.0], &[3.0], &[90.0]]);
/// assert_eq!(errors.len(), 2);
/// assert!(errors[0] < model.threshold() && errors[1] > model.threshold());
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LstmAutoencoder {
    scaler: StandardScaler,
    network: Network,
    sequence: usize,
    threshold: f64,
}

impl LstmAutoencoder {
    /// Fits it to rows (first axis, in the order of time) of features (second axis).
    ///
    /// # Errors
    ///
    /// A setting out of its range; not more rows than a sequence, or more than 100,000; no feature or
    /// more than 4,096.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn fit(config: AutoencoderConfig, rows: ArrayView2<'_, f64>) -> Result<Self> {
        config.validate()?;
        let (count, features) = rows.dim();
        if !(config.sequence + 1..=MAX_WINDOW).contains(&count) {
            let expected = format!("{} to {MAX_WINDOW} rows", config.sequence + 1);
            return Err(Error::argument("rows", format!("{count} rows"), &expected));
        }
        if !(1..=MAX_FEATURES).contains(&features) {
            let expected = "1 to 4096 features in a row";
            return Err(Error::argument("rows", format!("{features} features"), expected));
        }
        let scaler = StandardScaler::fit(rows);
        let rows: Vec<Vec<f64>> =
            rows.rows().into_iter().map(|row| scaler.apply(&row.to_vec())).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let mut network = Network::new(features, config.units, config.seed);
        train(&mut network, &rows, config);
        let mut model = Self { scaler, network, sequence: config.sequence, threshold: 0.0 };
        let errors = model.last_errors(&rows);
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let squares = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>();
        model.threshold = mean + DEVIATIONS * (squares / errors.len() as f64).sqrt();
        Ok(model)
    }

    /// The error of each row from the one that ends the first sequence, in squared standard deviations.
    /// `rows` are in the order of time; a row that is shorter or longer than those of the fit lacks
    /// values, or has values that are left out.
    pub fn errors(&self, rows: &[&[f64]]) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| self.scaler.apply(row)).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        self.last_errors(&rows)
    }

    /// The error above which a row is anomalous.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The errors of standardised rows.
    fn last_errors(&self, rows: &[&[f64]]) -> Vec<f64> {
        let last = |sequence: &[&[f64]]| self.network.errors(sequence).last().copied();
        rows.windows(self.sequence.max(1)).filter_map(last).collect()
    }
}

impl RowModel for LstmAutoencoder {
    type Config = AutoencoderConfig;

    fn fit(config: AutoencoderConfig, rows: &Array2<f64>) -> Result<Self> {
        Self::fit(config, rows.view())
    }

    /// `e / (e + t)` for the error `e` and the threshold `t`; 0 without an error.
    fn score(&self, rows: &[&[f64]]) -> f64 {
        let error = self.errors(rows).last().copied().unwrap_or(0.0);
        if error > 0.0 { error / (error + self.threshold) } else { 0.0 }
    }

    fn rows_before(&self) -> usize {
        self.sequence.saturating_sub(1)
    }
}

/// Trains the network on all sequences of some rows.
fn train(network: &mut Network, rows: &[&[f64]], config: AutoencoderConfig) {
    let mut sequences: Vec<&[&[f64]]> = rows.windows(config.sequence).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(config.seed ^ 1);
    let mut adam = Adam::new(RATE, network.parameters().len());
    let mut gradient = vec![0.0; network.parameters().len()];
    for _ in 0..config.epochs {
        // a random order (Fisher and Yates)
        for place in (1..sequences.len()).rev() {
            sequences.swap(place, (random.next_u64() % (place as u64 + 1)) as usize);
        }
        for batch in sequences.chunks(BATCH) {
            gradient.fill(0.0);
            for sequence in batch {
                network.add_gradient(sequence, 1.0 / batch.len() as f64, &mut gradient);
            }
            adam.step(network.parameters_mut(), &gradient);
        }
    }
}
