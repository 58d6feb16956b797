//! One isolation tree, stored as a perfect binary tree so that a row takes the same steps in each.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;
use serde::{Deserialize, Serialize};

/// Rows that go down a tree side by side, so that the processor need not wait for each.
pub(super) const LANES: usize = 8;

/// A split: a row goes right if its value of the feature is above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Split {
    threshold: f64,
    feature: u32,
}

/// A split of a place that has no rows to separate: every value goes left.
const NO_SPLIT: Split = Split { threshold: f64::MAX, feature: 0 };

/// A tree of a fixed depth. The children of split `i` are `2 i + 1` and `2 i + 2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    depth: u32,
    splits: Vec<Split>,
    /// Path length of each leaf of the last level.
    paths: Vec<f64>,
}

impl Tree {
    /// Grows a tree over the rows of `sample`, each with `features` values. The depth is at most
    /// `depth`; rows that are not separated there add the mean path length of an unsuccessful search.
    pub fn grow(
        sample: &mut [&[f64]],
        features: usize,
        depth: u32,
        random: &mut Xoshiro256PlusPlus,
    ) -> Self {
        let leaves = 1_usize << depth;
        let mut tree = Self { depth, splits: vec![NO_SPLIT; leaves - 1], paths: vec![0.0; leaves] };
        let mut order: Vec<u32> = (0..features as u32).collect();
        tree.grow_at(sample, 0, 0, &mut order, random);
        tree
    }

    fn grow_at(
        &mut self,
        rows: &mut [&[f64]],
        place: usize,
        level: u32,
        order: &mut [u32],
        random: &mut Xoshiro256PlusPlus,
    ) {
        let split = (level < self.depth && rows.len() > 1).then(|| choose(rows, order, random));
        let Some(split) = split.flatten() else {
            // Rows at this place end in its leftmost leaf, because nothing below it goes right.
            let down = self.depth - level;
            let leaf = ((place + 1) << down) - (1 << self.depth);
            if let Some(path) = self.paths.get_mut(leaf) {
                *path = f64::from(level) + mean_path(rows.len());
            }
            return;
        };
        if let Some(known) = self.splits.get_mut(place) {
            *known = split;
        }
        let middle = partition(rows, split);
        let (left, right) = rows.split_at_mut(middle);
        self.grow_at(left, 2 * place + 1, level + 1, order, random);
        self.grow_at(right, 2 * place + 2, level + 1, order, random);
    }

    /// Adds the path length of each of some rows to its sum. `columns` has the values of the rows
    /// by feature.
    pub fn add_paths(&self, columns: &[[f64; LANES]], sums: &mut [f64; LANES]) {
        let mut places = [0_usize; LANES];
        for _ in 0..self.depth {
            for (lane, place) in places.iter_mut().enumerate() {
                let split = self.splits.get(*place).copied().unwrap_or(NO_SPLIT);
                let value = columns
                    .get(split.feature as usize)
                    .and_then(|column| column.get(lane))
                    .copied()
                    .unwrap_or(f64::NAN);
                // A missing value is not above the threshold and goes left.
                *place = 2 * *place + 1 + usize::from(value > split.threshold);
            }
        }
        let first = self.splits.len();
        for (sum, place) in sums.iter_mut().zip(places) {
            *sum += self.paths.get(place - first).copied().unwrap_or(0.0);
        }
    }

    /// Whether a restored tree has the form of its depth and splits features that exist.
    pub fn is_valid(&self, features: usize) -> bool {
        self.depth <= 16
            && self.paths.len() == 1 << self.depth
            && self.splits.len() + 1 == self.paths.len()
            && self.paths.iter().all(|path| path.is_finite())
            && self.splits.iter().all(|split| (split.feature as usize) < features)
    }
}

/// A random split of rows: a feature that differs between them, and a threshold that is uniform in
/// its range. `None` if no feature differs.
fn choose(rows: &[&[f64]], order: &mut [u32], random: &mut Xoshiro256PlusPlus) -> Option<Split> {
    // A Fisher-Yates shuffle that stops at the first feature that can be split.
    for left in (1..=order.len()).rev() {
        let chosen = below(left as u64, random) as usize;
        order.swap(chosen, left - 1);
        let feature = *order.get(left - 1)?;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for row in rows {
            // `min` and `max` leave out NaN.
            let value = row.get(feature as usize).copied().unwrap_or(f64::NAN);
            (low, high) = (low.min(value), high.max(value));
        }
        if low < high {
            let share = unit(random);
            // Weights, so that the range of two extremes does not overflow.
            let threshold = low * (1.0 - share) + high * share;
            // Both sides must get a row.
            let threshold = if threshold < high { threshold.max(low) } else { low };
            return Some(Split { threshold, feature });
        }
    }
    None
}

/// Moves the rows that go left to the front; returns their number.
fn partition(rows: &mut [&[f64]], split: Split) -> usize {
    let mut middle = 0;
    for place in 0..rows.len() {
        let value = rows.get(place).and_then(|row| row.get(split.feature as usize));
        if !value.is_some_and(|value| *value > split.threshold) {
            rows.swap(middle, place);
            middle += 1;
        }
    }
    middle
}

/// Mean path length of an unsuccessful search in a binary search tree of `n` rows (Liu, Ting and
/// Zhou, 2008): `2 H(n - 1) - 2 (n - 1) / n`, with `H(i) = ln i + 0.5772`.
pub(super) fn mean_path(n: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

/// Uniform in 0 to `bound - 1`: the upper half of a product of 128 bits (Lemire, 2019), whose bias
/// is below 2^-40 for the bounds here.
pub(super) fn below(bound: u64, random: &mut Xoshiro256PlusPlus) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// Uniform in [0, 1).
fn unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (random.next_u64() >> 11) as f64 * STEP
}
