//! Arrow tables out, readable with or without pyarrow.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType};
use numpy::PyArray1;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::errors::{missing, value_error};
use crate::pickle::{Reduced, reduce_with};
use crate::tables::html;

/// A column by its name, as Python sees it.
type NamedColumn<'py> = (String, Bound<'py, PyAny>);

/// A table in Arrow's memory. Anything that reads the Arrow stream interface takes it as it is:
/// `pyarrow.table(t)`, `polars.DataFrame(t)`, `duckdb.sql("from t")`.
///
/// >>> import mad
/// >>> requests = {
/// ...     "timestamp": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(5)],
/// ...     "service": ["shop"] * 5,
/// ...     "endpoint": ["/pay"] * 5,
/// ...     "status_code": [200, 200, 500, 200, 200],
/// ...     "latency_ms": [40.0, 42.0, 41.0, 39.0, 40.0],
/// ... }
/// >>> rows = mad.FeatureBuilder().build(requests).to_table()
/// >>> rows.num_rows, rows.column_names[:2]
/// (5, ['bucket_ts', 'service'])
/// >>> rows["req_count"].tolist()
/// [1, 1, 1, 1, 1]
#[pyclass(module = "mad._core", frozen)]
pub struct Table {
    batch: RecordBatch,
}

impl Table {
    /// From named columns of one length.
    pub fn new(columns: Vec<(&str, ArrayRef)>) -> PyResult<Self> {
        let batch = RecordBatch::try_from_iter(columns)
            .map_err(|error: ArrowError| value_error(error.to_string()))?;
        Ok(Self { batch })
    }
}

/// UTC times.
pub fn times(values: impl Iterator<Item = mad_core::Timestamp>) -> ArrayRef {
    let nanos: Vec<i64> = values.map(mad_core::Timestamp::nanos).collect();
    Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("UTC"))
}

/// UTC times that may be missing: null, and NaT for numpy.
pub fn optional_times(values: impl Iterator<Item = Option<mad_core::Timestamp>>) -> ArrayRef {
    let values: Vec<Option<i64>> =
        values.map(|time| time.map(mad_core::Timestamp::nanos)).collect();
    let known: NullBuffer = values.iter().map(Option::is_some).collect();
    // numpy reads the smallest number as NaT
    let nanos: Vec<i64> = values.into_iter().map(|nanos| nanos.unwrap_or(i64::MIN)).collect();
    Arc::new(TimestampNanosecondArray::new(nanos.into(), Some(known)).with_timezone("UTC"))
}

/// Numbers; NaN stays NaN.
pub fn floats(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

/// Integers.
pub fn signed(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

/// Counts.
pub fn integers(values: impl Iterator<Item = u64>) -> ArrayRef {
    signed(values.map(|value| i64::try_from(value).unwrap_or(i64::MAX)).collect())
}

/// Names.
pub fn strings<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Flags.
pub fn flags(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<BooleanArray>())
}

#[pymethods]
impl Table {
    /// Names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    fn __repr__(&self) -> String {
        format!("Table({} rows: {})", self.batch.num_rows(), self.column_names().join(", "))
    }

    /// A column: numbers and flags as numpy arrays, times as datetime64[ns] in UTC, names as a
    /// list of str.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let column = self.batch.column_by_name(name).ok_or_else(|| {
            let known = self.column_names().join(", ");
            PyKeyError::new_err(format!("no column {name:?}; there are: {known}"))
        })?;
        match column.data_type() {
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                Ok(PyArray1::from_slice(py, values).into_any())
            }
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                Ok(PyArray1::from_slice(py, values).into_any())
            }
            DataType::Timestamp(_, _) => {
                let nanos = column.as_primitive::<TimestampNanosecondType>().values();
                PyArray1::from_slice(py, nanos).into_any().call_method1("view", ("datetime64[ns]",))
            }
            DataType::Boolean => {
                let values: Vec<bool> =
                    column.as_boolean().iter().map(|x| x == Some(true)).collect();
                Ok(PyArray1::from_vec(py, values).into_any())
            }
            _ => {
                let names = column.as_string::<i32>();
                Ok(PyList::new(py, names.iter().map(Option::unwrap_or_default))?.into_any())
            }
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (Vec<NamedColumn<'py>>,)> {
        let named = |name: String| Ok((name.clone(), self.column(py, &name)?));
        let columns = self.column_names().into_iter().map(named).collect::<PyResult<_>>()?;
        reduce_with::<Self, _>(py, (columns,))
    }

    /// From its columns: arrays, or lists of text.
    #[staticmethod]
    fn _from_state(columns: Vec<NamedColumn<'_>>) -> PyResult<Self> {
        let mut read = Vec::new();
        for (name, column) in &columns {
            read.push((name.as_str(), from_python(column)?));
        }
        Self::new(read)
    }

    fn _repr_html_(&self) -> String {
        let names = self.column_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let row = |row| self.batch.columns().iter().map(|column| html::cell(column, row)).collect();
        let rows = (0..self.batch.num_rows().min(html::ROWS)).map(row);
        html::table(&format!("{} rows", self.num_rows()), &names, rows, self.num_rows())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.column(py, name)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let table = pyo3_arrow::PyTable::try_new(vec![self.batch.clone()], self.batch.schema())?;
        let table = Bound::new(py, table)?;
        table.call_method1("__arrow_c_stream__", (requested_schema,))
    }

    /// As a pandas DataFrame, with or without pyarrow; times are UTC.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let pandas = import(py, "pandas")?;
        let columns = PyDict::new(py);
        for field in self.batch.schema().fields() {
            let mut column = self.column(py, field.name())?;
            if matches!(field.data_type(), DataType::Timestamp(_, _)) {
                let utc = PyDict::new(py);
                utc.set_item("utc", true)?;
                column = pandas.call_method("to_datetime", (column,), Some(&utc))?;
            }
            columns.set_item(field.name(), column)?;
        }
        pandas.call_method1("DataFrame", (columns,))
    }

    /// As a polars DataFrame.
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        import(slf.py(), "polars")?.call_method1("DataFrame", (slf,))
    }

    /// As a pyarrow Table.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        import(slf.py(), "pyarrow")?.call_method1("table", (slf,))
    }
}

/// A column as [`Table::column`] gives it.
fn from_python(column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let kind = column.getattr_opt("dtype")?.map(|dtype| dtype.getattr("kind")).transpose()?;
    let kind: Option<String> = kind.map(|kind| kind.extract()).transpose()?;
    Ok(match kind.as_deref() {
        Some("f") => floats(column.extract::<Vec<f64>>()?.into_iter()),
        Some("b") => flags(column.extract::<Vec<bool>>()?.into_iter()),
        Some("M") => {
            let nanos: Vec<i64> = column.call_method1("view", ("int64",))?.extract()?;
            times(nanos.into_iter().map(mad_core::Timestamp::from_nanos))
        }
        Some(_) => signed(column.extract()?),
        None => {
            let names: Vec<String> = column.extract()?;
            strings(names.iter().map(String::as_str))
        }
    })
}

/// Imports an optional package; the error names the extra.
fn import<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyModule>> {
    py.import(name).map_err(|error| missing(py, name, error))
}
