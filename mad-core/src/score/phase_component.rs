//! One period of a season: what its cells know, and how far they are believed.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::phase_cells::{Cell, SPREAD_UNITS, in_units, packed_cells, unpacked_cells};
use crate::error::{Error, Result};

/// Visits over which the errors of a component are averaged: two cycles of the day.
const ERRORS: f64 = 576.0;
/// Visits that were predicted before a component is judged.
const LEAST_PREDICTED: f64 = 48.0;
/// The same before a cell is believed by itself.
const LEAST_CLEAR: f64 = LEAST_PREDICTED / 2.0;
/// Share of the deviations that a component has to explain to be believed.
const LEAST_SHARE: f64 = 0.3;
/// Known cells without which a component says nothing: of one or two, each visit of a cell is a visit
/// of the level, and an outage of rows each half hour would be learnt as a phase of the hour.
const LEAST_CELLS: u32 = 8;
/// Usual errors by which a cell has to stand out twice to be believed by itself.
const CLEAR: f64 = 4.0;
/// Usual errors by which one visit stands out.
const OUT: f64 = 2.0;

/// The cells of one period.
#[derive(Debug, Clone)]
pub(super) struct Component {
    cells: Vec<Cell>,
    /// Whether a cell is believed that stood out a little in most of its visits.
    trusts_steady: bool,
    /// The visit that is open.
    visit: Visit,
    /// Sum and number of the known levels.
    sum: f64,
    known: u32,
    /// Median of the known levels.
    middle: i16,
    /// Predicted visits, mean error of the predictions, mean deviation without them.
    predicted: f64,
    error: f64,
    deviation: f64,
    /// Usual spread of the values of a visit.
    spread: f64,
}

/// Values of one visit of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Visit {
    /// Number of the cell since the epoch.
    number: i64,
    values: u32,
    mean: f64,
    squares: f64,
}

/// A visit that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ClosedVisit {
    /// Number of the cell since the epoch.
    pub number: i64,
    /// Mean of the values.
    pub level: f64,
    /// Standard deviation of the values; `None` for one value.
    pub spread: Option<f64>,
}

/// The season at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Phase {
    /// Difference from the usual level, in the judged unit.
    pub shift: f64,
    /// What the scale is widened by, in quadrature.
    pub widen: f64,
    /// Difference of the zone of the season from UTC at the time, nanoseconds.
    pub utc_offset: i64,
    /// Whether the level of a cell of the day takes the place of the level of the hour.
    pub replaces_hours: bool,
}

impl Phase {
    /// The shift of a logarithm as a factor of the value; 1 without a season.
    pub fn factor(self) -> f64 {
        if self.shift == 0.0 { 1.0 } else { self.shift.exp() }
    }
}

/// Where a time lies in a period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Number of the cell since the epoch, and its place in the period.
    pub number: i64,
    pub cell: usize,
    /// The neighbour that is nearer in time.
    pub next: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Component", deny_unknown_fields)]
pub(super) struct SavedComponent {
    /// See `packed_cells`.
    cells: ByteBuf,
    visit: Visit,
    numbers: [f64; 4],
}

impl Visit {
    /// The visit as it has ended; `None` without a value.
    fn closed(self) -> Option<ClosedVisit> {
        let Self { number, values, mean: level, squares } = self;
        let spread = (values > 1).then(|| (squares / f64::from(values)).sqrt());
        (values > 0).then_some(ClosedVisit { number, level, spread })
    }
}

impl Component {
    pub fn new(cells: usize, trusts_steady: bool) -> Self {
        Self {
            cells: vec![Cell::default(); cells],
            trusts_steady,
            visit: Visit::default(),
            sum: 0.0,
            known: 0,
            middle: 0,
            predicted: 0.0,
            error: 0.0,
            deviation: 0.0,
            spread: 0.0,
        }
    }

