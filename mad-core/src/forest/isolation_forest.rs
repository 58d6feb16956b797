//! An Isolation Forest over rows of numbers.

use ndarray::{ArrayView2, Axis};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::tree::{LANES, Tree, below, mean_path};
use crate::error::{Error, Result};
use crate::robust::quantile_sorted;

/// Most rows of the sample of a tree: a tree of depth 12 takes 98 kB.
const MAX_SAMPLE: usize = 4_096;
const MAX_TREES: usize = 10_000;
/// Most features of a row.
const MAX_FEATURES: usize = 4_096;
/// Score above which a row is an anomaly if no contamination is given (Liu, Ting and Zhou, 2008).
const AUTO_THRESHOLD: f64 = 0.5;

/// Settings of an [`IsolationForest`].
///
/// # Examples
///
/// ```
/// use mad_core::forest::ForestConfig;
///
/// let config = ForestConfig { contamination: Some(0.05), ..ForestConfig::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ForestConfig {
    /// Trees, 1 to 10,000. The scores of 100 hardly differ from those of more.
    pub trees: usize,
    /// Rows that each tree is grown on, without replacement, 2 to 4,096; all rows if there are fewer.
    pub sample_size: usize,
    /// Share of the fitted rows to flag, 0 to 1: 0 flags none of them and 1 flags every row. `None`
    /// flags scores above 0.5.
    pub contamination: Option<f64>,
    /// Seed of the random splits. The same seed gives the same forest on every machine.
    pub seed: u64,
}

impl Default for ForestConfig {
    fn default() -> Self {
        Self { trees: 100, sample_size: 256, contamination: None, seed: 42 }
    }
}

impl ForestConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=MAX_TREES).contains(&self.trees) {
            return Err(Error::config("forest.trees", self.trees, "1 to 10000"));
        }
        if !(2..=MAX_SAMPLE).contains(&self.sample_size) {
            return Err(Error::config("forest.sample_size", self.sample_size, "2 to 4096"));
        }
        match self.contamination {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(Error::config("forest.contamination", share, "0 to 1, or none"))
            }
            _ => Ok(()),
        }
    }
}

/// Scores rows by how few random splits separate them from the others: an Isolation Forest (Liu,
/// Ting and Zhou, 2008).
///
/// # Method
///
/// Each tree takes a random sample of rows and splits it at a random threshold of a random feature,
/// until rows are alone or at depth `log2(sample)`. The score of a row is `2^(-h / c)`: `h` is its
/// mean path length over the trees, `c` that of an unsuccessful search in a binary search tree of
/// the sample. It lies between 0 and 1, and a usual row has less than 0.5. scikit-learn's
/// `score_samples` is the negative of it.
///
/// # Small samples and limits
///
/// A missing value (NaN) goes left at every split; infinities are the largest and the smallest
/// number. Rows that do not differ in any feature have the score 0.5, and so has every row of a
/// forest of one row. A forest of few rows flags many, because little is usual. It does not know
/// time: a slow change that is inside the earlier range has a usual score.
///
/// # Examples
///
/// ```
/// use mad_core::forest::{ForestConfig, IsolationForest};
/// use ndarray::Array2;
///
/// let rows = Array2::from_shape_fn((300, 2), |(row, column)| ((row * 37 + column * 11) % 100) as f64);
/// let forest = IsolationForest::fit(ForestConfig::default(), rows.view())?;
/// let far = Array2::from_elem((1, 2), 1_000.0);
/// let (usual, anomalous) = (forest.score(rows.view())?, forest.score(far.view())?);
/// assert!(anomalous[0] > 0.6 && usual.iter().all(|score| *score <= anomalous[0]));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsolationForest {
    features: usize,
    /// Mean path length of an unsuccessful search among the rows of a tree.
    normal_path: f64,
    threshold: f64,
    trees: Vec<Tree>,
}

