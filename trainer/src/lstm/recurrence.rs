//! The recurrence on plain memory: rows of the batch are divided among the threads, each of which keeps
//! what its backward pass needs. The division depends on batch and thread count alone, and partial sums are
//! added in its order, so that a run can be repeated bit for bit.

use rayon::prelude::*;

use super::cell;
use crate::product::{Matrix, add_product};

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct Recurrence {
    groups: Vec<Group>,
    recurrent: Vec<f32>,
    steps: usize,
    batch: usize,
    units: usize,
}

/// Some neighbouring rows of the batch over all steps.
#[derive(Debug)]
struct Group {
    first_row: usize,
    rows: usize,
    /// Gate activations, `[steps, rows, 4·units]`.
    gates: Vec<f32>,
    /// Cells before the first and after each step, `[steps + 1, rows, units]`.
    cells: Vec<f32>,
    /// Hyperbolic tangents of the cells after each step, `[steps, rows, units]`.
    cell_tanhs: Vec<f32>,
    /// Hidden states before the first and after each step, `[steps + 1, rows, units]`.
    hidden: Vec<f32>,
}

impl Recurrence {
    /// Runs all steps; `dims` is steps, batch, units. Returns the hidden states `[steps, batch, units]` too.
    pub fn forward(gates: &[f32], recurrent: Vec<f32>, dims: [usize; 3]) -> (Self, Vec<f32>) {
        let [steps, batch, units] = dims;
        assert_eq!(gates.len(), steps * batch * 4 * units, "gates' shape");
        assert_eq!(recurrent.len(), units * 4 * units, "recurrent's shape");
        let group_rows = batch.div_ceil(rayon::current_num_threads()).max(1);
        let groups: Vec<Group> = (0..batch.div_ceil(group_rows))
            .into_par_iter()
            .map(|group| {
                let first_row = group * group_rows;
                let rows = group_rows.min(batch - first_row);
                let own = gather(gates, steps, batch, 4 * units, first_row, rows);
                Group::forward(own, &recurrent, steps, first_row, rows, units)
            })
            .collect();
        let mut hidden = vec![0.0; steps * batch * units];
        for group in &groups {
            let own = &group.hidden[group.rows * units..];
            scatter(own, &mut hidden, batch, units, group.first_row, group.rows);
        }
        let recurrence = Self {
            groups,
            recurrent,
            steps,
            batch,
            units,
        };
        (recurrence, hidden)
    }

    /// Steps, batch, units.
    pub fn dims(&self) -> [usize; 3] {
        [self.steps, self.batch, self.units]
    }

    /// From the gradient of the hidden states to those of the gates `[steps, batch, 4·units]` and of the
    /// recurrent weights `[units, 4·units]`.
    pub fn backward(&self, hidden_gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let [steps, batch, units] = self.dims();
        assert_eq!(hidden_gradient.len(), steps * batch * units, "gradient's shape");
        // Turned once: small products read rows twice as fast as columns.
        let turned = turn(&self.recurrent, 4 * units);
        let parts: Vec<(Vec<f32>, Vec<f32>)> = self
            .groups
            .par_iter()
            .map(|group| {
                let own = gather(hidden_gradient, steps, batch, units, group.first_row, group.rows);
                group.backward(own, &turned, steps, units)
            })
            .collect();
        let mut gates = vec![0.0; steps * batch * 4 * units];
        let mut recurrent = vec![0.0; units * 4 * units];
        for (group, (gate_part, recurrent_part)) in self.groups.iter().zip(&parts) {
            scatter(gate_part, &mut gates, batch, 4 * units, group.first_row, group.rows);
            for (sum, value) in recurrent.iter_mut().zip(recurrent_part) {
                *sum += value;
            }
        }
        (gates, recurrent)
    }
}

impl Group {
    fn forward(
        mut gates: Vec<f32>,
        recurrent: &[f32],
        steps: usize,
        first_row: usize,
        rows: usize,
        units: usize,
    ) -> Self {
        let state = rows * units;
        let mut cells = vec![0.0; (steps + 1) * state];
        let mut hidden = vec![0.0; (steps + 1) * state];
        let mut cell_tanhs = vec![0.0; steps * state];
        for step in 0..steps {
            let step_gates = &mut gates[step * 4 * state..(step + 1) * 4 * state];
            let (before, after) = hidden.split_at_mut((step + 1) * state);
            if step > 0 {
                let previous = Matrix::rows(&before[step * state..], units);
                add_product(step_gates, previous, Matrix::rows(recurrent, 4 * units));
            }
            let (cells_before, cells_after) = cells.split_at_mut((step + 1) * state);
            cell::Forward {
                gates: step_gates,
                previous_cell: &cells_before[step * state..],
                cell: &mut cells_after[..state],
                cell_tanh: &mut cell_tanhs[step * state..(step + 1) * state],
                hidden: &mut after[..state],
            }
            .run(units);
        }
        Self {
            first_row,
            rows,
            gates,
            cells,
            cell_tanhs,
            hidden,
        }
    }

    /// `gradient`: of the hidden states, `[steps, rows, units]`; `turned`: the recurrent weights, `[4·units, units]`.
    /// Returns the gradients of gates and recurrent weights.
    fn backward(&self, mut gradient: Vec<f32>, turned: &[f32], steps: usize, units: usize) -> (Vec<f32>, Vec<f32>) {
        let state = self.rows * units;
        let mut gate_gradients = vec![0.0; steps * 4 * state];
        let mut cell_gradient = vec![0.0; state];
        for step in (0..steps).rev() {
            let (earlier, own) = gradient.split_at_mut(step * state);
            let step_gradients = &mut gate_gradients[step * 4 * state..(step + 1) * 4 * state];
            cell::Backward {
                gates: &self.gates[step * 4 * state..(step + 1) * 4 * state],
                previous_cell: &self.cells[step * state..(step + 1) * state],
                cell_tanh: &self.cell_tanhs[step * state..(step + 1) * state],
                hidden_gradient: &own[..state],
                cell_gradient: &mut cell_gradient,
                gate_gradients: step_gradients,
            }
            .run(units);
            if step > 0 {
                add_product(
                    &mut earlier[(step - 1) * state..],
                    Matrix::rows(step_gradients, 4 * units),
                    Matrix::rows(turned, units),
                );
            }
        }
        let mut recurrent_gradient = vec![0.0; units * 4 * units];
        add_product(
            &mut recurrent_gradient,
            Matrix::rows(&self.hidden[..steps * state], units).transposed(),
            Matrix::rows(&gate_gradients, 4 * units),
        );
        (gate_gradients, recurrent_gradient)
    }
}

/// The transpose of a row-major matrix.
fn turn(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| matrix.iter().skip(column).step_by(columns).copied())
        .collect()
}

/// Rows `first_row..first_row + rows` of each step of `[steps, batch, width]`.
fn gather(values: &[f32], steps: usize, batch: usize, width: usize, first_row: usize, rows: usize) -> Vec<f32> {
    let mut own = Vec::with_capacity(steps * rows * width);
    for step in values.chunks_exact(batch * width) {
        own.extend_from_slice(&step[first_row * width..(first_row + rows) * width]);
    }
    own
}

/// The inverse of [`gather`].
fn scatter(own: &[f32], values: &mut [f32], batch: usize, width: usize, first_row: usize, rows: usize) {
    let steps = values.chunks_exact_mut(batch * width);
    for (step, part) in steps.zip(own.chunks_exact(rows * width)) {
        step[first_row * width..(first_row + rows) * width].copy_from_slice(part);
    }
}
