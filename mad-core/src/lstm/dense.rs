//! Products of small matrices and vectors. A matrix is stored by input: the weights of the first input
//! to all outputs, then those of the second, so that the inner loops run over outputs.

/// Adds the product of a matrix and a vector of inputs.
pub(super) fn add_product(matrix: &[f64], inputs: &[f64], outputs: &mut [f64]) {
    let columns = matrix.chunks_exact(outputs.len().max(1));
    for (column, input) in columns.zip(inputs) {
        for (output, weight) in outputs.iter_mut().zip(column) {
            *output += weight * input;
        }
    }
}

/// Adds the gradient of the inputs, from that of the outputs.
pub(super) fn add_back(matrix: &[f64], outputs: &[f64], inputs: &mut [f64]) {
    let columns = matrix.chunks_exact(outputs.len().max(1));
    for (column, input) in columns.zip(inputs) {
        // four sums side by side, so that an addition need not wait for the one before
        let mut sums = [0.0_f64; 4];
        for (weights, outputs) in column.chunks(4).zip(outputs.chunks(4)) {
            for ((sum, weight), output) in sums.iter_mut().zip(weights).zip(outputs) {
                *sum += weight * output;
            }
        }
        *input += sums.iter().sum::<f64>();
    }
}

/// Adds the gradient of a matrix, from its inputs and the gradient of its outputs.
pub(super) fn add_outer(gradient: &mut [f64], inputs: &[f64], outputs: &[f64]) {
    let columns = gradient.chunks_exact_mut(outputs.len().max(1));
    for (column, input) in columns.zip(inputs) {
        for (weight, output) in column.iter_mut().zip(outputs) {
            *weight += input * output;
        }
    }
}

/// Adds one vector to another.
pub(super) fn add(to: &mut [f64], other: &[f64]) {
    for (to, other) in to.iter_mut().zip(other) {
        *to += other;
    }
}
