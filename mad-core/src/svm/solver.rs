//! Sequential minimal optimisation of a one-class support vector machine.

use ndarray::{Array2, ArrayView1};

/// Largest violation of the optimality conditions that ends the optimisation, in units of the sum of
/// kernels, which is about `nu` times the number of rows.
const TOLERANCE: f64 = 1e-6;
/// Smallest curvature along a step: two equal rows have none.
const LEAST_CURVATURE: f64 = 1e-12;
/// Most steps by number of rows, and at least. Usual data take about as many steps as they have
/// support vectors.
const STEPS_PER_ROW: usize = 100;
const LEAST_STEPS: usize = 10_000;
/// Most rows whose kernels are all kept, 8 MB of them. With more rows, each step computes those that it needs.
const MOST_KEPT: usize = 1_024;

/// The radial kernel `exp(-gamma |a - b|^2)`.
pub(super) fn kernel(gamma: f64, a: &ArrayView1<'_, f64>, b: &ArrayView1<'_, f64>) -> f64 {
    let distance: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (-gamma * distance).exp()
}

/// The weights of the rows, each 0 to 1, and the offset `rho`.
pub(super) struct Solution {
    pub weights: Vec<f64>,
    pub rho: f64,
}

/// A row under optimisation: its weight, and its weighted sum of kernels with all rows.
#[derive(Clone, Copy)]
struct Point {
    weight: f64,
    sum: f64,
}

/// Minimises `w K w / 2` under `0 <= w <= 1` and `sum w = nu n`.
///
/// Each step moves weight from one row to another: to the row with the smallest sum of kernels, from
/// the row with which the second-order gain is largest (Fan, Chen and Lin, 2005).
pub(super) fn solve(rows: &Array2<f64>, gamma: f64, nu: f64) -> Solution {
    let count = rows.nrows();
    let mut points = vec![Point { weight: 0.0, sum: 0.0 }; count];
    let mut kernels = vec![0.0; count];
    let of_rows = Kernels::new(rows, gamma);

    // The first rows carry all weight at the start.
    let mut left = nu * count as f64;
    for place in 0..count {
        let weight = left.min(1.0);
        if weight <= 0.0 {
            break;
        }
        left -= weight;
        of_rows.fill(&mut kernels, place);
        for (point, kernel) in points.iter_mut().zip(&kernels) {
            point.sum += weight * kernel;
        }
        if let Some(point) = points.get_mut(place) {
            point.weight = weight;
        }
    }

    let mut others = vec![0.0; count];
    for _ in 0..LEAST_STEPS.max(STEPS_PER_ROW * count) {
        // The row that takes weight: the smallest sum among those with room.
        let with_room = points.iter().enumerate().filter(|(_, point)| point.weight < 1.0);
        let to = with_room.min_by(|(_, a), (_, b)| a.sum.total_cmp(&b.sum));
        let Some((to, taker)) = to.map(|(place, point)| (place, *point)) else { break };
        of_rows.fill(&mut kernels, to);
        // The row that gives it: the largest decrease of the objective.
        let mut best: Option<(usize, f64, f64)> = None;
        let mut violation = 0.0_f64;
        for (place, (point, kernel)) in points.iter().zip(&kernels).enumerate() {
            let gap = point.sum - taker.sum;
            if point.weight <= 0.0 || gap <= 0.0 {
                continue;
            }
            violation = violation.max(gap);
            let step = gap / (2.0 - 2.0 * kernel).max(LEAST_CURVATURE);
            if best.is_none_or(|(_, gain, _)| gap * step > gain) {
                best = Some((place, gap * step, step));
            }
        }
        let Some((from, _, step)) = best.filter(|_| violation > TOLERANCE) else { break };
        let given = points.get(from).map_or(0.0, |point| point.weight);
        let room = 1.0 - taker.weight;
        let step = step.min(given).min(room);
        of_rows.fill(&mut others, from);
        for ((point, to), from) in points.iter_mut().zip(&kernels).zip(&others) {
            point.sum += step * (to - from);
        }
        if let Some(point) = points.get_mut(to) {
            // exactly full, so that it is not chosen again for its rounding
            point.weight = if step == room { 1.0 } else { point.weight + step };
        }
        if let Some(point) = points.get_mut(from) {
            // a step that takes the whole weight leaves exactly none
            point.weight = if step == given { 0.0 } else { point.weight - step };
        }
    }
    Solution { rho: offset(&points), weights: points.iter().map(|point| point.weight).collect() }
}

/// The sum of kernels at the border of the region: the mean over the rows on it. Without such a row it
/// is half way between the rows inside and those outside.
fn offset(points: &[Point]) -> f64 {
    let on_border = || points.iter().filter(|point| 0.0 < point.weight && point.weight < 1.0);
    let count = on_border().count();
    if count > 0 {
        return on_border().map(|point| point.sum).sum::<f64>() / count as f64;
    }
    let inside = points.iter().filter(|point| point.weight <= 0.0).map(|point| point.sum);
    let outside = points.iter().filter(|point| point.weight >= 1.0).map(|point| point.sum);
    match (inside.min_by(f64::total_cmp), outside.max_by(f64::total_cmp)) {
        (Some(inside), Some(outside)) => f64::midpoint(inside, outside),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0.0,
    }
}

/// The kernels of all pairs of rows, kept if the rows are few.
struct Kernels<'a> {
    rows: &'a Array2<f64>,
    gamma: f64,
    kept: Vec<f64>,
}

impl<'a> Kernels<'a> {
    fn new(rows: &'a Array2<f64>, gamma: f64) -> Self {
        let mut all = Self { rows, gamma, kept: Vec::new() };
        let count = rows.nrows();
        if (1..=MOST_KEPT).contains(&count) {
            let mut kept = vec![0.0; count * count];
            for (place, kernels) in kept.chunks_exact_mut(count).enumerate() {
                all.fill(kernels, place);
            }
            all.kept = kept;
        }
        all
    }

    /// The kernels of one row with all rows.
    fn fill(&self, kernels: &mut [f64], place: usize) {
        let count = self.rows.nrows();
        if let Some(kept) = self.kept.get(place * count..(place + 1) * count) {
            for (known, kept) in kernels.iter_mut().zip(kept) {
                *known = *kept;
            }
        } else if place < count {
            let one = self.rows.row(place);
            for (known, row) in kernels.iter_mut().zip(self.rows.rows()) {
                *known = kernel(self.gamma, &one, &row);
            }
        }
    }
}