impl IsolationForest {
    /// Fits a forest to rows (first axis) of features (second axis).
    ///
    /// # Errors
    ///
    /// A setting out of its range; no row, no feature, or more than 4,096 features.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn fit(config: ForestConfig, rows: ArrayView2<'_, f64>) -> Result<Self> {
        config.validate()?;
        let (count, features) = rows.dim();
        if count == 0 || features == 0 || features > MAX_FEATURES {
            return Err(Error::argument(
                "rows",
                format!("{count} rows of {features} features"),
                "one row or more of 1 to 4096 features",
            ));
        }
        let size = config.sample_size.min(count);
        // Depth at which a balanced tree would have separated the sample.
        let depth = size.next_power_of_two().trailing_zeros().max(1);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
        let mut order: Vec<usize> = (0..count).collect();
        let mut values = Vec::with_capacity(size * features);
        let mut trees = Vec::with_capacity(config.trees);
        for _ in 0..config.trees {
            values.clear();
            for place in 0..size {
                // The order stays a permutation, so that no tree has to begin again.
                order.swap(place, place + below((count - place) as u64, &mut random) as usize);
                let row = order.get(place).map(|row| rows.index_axis(Axis(0), *row));
                values.extend(row.into_iter().flatten().map(|value| bounded(*value)));
            }
            let mut sample: Vec<&[f64]> = values.chunks_exact(features).collect();
            trees.push(Tree::grow(&mut sample, features, depth, &mut random));
        }
        let normal_path = mean_path(size);
        let mut forest = Self { features, normal_path, threshold: AUTO_THRESHOLD, trees };
        if let Some(share) = config.contamination {
            forest.threshold = if share < 1.0 {
                let mut scores = forest.score(rows)?;
                scores.sort_unstable_by(f64::total_cmp);
                quantile_sorted(&scores, 1.0 - share)
            } else {
                // Below every score.
                -1.0
            };
        }
        Ok(forest)
    }

    /// The score of each row, 0 to 1: the higher, the easier it is to separate.
    ///
    /// # Errors
    ///
    /// Another number of features than the fitted rows had.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        let (count, features) = rows.dim();
        if features != self.features {
            return Err(Error::argument(
                "rows",
                format!("{features} features"),
                &format!("the {} features that the forest was fitted on", self.features),
            ));
        }
        let mut scores = Vec::with_capacity(count);
        // Blocks whose values stay in the first cache while a tree goes over them.
        let groups = (2_048 / features).clamp(1, 32);
        let mut columns = vec![[f64::NAN; LANES]; features * groups];
        for block in rows.axis_chunks_iter(Axis(0), LANES * groups) {
            for (place, row) in block.outer_iter().enumerate() {
                let group = columns.get_mut(place / LANES * features..).unwrap_or_default();
                for (column, value) in group.iter_mut().zip(row) {
                    if let Some(lane) = column.get_mut(place % LANES) {
                        *lane = bounded(*value);
                    }
                }
            }
            let mut sums = vec![[0.0; LANES]; block.nrows().div_ceil(LANES)];
            for tree in &self.trees {
                for (sums, columns) in sums.iter_mut().zip(columns.chunks_exact(features)) {
                    tree.add_paths(columns, sums);
                }
            }
            let paths = sums.iter().flatten().take(block.nrows());
            scores.extend(paths.map(|sum| self.score_of(*sum)));
        }
        Ok(scores)
    }

    /// The score of one row of [`features`](Self::features) values; values that are not there are
    /// missing.
    pub fn score_row(&self, row: &[f64]) -> f64 {
        let mut columns = vec![[f64::NAN; LANES]; self.features];
        for (column, value) in columns.iter_mut().zip(row) {
            *column = [bounded(*value); LANES];
        }
        let mut sums = [0.0; LANES];
        for tree in &self.trees {
            tree.add_paths(&columns, &mut sums);
        }
        let [sum, ..] = sums;
        self.score_of(sum)
    }

    /// The score of a sum of path lengths over all trees.
    fn score_of(&self, sum: f64) -> f64 {
        if self.normal_path > 0.0 {
            (-sum / self.trees.len() as f64 / self.normal_path).exp2()
        } else {
            AUTO_THRESHOLD
        }
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Score above which a row is flagged.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Checks a restored forest.
    ///
    /// # Errors
    ///
    /// A forest whose trees do not have the form that [`fit`](Self::fit) gives them.
    pub fn check(&self) -> Result<()> {
        let is_valid = (1..=MAX_FEATURES).contains(&self.features)
            && self.normal_path.is_finite()
            && self.threshold.is_finite()
            && (1..=MAX_TREES).contains(&self.trees.len())
            && self.trees.iter().all(|tree| tree.is_valid(self.features));
        if is_valid {
            Ok(())
        } else {
            Err(Error::argument("forest", "damaged trees", "a forest that was saved by mad"))
        }
    }
}

/// A value between the smallest and the largest number; NaN stays NaN.
fn bounded(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}
