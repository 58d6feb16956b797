//! The cell of a period: a usual level, as it is learnt and saved.

use serde_bytes::ByteBuf;

use crate::packed::{Packer, Unpacker};

/// Spreads are kept in units of this many units of a level.
pub(super) const SPREAD_UNITS: f64 = 16.0;

/// One phase of a period.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cell {
    /// In units.
    pub level: i16,
    pub last: i16,
    /// In units times `SPREAD_UNITS`.
    pub spread: u8,
    /// Visits up to `MOST` in the lower half, and in the upper half the fading share of those that
    /// stood out on the side of the level, up to `MOST`.
    marks: u8,
}

/// Largest number of visits and of the share of outstanding ones, so that both fit a byte.
const MOST: u8 = 15;
/// Part of the distance to 0 or to `MOST` by which one visit moves the share.
const PART: u8 = 4;

impl Cell {
    /// A cell after its first visit; levels and spreads are rounded to units.
    pub fn first(level: f64, spread: Option<f64>, unit: f64) -> Self {
        let level = in_units(level, unit);
        let spread = spread.map_or(0, |spread| spread_in_units(spread, unit));
        Self { level, last: level, spread, marks: 1 }
    }

    /// Whether it was visited.
    pub fn is_known(self) -> bool {
        self.marks > 0
    }

    /// Whether it was visited twice.
    pub fn was_visited_again(self) -> bool {
        self.marks & MOST > 1
    }

    /// Whether most of the last visits stood out on the side of the level. Three of them are
    /// enough.
    pub fn is_steady(self) -> bool {
        self.marks >> 4 > MOST / 2
    }

    /// Counts a visit.
    pub fn count(&mut self, stands_out: bool) {
        let (visits, share) = (self.marks & MOST, self.marks >> 4);
        // Rounded up, so that both ends are reached.
        let share = if stands_out {
            share + (MOST - share).div_ceil(PART)
        } else {
            share - share.div_ceil(PART)
        };
        self.marks = (share << 4) | (visits + 1).min(MOST);
    }

    /// The spread in the unit of the values.
    pub fn spread(self, unit: f64) -> f64 {
        f64::from(self.spread) * SPREAD_UNITS * unit
    }
}

/// A level as a cell keeps it.
pub(super) fn in_units(level: f64, unit: f64) -> i16 {
    (level / unit).round().clamp(-32_000.0, 32_000.0) as i16
}

/// A spread as a cell keeps it.
pub(super) fn spread_in_units(spread: f64, unit: f64) -> u8 {
    (spread / unit / SPREAD_UNITS).round().min(255.0) as u8
}

/// Cells as bytes. Runs of cells with the same marks come first, because neighbours are mostly
/// visited alike; then of the known cells the levels as differences, the last levels as
/// differences from the levels, and the spreads.
pub(super) fn packed_cells(cells: &[Cell]) -> ByteBuf {
    let mut packer = Packer::default();
    for run in cells.chunk_by(|one, next| one.marks == next.marks) {
        packer.number(run.len() as u64);
        packer.byte(run.first().map_or(0, |cell| cell.marks));
    }
    let known = || cells.iter().filter(|cell| cell.is_known());
    packer.differences(known().map(|cell| i64::from(cell.level)));
    packer.signed(known().map(|cell| i64::from(cell.last) - i64::from(cell.level)));
    packer.numbers(known().map(|cell| u64::from(cell.spread)));
    packer.finish()
}

/// The inverse of [`packed_cells`]; `None` if the bytes are not those of `wanted` cells.
pub(super) fn unpacked_cells(bytes: &[u8], wanted: usize) -> Option<Vec<Cell>> {
    let mut unpacker = Unpacker::new(bytes);
    let mut cells = Vec::with_capacity(wanted);
    while cells.len() < wanted {
        let run = usize::try_from(unpacker.number()?).ok()?;
        let marks = unpacker.byte()?;
        if run == 0 || run > wanted - cells.len() {
            return None;
        }
        cells.resize(cells.len() + run, Cell { marks, ..Cell::default() });
    }
    let known = cells.iter().filter(|cell| cell.is_known()).count();
    let (levels, lasts) = (unpacker.differences(known)?, unpacker.signed(known)?);
    let spreads = unpacker.numbers(known)?;
    let known = cells.iter_mut().filter(|cell| cell.is_known());
    for (((cell, level), last), spread) in known.zip(levels).zip(lasts).zip(spreads) {
        cell.level = i16::try_from(level).ok()?;
        cell.last = i16::try_from(level.checked_add(last)?).ok()?;
        cell.spread = u8::try_from(spread).ok()?;
    }
    unpacker.is_empty().then_some(cells)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let known = (any::<i16>(), any::<i16>(), any::<u8>(), 1_u8..)
            .prop_map(|(level, last, spread, marks)| Cell { level, last, spread, marks });
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
}
