//! The optimiser of the weights.

/// Decay of the mean of gradients, and of the mean of their squares.
const MEAN_DECAY: f64 = 0.9;
const SQUARE_DECAY: f64 = 0.999;
/// Keeps the first steps finite where a gradient is 0.
const LEAST: f64 = 1e-8;

/// Steps along the mean gradient over the root of its mean square (Kingma and Ba, 2015).
pub(super) struct Adam {
    rate: f64,
    steps: i32,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl Adam {
    pub fn new(rate: f64, parameters: usize) -> Self {
        Self { rate, steps: 0, means: vec![0.0; parameters], squares: vec![0.0; parameters] }
    }

    pub fn step(&mut self, parameters: &mut [f64], gradient: &[f64]) {
        self.steps = self.steps.saturating_add(1);
        // both means begin at 0, so that they are too small at first
        let of_mean = 1.0 - MEAN_DECAY.powi(self.steps);
        let of_square = 1.0 - SQUARE_DECAY.powi(self.steps);
        let known = self.means.iter_mut().zip(&mut self.squares);
        for ((parameter, gradient), (mean, square)) in
            parameters.iter_mut().zip(gradient).zip(known)
        {
            *mean += (1.0 - MEAN_DECAY) * (gradient - *mean);
            *square += (1.0 - SQUARE_DECAY) * (gradient * gradient - *square);
            *parameter -= self.rate * (*mean / of_mean) / ((*square / of_square).sqrt() + LEAST);
        }
    }
}
