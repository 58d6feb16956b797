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
    pub visits: u8,
}

/// Cells as bytes. Runs of cells with the same number of visits come first, because neighbours are
/// mostly visited alike; then of the known cells the levels as differences, the last levels as
/// differences from the levels, and the spreads.
pub(super) fn packed_cells(cells: &[Cell]) -> ByteBuf {
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
pub(super) fn unpacked_cells(bytes: &[u8], wanted: usize) -> Option<Vec<Cell>> {
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
}