    /// The mean level of the known cells.
    pub fn mean(&self, unit: f64) -> f64 {
        if self.known > 0 { self.sum * unit / f64::from(self.known) } else { 0.0 }
    }

    /// A cell, if it is known.
    pub fn cell(&self, place: usize) -> Option<Cell> {
        self.cells.get(place).copied().filter(|cell| cell.is_known())
    }

    /// The share of the deviations that the component explains, 0 if it is not believed.
    pub fn share(&self) -> f64 {
        let is_known = self.known >= LEAST_CELLS && self.predicted >= LEAST_PREDICTED;
        if !is_known || self.deviation <= 0.0 {
            return 0.0;
        }
        let left = self.error / self.deviation;
        let share = 1.0 - left * left;
        if share >= LEAST_SHARE { share } else { 0.0 }
    }

    /// The season at a time; `scale` is the unit of the levels and the usual level.
    pub fn at(&self, place: Place, scale: (f64, f64), by_share: bool) -> Phase {
        if self.predicted < LEAST_CLEAR {
            return Phase::default();
        }
        let share = if by_share { self.share() } else { 0.0 };
        let Some(cell) = self.cell(place.cell) else { return Phase::default() };
        let (believed, shift) = self.believed(cell, scale, share);
        let edge = self.cell(place.next).map_or(0.0, |next| {
            let (_, next) = self.believed(next, scale, share);
            (next - shift).abs() / 2.0
        });
        if believed <= 0.0 {
            return Phase { shift, widen: edge, ..Phase::default() };
        }
        let spread = cell.spread(scale.0);
        let excess = (spread * spread - 2.0 * self.spread * self.spread).max(0.0).sqrt();
        Phase { shift, widen: edge.max(excess), ..Phase::default() }
    }

    /// The difference from the usual level in a cell.
    pub fn shift_at(&self, place: usize, scale: (f64, f64), by_share: bool) -> f64 {
        if self.predicted < LEAST_CLEAR {
            return 0.0;
        }
        let share = if by_share { self.share() } else { 0.0 };
        self.cell(place).map_or(0.0, |cell| self.believed(cell, scale, share).1)
    }

    /// The share by which a cell is believed, and its level against the mean times that.
    fn believed(&self, cell: Cell, (unit, mean): (f64, f64), share: f64) -> (f64, f64) {
        let level = f64::from(cell.level) * unit - mean;
        let is_clear = self.is_clear(cell, mean, unit) || self.is_steady(cell);
        let believed = if is_clear { 1.0 } else { share };
        (believed, believed * level)
    }

    /// Whether a cell stood out twice, by far more than predictions usually err.
    fn is_clear(&self, cell: Cell, mean: f64, unit: f64) -> bool {
        let (level, last) =
            (f64::from(cell.level) * unit - mean, f64::from(cell.last) * unit - mean);
        let least = CLEAR * self.error.max(self.spread / 2.0).max(unit);
        cell.was_visited_again()
            && self.known >= LEAST_CELLS
            && self.predicted >= LEAST_CLEAR
            && level.abs().min(last.abs()) >= least
            && (level - last).abs() <= level.abs() / 2.0
    }

    /// Whether most of the last visits of a cell stood out on the side of its level, so that a small
    /// job that comes each time is known although single visits are not clear.
    fn is_steady(&self, cell: Cell) -> bool {
        self.trusts_steady
            && cell.is_steady()
            && self.known >= LEAST_CELLS
            && self.predicted >= LEAST_CLEAR
    }

    /// Adds a value to the open visit. Returns the visit that ended with it.
    pub fn visit(&mut self, number: i64, value: f64) -> Option<ClosedVisit> {
        if !value.is_finite() {
            return None;
        }
        let mut closed = None;
        if number != self.visit.number {
            closed = self.visit.closed();
            self.visit = Visit { number, ..Visit::default() };
        }
        // Welford's mean and sum of squares.
        let visit = &mut self.visit;
        visit.values = visit.values.saturating_add(1);
        let away = value - visit.mean;
        visit.mean += away / f64::from(visit.values);
        visit.squares += away * (value - visit.mean);
        closed
    }

