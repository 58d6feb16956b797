//! Tables of metrics, run by run: the rows of one series that follow each other are read at once.

use mad_core::time::ZonePolicy;
use mad_core::wire::{Kind, MAX_FIELDS, Metrics};
use mad_core::{MetricPoint, Rejections, Timestamp};

use crate::tables::cell::Column;
use crate::tables::column_types::Names;
use crate::tables::record_table::{Chunk, MetricTable};

/// Good rows of one series that follow each other.
pub struct Run<'a> {
    /// The first of them.
    pub first: MetricPoint<'a>,
    /// The row of the first, counted from 1.
    pub position: u64,
    /// The times of all.
    pub times: &'a [i64],
    /// The values of all, as many as times.
    pub values: &'a [f64],
}

impl Run<'_> {
    /// The times and values.
    pub fn points(&self) -> impl Iterator<Item = (Timestamp, f64)> {
        let times = self.times.iter().map(|nanos| Timestamp::from_nanos(*nanos));
        times.zip(self.values.iter().copied())
    }
}

impl MetricTable {
    /// Passes on every good row in order, in runs; the others are counted.
    ///
    /// A table is long and has few series, so that comparing codes saves most of the time. Stretches
    /// with missing times or values, counts or hosts are read row by row.
    pub fn in_runs(&self, sink: &mut impl FnMut(Run<'_>), rejections: &mut Rejections) {
        self.note_renamed(rejections);
        for chunk in self.chunks() {
            match Plain::of(chunk) {
                Some(plain) => plain.emit(chunk, self.service(), sink, rejections),
                None => one_by_one(chunk, 0..chunk.rows, self.service(), sink, rejections),
            }
        }
    }
}

/// The columns of a stretch in which no time and no value is missing.
struct Plain<'a> {
    times: &'a [i64],
    values: &'a [f64],
    /// The texts that a series is named by.
    names: Vec<&'a Names>,
}

impl<'a> Plain<'a> {
    fn of(chunk: &'a Chunk) -> Option<Self> {
        let [timestamp, service, metric, value, resource, n, host, ..] = &chunk.columns;
        if chunk.factor != 1.0 || n.is_some() || host.is_some() {
            return None;
        }
        let names = [service, resource, metric].into_iter().flatten();
        Some(Self {
            times: timestamp.as_ref()?.all_times()?,
            values: value.as_ref()?.all_numbers()?,
            names: names.map(Column::names).collect::<Option<_>>()?,
        })
    }

    fn emit(
        &self,
        chunk: &Chunk,
        service: &str,
        sink: &mut impl FnMut(Run<'_>),
        rejections: &mut Rejections,
    ) {
        let is_good = |row: usize| {
            let accepted =
                self.times.get(row).is_some_and(|at| Timestamp::from_nanos(*at).is_accepted());
            accepted && self.values.get(row).is_some_and(|value| !value.is_infinite())
        };
        let mut start = 0;
        while start < chunk.rows {
            let mut end = start + 1;
            while end < chunk.rows
                && is_good(end)
                && self.names.iter().all(|names| names.repeats(end))
            {
                end += 1;
            }
            let cells: [_; MAX_FIELDS] = chunk.cells::<Metrics>(start, service);
            let run = Metrics::record(&cells, ZonePolicy::Refuse).ok().and_then(|first| {
                let position = chunk.position(start);
                let times = self.times.get(start..end)?;
                Some(Run { first, position, times, values: self.values.get(start..end)? })
            });
            match run {
                Some(run) => sink(run),
                None => one_by_one(chunk, start..end, service, sink, rejections),
            }
            start = end;
        }
    }
}

/// Passes on rows as runs of one.
fn one_by_one(
    chunk: &Chunk,
    rows: std::ops::Range<usize>,
    service: &str,
    sink: &mut impl FnMut(Run<'_>),
    rejections: &mut Rejections,
) {
    for row in rows {
        chunk.emit::<Metrics>(
            (row, 0),
            service,
            &mut |first: MetricPoint<'_>, position| {
                let (time, value) = (first.timestamp.nanos(), first.value);
                let (times, values) = (std::slice::from_ref(&time), std::slice::from_ref(&value));
                sink(Run { first, position, times, values });
            },
            rejections,
        );
    }
}
