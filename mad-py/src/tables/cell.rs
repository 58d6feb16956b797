//! Cells of a table as the fields that a record is built from.

use arrow_array::{Array, ArrayRef, Float64Array, TimestampNanosecondArray};
use arrow_buffer::NullBuffer;
use arrow_cast::display::array_value_to_string;
use mad_core::time::ZonePolicy;
use mad_core::wire::{Kind, Value};
use mad_core::{RejectReason, Status, Timestamp};
use pyo3::prelude::*;

use crate::tables::column_types::{
    NAIVE, Names, grpc_statuses, latencies, names, numbers, statuses, times,
};

/// A column as it was read and as it was written. A value that is null in the first and not in the
/// second could not be read.
pub struct Column {
    read: Read,
    nulls: Option<NullBuffer>,
    written: ArrayRef,
}

enum Read {
    Times(TimestampNanosecondArray),
    Statuses(Vec<Status>),
    Latencies(Float64Array),
    Numbers(Float64Array),
    Names(Names),
}

impl Column {
    /// Reads the column `name` of a kind. The name decides how: a field with a number also stands in
    /// [`is_number`].
    pub fn new<K: Kind>(written: &ArrayRef, name: &str, zone: ZonePolicy) -> PyResult<Self> {
        let read = match name {
            _ if K::TIME == Some(name) => Read::Times(times(written, name, zone)?),
            "status_code" => Read::Statuses(statuses(written, name)?),
            "latency_ms" => Read::Latencies(latencies(written, name)?),
            _ if is_number(name) => Read::Numbers(numbers(written, name)?),
            _ => Read::Names(names(written, name)?),
        };
        Ok(Self { read, nulls: written.logical_nulls(), written: written.clone() })
    }

    /// Reads a column of gRPC status codes.
    pub fn of_grpc(written: &ArrayRef, name: &str) -> PyResult<Self> {
        let read = Read::Statuses(grpc_statuses(written, name)?);
        Ok(Self { read, nulls: written.logical_nulls(), written: written.clone() })
    }

    /// The moment in a row of times.
    #[inline]
    pub fn moment(&self, row: usize) -> Option<Timestamp> {
        match &self.read {
            Read::Times(times) if times.is_valid(row) => {
                Some(Timestamp::from_nanos(times.value(row)))
            }
            _ => None,
        }
    }

    /// The times, nanoseconds; `None` for other columns, and where one is missing.
    pub fn all_times(&self) -> Option<&[i64]> {
        match &self.read {
            Read::Times(times) if times.null_count() == 0 => Some(times.values()),
            _ => None,
        }
    }

    /// The amounts; `None` for other columns, and where one is missing.
    pub fn all_numbers(&self) -> Option<&[f64]> {
        match &self.read {
            Read::Numbers(numbers) if numbers.null_count() == 0 => Some(numbers.values()),
            _ => None,
        }
    }

    /// The texts; `None` for other columns.
    pub fn names(&self) -> Option<&Names> {
        match &self.read {
            Read::Names(names) => Some(names),
            _ => None,
        }
    }

    /// What stands in the table; `None` where nothing does.
    fn written(&self, row: usize) -> Option<String> {
        let missing = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!missing).then(|| array_value_to_string(&self.written, row).unwrap_or_default())
    }
}

/// Whether a column holds amounts.
pub fn is_number(name: &str) -> bool {
    matches!(name, "latency_ms" | "duration_ms" | "value" | "n" | "calls")
}

/// One cell; of no column, where the table lacks an optional one.
pub struct Cell<'a> {
    /// Its column.
    pub column: Option<&'a Column>,
    /// Its row in the column.
    pub row: usize,
    /// The text of a cell without one.
    pub default: &'a str,
}

impl Cell<'_> {
    /// What stands in the table; `None` where nothing does.
    pub fn written(&self) -> Option<String> {
        self.column?.written(self.row)
    }

    #[inline]
    fn own_text(&self) -> Result<&str, RejectReason> {
        let Some(column) = self.column else { return Ok("") };
        match &column.read {
            Read::Names(names) => match names.get(self.row) {
                Some(text) => Ok(text),
                None if column.written(self.row).is_none() => Ok(""),
                None => Err(RejectReason::NotUtf8),
            },
            _ => Err(RejectReason::BadName),
        }
    }

    /// The reason of a cell that could not be read: `wrong`, unless nothing stands there.
    #[cold]
    fn unread(&self, wrong: RejectReason) -> RejectReason {
        let blank = self.written().is_none_or(|text| text.trim_ascii().is_empty());
        if blank { RejectReason::MissingField } else { wrong }
    }
}

impl Value for Cell<'_> {
    #[inline]
    fn time(&self, _: ZonePolicy) -> Result<Timestamp, RejectReason> {
        if let Some(moment) = self.column.and_then(|column| column.moment(self.row)) {
            return Ok(moment);
        }
        let naive = self.column.is_some_and(
            |column| matches!(&column.read, Read::Times(times) if times.value(self.row) == NAIVE),
        );
        let wrong = if naive { RejectReason::NaiveTimestamp } else { RejectReason::BadTimestamp };
        Err(self.unread(wrong))
    }

    #[inline]
    fn text(&self) -> Result<&str, RejectReason> {
        let text = self.own_text()?;
        let is_blank = !self.default.is_empty() && text.trim_ascii().is_empty();
        Ok(if is_blank { self.default } else { text })
    }

    #[inline]
    fn status(&self) -> Status {
        match self.column.map(|column| &column.read) {
            Some(Read::Statuses(statuses)) => {
                statuses.get(self.row).copied().unwrap_or(Status::NoResponse)
            }
            _ => Status::NoResponse,
        }
    }

    #[inline]
    fn latency(&self) -> f64 {
        match self.column.map(|column| &column.read) {
            Some(Read::Latencies(values)) if self.row < values.len() => values.value(self.row),
            _ => f64::NAN,
        }
    }

    #[inline]
    fn number(&self, wrong: RejectReason) -> Result<Option<f64>, RejectReason> {
        match self.column.map(|column| &column.read) {
            Some(Read::Numbers(values)) if values.is_valid(self.row) => {
                Ok(Some(values.value(self.row)))
            }
            None => Ok(None),
            _ if self.unread(wrong) == RejectReason::MissingField => Ok(None),
            _ => Err(wrong),
        }
    }
}
