//! What repeats: the usual level at each phase of the hour, the day and the week.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};
use crate::packed::{Packer, Unpacker};
use crate::time::{HOUR, MINUTE, Timestamp};

/// Length of a cell, and number of cells, of the hour, the day and the week.
const PERIODS: [(i64, usize); 3] = [(MINUTE, 60), (5 * MINUTE, 288), (HOUR, 168)];
const OF_HOUR: usize = 0;
const OF_DAY: usize = 1;
const OF_WEEK: usize = 2;
/// Monday 1970-01-05 00:00, so that a week begins on a Monday. It only names the cells.
const MONDAY: i64 = 4 * 24 * HOUR;
/// Spreads are kept in units of this many units of a level.
const SPREAD_UNITS: f64 = 16.0;
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
/// Share of its period for which a component learns of one lasting anomaly. More would let an outage
/// confirm itself.
const MOST_OF_PERIOD: f64 = 0.8;

/// Usual levels at the phases of the hour (60 cells of a minute), the day (288 cells of five minutes)
/// and the week (168 hours), in the unit in which a signal is judged.
///
/// # Method
///
/// 1. The values of one *visit* of a cell are averaged. The level of a cell is the median of its
///    level, its last visit and this one (a recursive median of three): one unusual day changes
///    nothing, and what happens twice is learnt.
/// 2. A component is believed by the share of the deviations that it explains: `1 - (e / a)^2` with
///    the mean error `e` of its predictions and the mean deviation `a` without it, from 0.3 on. A
///    cell that stood out twice by four usual errors is believed by itself, so that a job of some
///    minutes is learnt beside a level that follows nothing.
/// 3. The hour learns the rest after the day and the week, and the week the rest after the day. A cell
///    of the day replaces the level that the season of hours of a gauge expects, and stands out from
///    that, so that one rhythm is not taken off twice.
/// 4. Where values differ within a cell, or from the next cell, the scale is widened, because a job
///    does not begin at the same second each day.
///
/// # Anomalies
///
/// Everything is learnt, because a morning is anomalous until it is known. Of one lasting anomaly a
/// component learns for 80 % of its period only, so that an outage cannot confirm itself.
///
/// # Limits
///
/// Periods that do not divide a day or a week are not found, nor those of which fewer than eight
/// phases have values. The zone is that of the times.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct Phases {
    /// Value of level 0; `None` for a signal with a season of hours, whose levels are above its
    /// long-term center.
    origin: Option<f64>,
    /// Unit of the levels.
    unit: f64,
    parts: [Component; 3],
}

