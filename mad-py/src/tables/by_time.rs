//! The rows of a table by time.

use mad_core::wire::Kind;
use mad_core::{Rejections, Timestamp};

use crate::tables::record_table::RecordTable;

/// The rows of a table by time, equal times as they stand. A row without a time goes with the row
/// before it.
pub struct ByTime<'a, K> {
    table: &'a RecordTable<K>,
    /// Time and row of all rows; none where the table is in order already.
    order: Option<Vec<(i64, usize)>>,
    next: usize,
}

impl<'a, K: Kind> ByTime<'a, K> {
    /// Finds the order: one look where the rows are sorted, else a stable sort, which is quick
    /// where they are sorted in stretches.
    pub fn new(table: &'a RecordTable<K>) -> Self {
        let times = || {
            let mut last = i64::MIN;
            table.times().map(move |time| {
                last = time.unwrap_or(last);
                last
            })
        };
        let order = (!times().is_sorted()).then(|| {
            let mut order = Vec::with_capacity(table.rows());
            order.extend(times().zip(0..));
            order.sort_by_key(|(time, _)| *time);
            order
        });
        Self { table, order, next: 0 }
    }

    /// Hands out the next row, or counts it; nothing after the last.
    pub fn emit_next(
        &mut self,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) {
        if let Some(row) = self.row() {
            self.next += 1;
            self.table.emit(row, sink, rejections);
        }
    }

    /// The time of the next row, the earliest there is where it has none; `None` after the last.
    pub fn peek(&self) -> Option<Timestamp> {
        Some(self.table.time(self.row()?).unwrap_or(Timestamp::MIN))
    }

    fn row(&self) -> Option<usize> {
        match &self.order {
            Some(order) => order.get(self.next).map(|(_, row)| *row),
            None => (self.next < self.table.rows()).then_some(self.next),
        }
    }
}
