//! One layer of long short-term memory (Hochreiter and Schmidhuber, 1997), with a forget gate.

use super::dense::{add, add_back, add_outer, add_product};

/// Parameters of a layer: for each of its inputs, each of its units and once as bias, the weights to
/// the input gate, the forget gate, the candidate and the output gate of all units.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellShape {
    pub inputs: usize,
    pub units: usize,
}

/// What a step leaves for the way back.
#[derive(Debug, Clone, Default)]
pub(super) struct CellStep {
    /// The four gates of all units after their activation: input, forget, candidate, output.
    gates: Vec<f64>,
    state_before: Vec<f64>,
    hidden_before: Vec<f64>,
    state: Vec<f64>,
    /// The output of the step.
    pub hidden: Vec<f64>,
}

/// Gradients that go from a step to the one before it.
#[derive(Debug, Clone)]
pub(super) struct CellGradient {
    pub hidden: Vec<f64>,
    state: Vec<f64>,
}

impl CellGradient {
    pub fn none(units: usize) -> Self {
        Self { hidden: vec![0.0; units], state: vec![0.0; units] }
    }
}

impl CellShape {
    /// Number of parameters.
    pub fn len(self) -> usize {
        4 * self.units * (self.inputs + self.units + 1)
    }

    /// The step before the first one: output and state are 0.
    pub fn start(self) -> CellStep {
        CellStep {
            hidden: vec![0.0; self.units],
            state: vec![0.0; self.units],
            ..CellStep::default()
        }
    }

    /// The step after another one.
    ///
    /// With the gates `i`, `f`, `o` (logistic) and the candidate `g` (tangent), the state is
    /// `c = f c' + i g` and the output `h = o tanh(c)`.
    pub fn forward(self, parameters: &[f64], inputs: &[f64], before: &CellStep) -> CellStep {
        let units = self.units;
        let (of_inputs, rest) = parameters.split_at(4 * units * self.inputs);
        let (of_hidden, bias) = rest.split_at(4 * units * units);
        let mut gates = bias.to_vec();
        add_product(of_inputs, inputs, &mut gates);
        add_product(of_hidden, &before.hidden, &mut gates);
        for (place, gate) in gates.iter_mut().enumerate() {
            let is_candidate = place / units == 2;
            *gate = if is_candidate { gate.tanh() } else { 1.0 / (1.0 + (-*gate).exp()) };
        }
        let (first, second) = gates.split_at(2 * units);
        let ((input, forget), (candidate, output)) =
            (first.split_at(units), second.split_at(units));
        let kept = forget.iter().zip(&before.state).map(|(forget, state)| forget * state);
        let new = input.iter().zip(candidate).map(|(input, candidate)| input * candidate);
        let state: Vec<f64> = kept.zip(new).map(|(kept, new)| kept + new).collect();
        let hidden = output.iter().zip(&state).map(|(output, state)| output * state.tanh());
        let hidden = hidden.collect();
        CellStep {
            state_before: before.state.clone(),
            hidden_before: before.hidden.clone(),
            gates,
            state,
            hidden,
        }
    }

    /// Takes the gradient of a step's output and state back to those of the step before, and adds
    /// those of the parameters and, if `of_inputs` is given, of the inputs.
    pub fn backward(
        self,
        parameters: &[f64],
        (step, inputs): (&CellStep, &[f64]),
        after: &mut CellGradient,
        gradient: &mut [f64],
        of_inputs: Option<&mut [f64]>,
    ) {
        let units = self.units;
        let (first, second) = step.gates.split_at((2 * units).min(step.gates.len()));
        let (input, forget) = first.split_at(units.min(first.len()));
        let (candidate, output) = second.split_at(units.min(second.len()));
        // gradients of the gates before their activation
        let mut gates = vec![0.0; 4 * units];
        let (of_first, of_second) = gates.split_at_mut(2 * units);
        let (of_input, of_forget) = of_first.split_at_mut(units);
        let (of_candidate, of_output) = of_second.split_at_mut(units);
        let known = input.iter().zip(forget).zip(candidate.iter().zip(output));
        let states = step.state.iter().zip(&step.state_before);
        let given = after.hidden.iter().zip(after.state.iter_mut());
        let wanted = of_input.iter_mut().zip(of_forget).zip(of_candidate.iter_mut().zip(of_output));
        for (((known, states), (hidden, of_state)), wanted) in
            known.zip(states).zip(given).zip(wanted)
        {
            let ((i, f), (g, o)) = known;
            let (state, before) = states;
            let bent = state.tanh();
            let down = *of_state + hidden * o * (1.0 - bent * bent);
            let ((of_i, of_f), (of_g, of_o)) = wanted;
            *of_i = down * g * i * (1.0 - i);
            *of_f = down * before * f * (1.0 - f);
            *of_g = down * i * (1.0 - g * g);
            *of_o = hidden * bent * o * (1.0 - o);
            *of_state = down * f;
        }
        let (weights_in, rest) = parameters.split_at(4 * units * self.inputs);
        let (weights_hidden, _) = rest.split_at(4 * units * units);
        let (gradient_in, rest) = gradient.split_at_mut(4 * units * self.inputs);
        let (gradient_hidden, gradient_bias) = rest.split_at_mut(4 * units * units);
        add_outer(gradient_in, inputs, &gates);
        add_outer(gradient_hidden, &step.hidden_before, &gates);
        add(gradient_bias, &gates);
        if let Some(of_inputs) = of_inputs {
            add_back(weights_in, &gates, of_inputs);
        }
        after.hidden.fill(0.0);
        add_back(weights_hidden, &gates, &mut after.hidden);
    }
}