/// The cells of one period.
#[derive(Debug, Clone)]
struct Component {
    cells: Vec<Cell>,
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

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cell {
    /// In units.
    level: i16,
    last: i16,
    /// In units times `SPREAD_UNITS`.
    spread: u8,
    visits: u8,
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

#[derive(Serialize, Deserialize)]
#[serde(rename = "Phases", deny_unknown_fields)]
struct Saved {
    origin: Option<f64>,
    unit: f64,
    parts: [SavedComponent; 3],
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Component", deny_unknown_fields)]
struct SavedComponent {
    /// See [`packed_cells`].
    cells: ByteBuf,
    visit: Visit,
    numbers: [f64; 4],
}

impl Phases {
    /// Phases that know nothing. `unit` is the resolution of the levels, `origin` the usual level, or
    /// `None` for a signal with a season of hours.
    pub fn new(origin: Option<f64>, unit: f64) -> Self {
        let component = |(_, cells): (i64, usize)| Component::new(cells);
        Self { origin, unit, parts: PERIODS.map(component) }
    }

    /// The season at a time, at which a season of hours has the level `hours`. With `by_share` every
    /// component is believed by the share that it explains, otherwise only cells that stand out by
    /// themselves.
    pub fn at(&self, at: Timestamp, hours: f64, by_share: bool) -> Phase {
        let mut phase = Phase::default();
        for ((place, part), at) in self.parts.iter().enumerate().zip(places_of(at)) {
            let own = part.at(at, self.scale_of(place, hours), by_share);
            phase.shift += own.shift;
            phase.widen = phase.widen.max(own.widen);
            // The level above the long-term center, and no longer that above the level of the hour.
            if self.origin.is_none() && place == OF_DAY && own.shift != 0.0 {
                phase.shift += hours;
                phase.replaces_hours = true;
            }
        }
        phase
    }

    /// The unit, and the level from which cells of a component stand out: the mean of the cells. Of a
    /// gauge it is the median of the cells, and for the day what the season of hours expects.
    fn scale_of(&self, place: usize, hours: f64) -> (f64, f64) {
        let part = self.parts.get(place);
        let usual = match (self.origin, place) {
            (Some(_), _) => part.map_or(0.0, |part| part.mean(self.unit)),
            (None, OF_DAY) => hours,
            (None, _) => part.map_or(0.0, |part| f64::from(part.middle) * self.unit),
        };
        (self.unit, usual)
    }

    /// Whether the day explains the level.
    pub fn follows_the_day(&self) -> bool {
        self.parts.get(OF_DAY).is_some_and(|day| day.share() > 0.0)
    }

    /// The level of the day at a time against its mean, as far as it is known, believed or not.
    pub fn day_at(&self, at: Timestamp) -> Option<f64> {
        let day = self.parts.get(OF_DAY)?;
        let cell = day.cell(places_of(at).get(OF_DAY)?.cell)?;
        Some(f64::from(cell.level) * self.unit - day.mean(self.unit))
    }

    /// Learns a value in the judged unit. `center` is the usual level without the season, `base` the
    /// long-term center of a signal with a season of hours and `hours` the level of the hour, and
    /// `anomalous_for` how long the signal has been anomalous, nanoseconds.
    pub fn learn(
        &mut self,
        at: Timestamp,
        value: f64,
        center: f64,
        (base, hours): (f64, f64),
        anomalous_for: i64,
        by_share: bool,
    ) {
        let (places, has_hours) = (places_of(at), self.origin.is_none());
        let scales = [OF_HOUR, OF_DAY, OF_WEEK].map(|place| self.scale_of(place, hours));
        let mut shifts = [0.0; 3];
        for (shift, ((part, place), scale)) in
            shifts.iter_mut().zip(self.parts.iter().zip(places).zip(scales))
        {
            *shift = part.shift_at(place.cell, scale, by_share);
        }
        let [hour, day, week] = shifts;
        // The mean of the hour moves with the day, those of the others are fixed.
        let level = value - self.origin.unwrap_or(base) - hour;
        // A cell of the day takes the place of the level of the hour.
        let of_day = if day == 0.0 { 0.0 } else { hours + day };
        let rests = [value - of_day - week - center, level, level - hours - day];
        let periods = PERIODS.map(|(length, cells)| length.saturating_mul(cells as i64) as f64);
        let parts = self.parts.iter_mut().zip(places).zip(periods);
        for (((part, place), period), (rest, scale)) in parts.zip(rests.into_iter().zip(scales)) {
            if (anomalous_for as f64) < MOST_OF_PERIOD * period {
                let is_closed = part.learn(place.number, rest, scale);
                if is_closed && has_hours {
                    part.middle = part.median();
                }
            }
        }
    }
}

/// Where a time lies in a period.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Number of the cell since the epoch, and its place in the period.
    number: i64,
    cell: usize,
    /// The neighbour that is nearer in time.
    next: usize,
}

/// Where a time lies in the hour, the day and the week.
fn places_of(at: Timestamp) -> [Place; 3] {
    const HOUR_OF: (i64, usize) = PERIODS[OF_HOUR];
    const DAY_OF: (i64, usize) = PERIODS[OF_DAY];
    const WEEK_OF: (i64, usize) = PERIODS[OF_WEEK];
    let nanos = at.nanos().saturating_sub(MONDAY);
    [
        place_of::<{ HOUR_OF.0 }, { HOUR_OF.1 }>(nanos),
        place_of::<{ DAY_OF.0 }, { DAY_OF.1 }>(nanos),
        place_of::<{ WEEK_OF.0 }, { WEEK_OF.1 }>(nanos),
    ]
}

/// Where a time lies in a period of `CELLS` cells of `LENGTH` nanoseconds. The constants make the
/// divisions multiplications, because this is done for each signal of each row.
fn place_of<const LENGTH: i64, const CELLS: usize>(nanos: i64) -> Place {
    let number = nanos.div_euclid(LENGTH);
    let cell = number.rem_euclid(CELLS as i64) as usize;
    let next = if nanos.rem_euclid(LENGTH) < LENGTH / 2 { cell + CELLS - 1 } else { cell + 1 };
    Place { number, cell, next: next % CELLS }
}

impl Component {
    fn new(cells: usize) -> Self {
        Self {
            cells: vec![Cell::default(); cells],
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
    fn mean(&self, unit: f64) -> f64 {
        if self.known > 0 { self.sum * unit / f64::from(self.known) } else { 0.0 }
    }

    /// A cell, if it is known.
    fn cell(&self, place: usize) -> Option<Cell> {
        self.cells.get(place).copied().filter(|cell| cell.visits > 0)
    }

    /// The share of the deviations that the component explains, 0 if it is not believed.
    fn share(&self) -> f64 {
        let is_known = self.known >= LEAST_CELLS && self.predicted >= LEAST_PREDICTED;
        if !is_known || self.deviation <= 0.0 {
            return 0.0;
        }
        let left = self.error / self.deviation;
        let share = 1.0 - left * left;
        if share >= LEAST_SHARE { share } else { 0.0 }
    }

    /// The season at a time; `scale` is the unit of the levels and the usual level.
    fn at(&self, place: Place, scale: (f64, f64), by_share: bool) -> Phase {
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
        let spread = f64::from(cell.spread) * SPREAD_UNITS * scale.0;
        let excess = (spread * spread - 2.0 * self.spread * self.spread).max(0.0).sqrt();
        Phase { shift, widen: edge.max(excess), ..Phase::default() }
    }

    /// The difference from the usual level in a cell.
    fn shift_at(&self, place: usize, scale: (f64, f64), by_share: bool) -> f64 {
        if self.predicted < LEAST_CLEAR {
            return 0.0;
        }
        let share = if by_share { self.share() } else { 0.0 };
        self.cell(place).map_or(0.0, |cell| self.believed(cell, scale, share).1)
    }

    /// The share by which a cell is believed, and its level against the mean times that.
    fn believed(&self, cell: Cell, (unit, mean): (f64, f64), share: f64) -> (f64, f64) {
        let level = f64::from(cell.level) * unit - mean;
        let believed = if self.is_clear(cell, mean, unit) { 1.0 } else { share };
        (believed, believed * level)
    }

    /// Whether a cell stood out twice, by far more than predictions usually err.
    fn is_clear(&self, cell: Cell, mean: f64, unit: f64) -> bool {
        let (level, last) =
            (f64::from(cell.level) * unit - mean, f64::from(cell.last) * unit - mean);
        let least = CLEAR * self.error.max(self.spread / 2.0).max(unit);
        cell.visits >= 2
            && self.known >= LEAST_CELLS
            && self.predicted >= LEAST_CLEAR
            && level.abs().min(last.abs()) >= least
            && (level - last).abs() <= level.abs() / 2.0
    }

    /// Learns a value. Returns whether a visit ended with it.
    fn learn(&mut self, number: i64, value: f64, scale: (f64, f64)) -> bool {
        if !value.is_finite() {
            return false;
        }
        let is_closed = number != self.visit.number;
        if is_closed {
            self.close(scale);
            self.visit = Visit { number, ..Visit::default() };
        }
        // Welford's mean and sum of squares.
        let visit = &mut self.visit;
        visit.values = visit.values.saturating_add(1);
        let away = value - visit.mean;
        visit.mean += away / f64::from(visit.values);
        visit.squares += away * (value - visit.mean);
        is_closed
    }

    /// Ends the open visit and takes it into its cell.
    fn close(&mut self, (unit, mean): (f64, f64)) {
        let Visit { number, values, mean: level, squares } = self.visit;
        if values == 0 {
            return;
        }
        let place = number.rem_euclid(self.cells.len() as i64) as usize;
        let Some(cell) = self.cells.get_mut(place) else { return };
        let new = (level / unit).round().clamp(-32_000.0, 32_000.0) as i16;
        let spread = (squares / f64::from(values)).sqrt();
        if cell.visits > 0 {
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
            let most = 2.0 * f64::from(cell.spread).max(self.spread / unit / SPREAD_UNITS).max(1.0);
            let one = (spread / unit / SPREAD_UNITS).min(most);
            cell.spread = f64::midpoint(f64::from(cell.spread), one).round().min(255.0) as u8;
            self.sum -= f64::from(cell.level);
            cell.level = median_of_three(cell.level, cell.last, new);
        } else {
            cell.spread = (spread / unit / SPREAD_UNITS).round().min(255.0) as u8;
            cell.level = new;
            self.known += 1;
        }
        // Visits of one value have no spread.
        if values > 1 {
            let weight = 1.0 / (self.predicted + f64::from(self.known)).clamp(1.0, ERRORS);
            self.spread += (spread.min(4.0 * self.spread.max(unit)) - self.spread) * weight;
        }
        cell.last = new;
        cell.visits = cell.visits.saturating_add(1);
        self.sum += f64::from(cell.level);
    }

    /// The median of the known levels.
    fn median(&self) -> i16 {
        let known = self.cells.iter().filter(|cell| cell.visits > 0);
        let mut levels: Vec<i16> = known.map(|cell| cell.level).collect();
        let middle = levels.len() / 2;
        if levels.is_empty() { 0 } else { *levels.select_nth_unstable(middle).1 }
    }
}

fn median_of_three(a: i16, b: i16, c: i16) -> i16 {
    a.max(b).min(a.min(b).max(c))
}

/// Cells as bytes. Runs of cells with the same number of visits come first, because neighbours are
/// mostly visited alike; then of the known cells the levels as differences, the last levels as
/// differences from the levels, and the spreads.
fn packed_cells(cells: &[Cell]) -> ByteBuf {
    let mut packer = Packer::default();
    for run in cells.chunk_by(|one, next| one.visits == next.visits) {
        packer.number(run.len() as u64);
        packer.byte(run.first().map_or(0, |cell| cell.visits));
    }
    let known = || cells.iter().filter(|cell| cell.visits > 0);
    packer.differences(known().map(|cell| i64::from(cell.level)));
    packer.signed(known().map(|cell| i64::from(cell.last) - i64::from(cell.level)));
    packer.numbers(known().map(|cell| u64::from(cell.spread)));
    packer.finish()
}

/// The inverse of [`packed_cells`]; `None` if the bytes are not those of `wanted` cells.
fn unpacked_cells(bytes: &[u8], wanted: usize) -> Option<Vec<Cell>> {
    let mut unpacker = Unpacker::new(bytes);
    let mut cells = Vec::with_capacity(wanted);
    while cells.len() < wanted {
        let run = usize::try_from(unpacker.number()?).ok()?;
        let visits = unpacker.byte()?;
        if run == 0 || run > wanted - cells.len() {
            return None;
        }
        cells.resize(cells.len() + run, Cell { visits, ..Cell::default() });
    }
    let known = cells.iter().filter(|cell| cell.visits > 0).count();
    let (levels, lasts) = (unpacker.differences(known)?, unpacker.signed(known)?);
    let spreads = unpacker.numbers(known)?;
    let known = cells.iter_mut().filter(|cell| cell.visits > 0);
    for (((cell, level), last), spread) in known.zip(levels).zip(lasts).zip(spreads) {
        cell.level = i16::try_from(level).ok()?;
        cell.last = i16::try_from(level.checked_add(last)?).ok()?;
        cell.spread = u8::try_from(spread).ok()?;
    }
    unpacker.is_empty().then_some(cells)
}

impl From<Phases> for Saved {
    fn from(phases: Phases) -> Self {
        let saved = |part: Component| SavedComponent {
            cells: packed_cells(&part.cells),
            visit: part.visit,
            numbers: [part.predicted, part.error, part.deviation, part.spread],
        };
        Self { origin: phases.origin, unit: phases.unit, parts: phases.parts.map(saved) }
    }
}

impl TryFrom<Saved> for Phases {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let mut phases = Self::new(saved.origin, saved.unit);
        for (part, saved) in phases.parts.iter_mut().zip(saved.parts) {
            let wanted = part.cells.len();
            part.cells = unpacked_cells(&saved.cells, wanted).ok_or_else(|| {
                Error::argument("cells", saved.cells.len(), &format!("the bytes of {wanted} cells"))
            })?;
            let known = part.cells.iter().filter(|cell| cell.visits > 0);
            part.sum = known.clone().map(|cell| f64::from(cell.level)).sum();
            part.known = known.count() as u32;
            part.middle = part.median();
            part.visit = saved.visit;
            [part.predicted, part.error, part.deviation, part.spread] = saved.numbers;
        }
        Ok(phases)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let known = (any::<i16>(), any::<i16>(), any::<u8>(), 1_u8..)
            .prop_map(|(level, last, spread, visits)| Cell { level, last, spread, visits });
        prop_oneof![Just(Cell::default()), known]
    }

    proptest! {
        #[test]
        fn packed_cells_are_the_same_and_bytes_that_do_not_fit_are_refused(
            cells in prop::collection::vec(cell(), 1..40),
            cut in 1_usize..10,
        ) {
            let bytes = packed_cells(&cells);
            prop_assert_eq!(unpacked_cells(&bytes, cells.len()), Some(cells.clone()));
            let short = bytes.get(..bytes.len().saturating_sub(cut)).unwrap_or_default();
            prop_assert_eq!(unpacked_cells(short, cells.len()), None);
            prop_assert_eq!(unpacked_cells(&bytes, cells.len() - 1), None);
            let long = [bytes.as_slice(), &[0]].concat();
            prop_assert_eq!(unpacked_cells(&long, cells.len()), None);
        }
    }

    #[test]
    fn the_neighbour_of_a_cell_is_the_nearer_one_within_its_period() {
        let places = |seconds: i64| {
            let at = Timestamp::from_nanos(MONDAY).plus(seconds * MINUTE / 60);
            places_of(at).map(|place| (place.number, place.cell, place.next))
        };
        assert_eq!(places(0), [(0, 0, 59), (0, 0, 287), (0, 0, 167)]);
        assert_eq!(places(3_599), [(59, 59, 0), (11, 11, 12), (0, 0, 1)]);
        assert_eq!(places(-1), [(-1, 59, 0), (-1, 287, 0), (-1, 167, 0)]);
        assert_eq!(places(7 * 86_400 + 30), [(10_080, 0, 1), (2_016, 0, 287), (168, 0, 167)]);
    }
}
