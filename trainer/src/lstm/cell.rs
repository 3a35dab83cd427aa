//! The LSTM cell's pointwise arithmetic, forward and backward, vectorised by the compiler:
//! once for AVX2 with fused multiply-add, chosen at run time, and once for any processor.

/// One step's slices of one group of rows; each `[rows, units]`, `gates` and `gate_gradients` `[rows, 4·units]`.
pub struct Forward<'a> {
    /// Sums before the activation; holds the activations afterwards.
    pub gates: &'a mut [f32],
    /// The cell before this step.
    pub previous_cell: &'a [f32],
    /// The cell after this step.
    pub cell: &'a mut [f32],
    /// Its hyperbolic tangent.
    pub cell_tanh: &'a mut [f32],
    /// The hidden state after this step.
    pub hidden: &'a mut [f32],
}

/// Likewise, backward.
pub struct Backward<'a> {
    /// Activations of the forward pass.
    pub gates: &'a [f32],
    /// The cell before this step.
    pub previous_cell: &'a [f32],
    /// Hyperbolic tangent of the cell after this step.
    pub cell_tanh: &'a [f32],
    /// Gradient of the hidden state after this step.
    pub hidden_gradient: &'a [f32],
    /// Gradient of the cell after this step from later steps; of the cell before it afterwards.
    pub cell_gradient: &'a mut [f32],
    /// Receives the gradient of the sums before the activation.
    pub gate_gradients: &'a mut [f32],
}

impl Forward<'_> {
    /// Runs the step for rows of `units` values.
    pub fn run(self, units: usize) {
        #[cfg(target_arch = "x86_64")]
        if crate::simd::has_avx2() {
            // SAFETY: the processor has the features the function is compiled for, as just checked.
            unsafe { forward_avx2(self, units) };
            return;
        }
        forward(self, units);
    }
}

impl Backward<'_> {
    /// Runs the step for rows of `units` values.
    pub fn run(self, units: usize) {
        #[cfg(target_arch = "x86_64")]
        if crate::simd::has_avx2() {
            // SAFETY: the processor has the features the function is compiled for, as just checked.
            unsafe { backward_avx2(self, units) };
            return;
        }
        backward(self, units);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_avx2(step: Forward<'_>, units: usize) {
    forward(step, units);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn backward_avx2(step: Backward<'_>, units: usize) {
    backward(step, units);
}

#[inline(always)]
fn forward(step: Forward<'_>, units: usize) {
    let rows = step
        .gates
        .chunks_exact_mut(4 * units)
        .zip(step.previous_cell.chunks_exact(units))
        .zip(step.cell.chunks_exact_mut(units))
        .zip(step.cell_tanh.chunks_exact_mut(units))
        .zip(step.hidden.chunks_exact_mut(units));
    for ((((gates, previous_cell), cell), cell_tanh), hidden) in rows {
        for value in &mut gates[..3 * units] {
            *value = sigmoid(*value);
        }
        for value in &mut gates[3 * units..] {
            *value = tanh(*value);
        }
        let (input, rest) = gates.split_at(units);
        let (forget, rest) = rest.split_at(units);
        let (output, candidate) = rest.split_at(units);
        for k in 0..units {
            cell[k] = forget[k] * previous_cell[k] + input[k] * candidate[k];
            cell_tanh[k] = tanh(cell[k]);
            hidden[k] = output[k] * cell_tanh[k];
        }
    }
}

#[inline(always)]
fn backward(step: Backward<'_>, units: usize) {
    let rows = step
        .gates
        .chunks_exact(4 * units)
        .zip(step.previous_cell.chunks_exact(units))
        .zip(step.cell_tanh.chunks_exact(units))
        .zip(step.hidden_gradient.chunks_exact(units))
        .zip(step.cell_gradient.chunks_exact_mut(units))
        .zip(step.gate_gradients.chunks_exact_mut(4 * units));
    for (((((gates, previous_cell), cell_tanh), hidden_gradient), cell_gradient), gate_gradients) in rows {
        let (input, rest) = gates.split_at(units);
        let (forget, rest) = rest.split_at(units);
        let (output, candidate) = rest.split_at(units);
        let (input_gradient, rest) = gate_gradients.split_at_mut(units);
        let (forget_gradient, rest) = rest.split_at_mut(units);
        let (output_gradient, candidate_gradient) = rest.split_at_mut(units);
        for k in 0..units {
            let through_tanh = hidden_gradient[k] * output[k] * (1.0 - cell_tanh[k] * cell_tanh[k]);
            let gradient = cell_gradient[k] + through_tanh;
            input_gradient[k] = gradient * candidate[k] * input[k] * (1.0 - input[k]);
            forget_gradient[k] = gradient * previous_cell[k] * forget[k] * (1.0 - forget[k]);
            output_gradient[k] = hidden_gradient[k] * cell_tanh[k] * output[k] * (1.0 - output[k]);
            candidate_gradient[k] = gradient * input[k] * (1.0 - candidate[k] * candidate[k]);
            cell_gradient[k] = gradient * forget[k];
        }
    }
}

/// Largest argument of [`exponential`] whose result is a normal f32.
const EXPONENT_LIMIT: f32 = 87.0;

/// `e^x` within 2 units in the last place, without a branch or call, so that it vectorises:
/// reduction by powers of two and a polynomial, after Cephes' `expf` (Moshier, 1984–2000).
#[inline(always)]
fn exponential(x: f32) -> f32 {
    /// ln 2 in two parts: the first has so few bits that its product with a small integer is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-EXPONENT_LIMIT, EXPONENT_LIMIT);
    let power = (x * std::f32::consts::LOG2_E).round_ties_even();
    let rest = x - power * LN_2_HIGH - power * LN_2_LOW;
    let mut series = 1.987_569_1e-4_f32;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        series = series * rest + coefficient;
    }
    let mantissa = series * rest * rest + rest + 1.0;
    mantissa * f32::from_bits(((power as i32 + 127) << 23) as u32)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exponential(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exponential(-2.0 * x)) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_follow_the_standard_library() {
        for step in -4000..=4000 {
            let x = step as f32 * 0.01;
            let reference = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - reference).abs() < 3e-7, "{x}");
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 5e-7, "{x}");
        }
        for extreme in [1e4, f32::MAX, f32::INFINITY] {
            assert_eq!((sigmoid(extreme), tanh(extreme), tanh(-extreme)), (1.0, 1.0, -1.0));
            assert!(sigmoid(-extreme) < 1e-30);
        }
    }
}
