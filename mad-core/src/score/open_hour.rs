//! The hour that is open: its visits wait until the level of the hour is known.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::phase_cells::{Cell, packed_cells, unpacked_cells};
use super::phase_component::ClosedVisit;
use crate::error::{Error, Result};

/// Cells of an hour, one a minute.
pub(super) const MINUTES: usize = 60;
/// Middle of an hour by the numbers of its cells.
const MIDDLE: f64 = (MINUTES as f64 - 1.0) / 2.0;

/// The visits of the cells of one hour.
///
/// # Method
///
/// What repeats each hour is learnt from the difference of each visit from the level of the same
/// hour, which is the median of the visits of the hour with the slope from the hour before. So
/// a job of some minutes is known whatever the day does, and neither an outage nor a level of hours
/// is taken for what each hour does. The season of the day learns the rest.
///
/// # Limits
///
/// A pattern that takes more than half of each hour moves the median, which then is the level of
/// the pattern.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OpenHour {
    /// Number of the hour since the epoch.
    number: i64,
    /// Level of the first visit, in the judged unit; the levels of the cells are relative to it.
    reference: f64,
    /// The visits, each in the cell of its minute; empty without one.
    cells: Vec<Cell>,
    /// Number and level of the newest hour that ended.
    before: Option<(i64, f64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "OpenHour", deny_unknown_fields)]
pub(super) struct SavedHour {
    number: i64,
    reference: f64,
    /// See `packed_cells`.
    cells: ByteBuf,
    before: Option<(i64, f64)>,
}

impl OpenHour {
    /// Takes a visit. If it begins another hour, the visits of the hour before are given out, each
    /// with its level against that of its hour. `unit` is that of the levels.
    pub fn push(&mut self, visit: ClosedVisit, unit: f64) -> Vec<ClosedVisit> {
        let hour = visit.number.div_euclid(MINUTES as i64);
        let ended = if hour == self.number { Vec::new() } else { self.end(unit) };
        if self.cells.is_empty() {
            self.cells = vec![Cell::default(); MINUTES];
            (self.number, self.reference) = (hour, visit.level);
        }
        let minute = visit.number.rem_euclid(MINUTES as i64) as usize;
        if let Some(cell) = self.cells.get_mut(minute) {
            *cell = Cell::first(visit.level - self.reference, visit.spread, unit);
        }
        ended
    }

    /// Ends the hour.
    fn end(&mut self, unit: f64) -> Vec<ClosedVisit> {
        let cells = std::mem::take(&mut self.cells);
        let known = || cells.iter().enumerate().filter(|(_, cell)| cell.is_known());
        let mut levels: Vec<i16> = known().map(|(_, cell)| cell.level).collect();
        if levels.is_empty() {
            return Vec::new();
        }
        let half = levels.len() / 2;
        let middle = f64::from(*levels.select_nth_unstable(half).1) * unit;
        let level = self.reference + middle;
        // The slope of the level over the hour, from the middle of the hour before.
        let before = self.before.filter(|(number, _)| number + 1 == self.number);
        let slope = before.map_or(0.0, |(_, before)| level - before);
        self.before = Some((self.number, level));
        let first = self.number * MINUTES as i64;
        let visits = known().map(|(minute, cell)| {
            let trend = slope * (minute as f64 - MIDDLE) / MINUTES as f64;
            ClosedVisit {
                number: first + minute as i64,
                level: f64::from(cell.level) * unit - middle - trend,
                spread: (cell.spread > 0).then(|| cell.spread(unit)),
            }
        });
        visits.collect()
    }

    /// The saved form.
    pub fn saved(&self) -> SavedHour {
        let Self { number, reference, ref cells, before } = *self;
        SavedHour { number, reference, cells: packed_cells(cells), before }
    }

    /// The inverse of [`saved`](Self::saved).
    ///
    /// # Errors
    ///
    /// The bytes are not those of no cell or of 60 cells, or a level is not finite.
    pub fn restored(saved: &SavedHour) -> Result<Self> {
        let SavedHour { number, reference, ref cells, before } = *saved;
        let wanted = if cells.is_empty() { 0 } else { MINUTES };
        let finite = reference.is_finite() && before.is_none_or(|(_, level)| level.is_finite());
        let cells = unpacked_cells(cells, wanted).filter(|_| finite).ok_or_else(|| {
            let expected = "no bytes or those of 60 cells, and finite levels";
            Error::argument("open_hour", saved.cells.len(), expected)
        })?;
        Ok(Self { number, reference, cells, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: f64 = 1.0 / 16.0;

    fn visit(number: i64, level: f64) -> ClosedVisit {
        ClosedVisit { number, level, spread: None }
    }

    /// The levels of a whole hour against its own, with the level of each minute.
    fn hour(open: &mut OpenHour, number: i64, level: impl Fn(i64) -> f64) -> Vec<f64> {
        let mut ended = Vec::new();
        for minute in 0..60 {
            let found = open.push(visit(60 * number + minute, level(minute)), UNIT);
            assert!(minute == 0 || found.is_empty());
            ended.extend(found.into_iter().map(|visit| visit.level));
        }
        ended
    }

    #[test]
    fn a_job_is_known_whatever_the_day_does() {
        let mut open = OpenHour::default();
        for number in 0..20 {
            let ended = hour(&mut open, number, |minute| {
                let day = 30.0 * (number as f64 + minute as f64 / 60.0);
                day + if (15..18).contains(&minute) { 12.0 } else { 0.0 }
            });
            if number < 3 {
                continue;
            }
            for (minute, level) in ended.iter().enumerate() {
                let job = if (15..18).contains(&minute) { 12.0 } else { 0.0 };
                // its three minutes move the median of a day that rises by as many minutes
                assert!((level - job).abs() < 2.0, "minute {minute}: {level}");
            }
        }
    }

    #[test]
    fn a_saved_hour_is_the_same() {
        let mut open = OpenHour::default();
        assert_eq!(OpenHour::restored(&open.saved()).unwrap(), open);
        hour(&mut open, 4, |minute| minute as f64);
        hour(&mut open, 5, |minute| 2.0 * minute as f64);
        let mut restored = OpenHour::restored(&open.saved()).unwrap();
        assert_eq!(restored, open);
        assert_eq!(restored.push(visit(360, 1.0), UNIT), open.push(visit(360, 1.0), UNIT));
        let damaged = SavedHour { cells: ByteBuf::from(vec![1, 2, 3]), ..open.saved() };
        assert!(OpenHour::restored(&damaged).is_err());
    }
}