    /// Takes a visit into its cell. `scale` is the unit of the levels and the usual level.
    pub fn take(&mut self, visit: ClosedVisit, (unit, mean): (f64, f64)) {
        let ClosedVisit { number, level, spread } = visit;
        let place = number.rem_euclid(self.cells.len() as i64) as usize;
        let Some(cell) = self.cells.get_mut(place) else { return };
        if cell.is_known() {
            let known = f64::from(cell.level) * unit;
            self.predicted = (self.predicted + 1.0).min(ERRORS);
            // One outage must not hide the season of all other days.
            let most = if self.predicted > LEAST_PREDICTED {
                20.0 * self.error.max(unit)
            } else {
                f64::MAX
            };
            let average = |so_far: &mut f64, one: f64| *so_far += (one - *so_far) / self.predicted;
            average(&mut self.error, (level - known).abs().min(most));
            average(&mut self.deviation, (level - mean).abs());
            let is_same_side = (known - mean) * (level - mean) > 0.0;
            cell.count(is_same_side && (level - mean).abs() >= OUT * self.error.max(unit));
            let usual = self.spread / unit / SPREAD_UNITS;
            let most = 2.0 * f64::from(cell.spread).max(usual).max(1.0);
            let one = (spread.unwrap_or(0.0) / unit / SPREAD_UNITS).min(most);
            cell.spread = f64::midpoint(f64::from(cell.spread), one).round().min(255.0) as u8;
            self.sum -= f64::from(cell.level);
            let new = in_units(level, unit);
            cell.level = median_of_three(cell.level, cell.last, new);
            cell.last = new;
        } else {
            *cell = Cell::first(level, spread, unit);
            self.known += 1;
        }
        self.sum += f64::from(cell.level);
        if let Some(spread) = spread {
            let weight = 1.0 / (self.predicted + f64::from(self.known)).clamp(1.0, ERRORS);
            self.spread += (spread.min(4.0 * self.spread.max(unit)) - self.spread) * weight;
        }
    }

    /// The saved form.
    pub fn saved(&self) -> SavedComponent {
        SavedComponent {
            cells: packed_cells(&self.cells),
            visit: self.visit,
            numbers: [self.predicted, self.error, self.deviation, self.spread],
        }
    }

    /// Takes the saved form.
    ///
    /// # Errors
    ///
    /// The bytes are not those of as many cells.
    pub fn restore(&mut self, saved: &SavedComponent) -> Result<()> {
        let wanted = self.cells.len();
        self.cells = unpacked_cells(&saved.cells, wanted).ok_or_else(|| {
            Error::argument("cells", saved.cells.len(), &format!("the bytes of {wanted} cells"))
        })?;
        let known = self.cells.iter().filter(|cell| cell.is_known());
        self.sum = known.clone().map(|cell| f64::from(cell.level)).sum();
        self.known = known.count() as u32;
        self.middle = self.median();
        self.visit = saved.visit;
        [self.predicted, self.error, self.deviation, self.spread] = saved.numbers;
        Ok(())
    }

    /// Works out the median of the known levels.
    pub fn find_middle(&mut self) {
        self.middle = self.median();
    }

    /// The median of the known levels, as it was last worked out.
    pub fn middle(&self, unit: f64) -> f64 {
        f64::from(self.middle) * unit
    }

    fn median(&self) -> i16 {
        let known = self.cells.iter().filter(|cell| cell.is_known());
        let mut levels: Vec<i16> = known.map(|cell| cell.level).collect();
        let middle = levels.len() / 2;
        if levels.is_empty() { 0 } else { *levels.select_nth_unstable(middle).1 }
    }
}

fn median_of_three(a: i16, b: i16, c: i16) -> i16 {
    a.max(b).min(a.min(b).max(c))
}
