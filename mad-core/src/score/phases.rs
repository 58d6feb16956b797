//! What repeats: the usual level at each phase of the hour, the day and the week.

use serde::{Deserialize, Serialize};

use super::open_hour::{MINUTES, OpenHour, SavedHour};
use super::phase_component::{Component, Phase, Place, SavedComponent};
use crate::error::{Error, Result};
use crate::time::{HOUR, MINUTE, Timestamp};

/// Length of a cell, and number of cells, of the hour, the day and the week.
const PERIODS: [(i64, usize); 3] = [(MINUTE, MINUTES), (5 * MINUTE, 288), (HOUR, 168)];
const OF_HOUR: usize = 0;
const OF_DAY: usize = 1;
const OF_WEEK: usize = 2;
/// Monday 1970-01-05 00:00, so that a week begins on a Monday. It only names the cells.
const MONDAY: i64 = 4 * 24 * HOUR;
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
/// 2. The hour learns each visit against the level of the same hour ([`OpenHour`]), so that it does not
///    depend on the season of the day; that of a gauge learns the rest after its other seasons. The
///    day learns the rest after the hour, and the week the rest after both. A cell of the day
///    replaces the level that the season of hours of a gauge expects, and stands out from that, so
///    that one rhythm is not taken off twice.
/// 3. A component is believed by the share of the deviations that it explains: `1 - (e / a)^2` with
///    the mean error `e` of its predictions and the mean deviation `a` without it, from 0.3 on. A
///    cell that stood out twice by four usual errors is believed by itself, so that a job of some
///    minutes is learnt beside a level that follows nothing. Of requests so is a cell that stood out
///    most times by two; the cells of a gauge do so by chance, because its values follow each other.
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
    /// The visits of the hour that is open; empty for a gauge.
    open_hour: OpenHour,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Phases", deny_unknown_fields)]
struct Saved {
    origin: Option<f64>,
    unit: f64,
    parts: [SavedComponent; 3],
    open_hour: SavedHour,
}

impl Phases {
    /// Phases that know nothing. `unit` is the resolution of the levels, `origin` the usual level, or
    /// `None` for a signal with a season of hours.
    pub fn new(origin: Option<f64>, unit: f64) -> Self {
        let parts = PERIODS.map(|(_, cells)| Component::new(cells, origin.is_some()));
        Self { origin, unit, parts, open_hour: OpenHour::default() }
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

    /// The unit, and the level from which cells of a component stand out: the mean of the cells. Of
    /// the hour, and of a gauge, it is the median of the cells, and for the day of a gauge the level
    /// that the season of hours expects.
    fn scale_of(&self, place: usize, hours: f64) -> (f64, f64) {
        let part = self.parts.get(place);
        let usual = match (self.origin, place) {
            (_, OF_HOUR) => part.map_or(0.0, |part| part.middle(self.unit)),
            (Some(_), _) => part.map_or(0.0, |part| part.mean(self.unit)),
            (None, OF_DAY) => hours,
            (None, _) => part.map_or(0.0, |part| part.middle(self.unit)),
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
    /// `anomalous_for` is how long the signal has been anomalous, nanoseconds.
    pub fn learn(
        &mut self,
        at: Timestamp,
        value: f64,
        center: f64,
        (base, hours): (f64, f64),
        anomalous_for: i64,
        by_share: bool,
    ) {
        let places = places_of(at);
        let scales = [OF_HOUR, OF_DAY, OF_WEEK].map(|place| self.scale_of(place, hours));
        let mut shifts = [0.0; 3];
        for (shift, ((part, place), scale)) in
            shifts.iter_mut().zip(self.parts.iter().zip(places).zip(scales))
        {
            *shift = part.shift_at(place.cell, scale, by_share);
        }
        let [hour, day, week] = shifts;
        let level = value - self.origin.unwrap_or(base) - hour;
        let has_hours = self.origin.is_none();
        // A cell of the day takes the place of the level of the hour.
        let of_day = if day == 0.0 { 0.0 } else { hours + day };
        let of_hour = if has_hours { value - of_day - week - center } else { value };
        let rests = [of_hour, level, level - hours - day];
        let periods = PERIODS.map(|(length, cells)| length.saturating_mul(cells as i64) as f64);
        let parts = self.parts.iter_mut().zip(places).zip(periods);
        for (place, (((part, at), period), (rest, scale))) in
            parts.zip(rests.into_iter().zip(scales)).enumerate()
        {
            if anomalous_for as f64 >= MOST_OF_PERIOD * period {
                continue;
            }
            let Some(visit) = part.visit(at.number, rest) else { continue };
            if place == OF_HOUR && !has_hours {
                let ended = self.open_hour.push(visit, self.unit);
                if ended.is_empty() {
                    continue;
                }
                for visit in ended {
                    part.take(visit, scale);
                }
                part.find_middle();
            } else {
                part.take(visit, scale);
            }
            if has_hours {
                part.find_middle();
            }
        }
    }
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

impl From<Phases> for Saved {
    fn from(phases: Phases) -> Self {
        let parts = phases.parts.map(|part| part.saved());
        let open_hour = phases.open_hour.saved();
        Self { origin: phases.origin, unit: phases.unit, parts, open_hour }
    }
}

impl TryFrom<Saved> for Phases {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let mut phases = Self::new(saved.origin, saved.unit);
        phases.open_hour = OpenHour::restored(&saved.open_hour)?;
        for (part, saved) in phases.parts.iter_mut().zip(saved.parts) {
            part.restore(&saved)?;
        }
        Ok(phases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
