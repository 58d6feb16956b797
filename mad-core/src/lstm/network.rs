//! The network: an encoder, a decoder and a linear output, forward and back through time.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::cell::{CellGradient, CellShape, CellStep};
use super::dense::{add, add_back, add_outer, add_product};

/// An LSTM that reads a sequence, a second one that gets the last output of the first at each step,
/// and a linear layer that turns its outputs into rows.
///
/// The parameters are one list: encoder, decoder, then the weights and the bias of the linear layer. A layer
/// of LSTM has the weights of its inputs, those of its units and the bias. Weights are stored by input, each with the
/// weights to the input gates, the forget gates, the candidates and the output gates of all units.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    features: usize,
    units: usize,
    parameters: Vec<f64>,
}

/// What a forward pass leaves for the way back.
struct Pass {
    /// Before the first step, and after each.
    encoder: Vec<CellStep>,
    decoder: Vec<CellStep>,
    /// The repeated rows.
    rows: Vec<Vec<f64>>,
}

impl Network {
    /// A network with random weights between `-1/sqrt(units)` and `1/sqrt(units)`. The same seed gives
    /// the same weights. There is at least one feature and one unit.
    pub fn new(features: usize, units: usize, seed: u64) -> Self {
        let (features, units) = (features.max(1), units.max(1));
        let mut network = Self { features, units, parameters: Vec::new() };
        let count = network.encoder().len() + network.decoder().len() + features * (units + 1);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let bound = 1.0 / (units as f64).sqrt();
        let mut draw = || {
            let uniform = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            bound * (2.0 * uniform - 1.0)
        };
        network.parameters = (0..count).map(|_| draw()).collect();
        network
    }

    /// The parameters.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// The parameters, to be changed.
    pub fn parameters_mut(&mut self) -> &mut [f64] {
        &mut self.parameters
    }

    /// The squared error of each row of a sequence, averaged over its features.
    pub fn errors(&self, sequence: &[&[f64]]) -> Vec<f64> {
        let rows = self.forward(sequence).rows;
        let errors = rows.iter().zip(sequence).map(|(row, wanted)| {
            let squares = row.iter().zip(*wanted).map(|(one, wanted)| (one - wanted).powi(2));
            squares.sum::<f64>() / self.features as f64
        });
        errors.collect()
    }

    /// Adds the gradient of the mean squared error of a sequence times `weight` to `gradient`, and
    /// returns the error.
    pub fn add_gradient(&self, sequence: &[&[f64]], weight: f64, gradient: &mut [f64]) -> f64 {
        let pass = self.forward(sequence);
        let (encoder, decoder) = (self.encoder(), self.decoder());
        let (of_encoder, of_decoder, of_output) = self.parts();
        let (encoder_gradient, rest) = gradient.split_at_mut(encoder.len().min(gradient.len()));
        let (decoder_gradient, rest) = rest.split_at_mut(decoder.len().min(rest.len()));
        let outputs = self.features * self.units;
        let (output_gradient, bias_gradient) = rest.split_at_mut(outputs.min(rest.len()));
        let values = (self.features * sequence.len()).max(1) as f64;

        let code = pass.encoder.last().map(|step| step.hidden.as_slice()).unwrap_or_default();
        let mut of_code = vec![0.0; self.units];
        let mut back = CellGradient::none(self.units);
        let mut sum = 0.0;
        let steps = pass.decoder.iter().skip(1).zip(&pass.rows).zip(sequence);
        for ((step, row), wanted) in steps.rev() {
            let of_row: Vec<f64> =
                row.iter().zip(*wanted).map(|(one, wanted)| one - wanted).collect();
            sum += of_row.iter().map(|one| one * one).sum::<f64>();
            let of_row: Vec<f64> = of_row.iter().map(|one| 2.0 * weight * one / values).collect();
            add_outer(output_gradient, &step.hidden, &of_row);
            add(bias_gradient, &of_row);
            add_back(of_output, &of_row, &mut back.hidden);
            decoder.backward(
                of_decoder,
                (step, code),
                &mut back,
                decoder_gradient,
                Some(&mut of_code),
            );
        }
        let mut back = CellGradient::none(self.units);
        add(&mut back.hidden, &of_code);
        for (step, row) in pass.encoder.iter().skip(1).zip(sequence).rev() {
            encoder.backward(of_encoder, (step, row), &mut back, encoder_gradient, None);
        }
        sum / values
    }

    fn forward(&self, sequence: &[&[f64]]) -> Pass {
        let (encoder, decoder) = (self.encoder(), self.decoder());
        let (of_encoder, of_decoder, of_output) = self.parts();
        let (of_output, bias) =
            of_output.split_at((self.features * self.units).min(of_output.len()));
        let mut pass = Pass {
            encoder: vec![encoder.start()],
            decoder: vec![decoder.start()],
            rows: Vec::new(),
        };
        for row in sequence {
            let next = pass.encoder.last().map(|last| encoder.forward(of_encoder, row, last));
            pass.encoder.extend(next);
        }
        let code = pass.encoder.last().map(|last| last.hidden.clone()).unwrap_or_default();
        for _ in sequence {
            let next = pass.decoder.last().map(|last| decoder.forward(of_decoder, &code, last));
            let Some(next) = next else { break };
            let mut row = bias.to_vec();
            add_product(of_output, &next.hidden, &mut row);
            pass.rows.push(row);
            pass.decoder.push(next);
        }
        pass
    }

    fn encoder(&self) -> CellShape {
        CellShape { inputs: self.features, units: self.units }
    }

    fn decoder(&self) -> CellShape {
        CellShape { inputs: self.units, units: self.units }
    }

    /// The parameters of the encoder, the decoder and the linear layer.
    fn parts(&self) -> (&[f64], &[f64], &[f64]) {
        let (encoder, rest) =
            self.parameters.split_at(self.encoder().len().min(self.parameters.len()));
        let (decoder, output) = rest.split_at(self.decoder().len().min(rest.len()));
        (encoder, decoder, output)
    }
}
