//! Templates of log lines.

use numpy::PyArray1;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::config::parse;
use crate::pickle::pickled;
use crate::shared::Shared;

/// Finds the templates of log lines while they come in: the text that lines have in common, with
/// `<*>` for each variable part.
///
/// The id of a line depends on the lines before it alone, however they are cut into calls. Later
/// lines may show that two templates are one; `final_ids` then maps the younger id to the older.
/// `config` is a `mad.Config`, a dict or None. At most `limits.log_templates` templates are kept.
/// When there are that many, those without a recent line are forgotten; if all have one, lines of
/// further kinds share the template `<*>` with the id 0. An object can be pickled and copied with
/// all that it has learnt, and threads can share it. Raises ValueError for a setting outside its
/// range.
///
/// >>> import mad
/// >>> templates = mad.LogTemplates()
/// >>> templates.learn(["order 17 took 12 ms", "gateway is silent", "order 18 took 9 ms"])
/// array([1, 2, 1])
/// >>> templates.templates()
/// [(1, 'order <*> took <*> ms', 2), (2, 'gateway is silent', 1)]
#[pyclass(module = "mad._core", frozen)]
pub struct LogTemplates {
    state: Shared<mad_core::LogTemplates>,
}

/// Lines, describing words and ids of templates.
type Cluster = (u64, Vec<String>, Vec<u32>);

/// One line as Python holds it, or a copy where Python's text is not UTF-8.
enum Line {
    Text(PyBackedStr),
    Bytes(PyBackedBytes),
    Copy(String),
}

impl Line {
    fn read(line: Bound<'_, PyAny>, place: usize) -> PyResult<Self> {
        if let Ok(text) = line.cast::<PyString>() {
            return Ok(match PyBackedStr::try_from(text.clone()) {
                Ok(text) => Self::Text(text),
                Err(_) => Self::Copy(text.to_string_lossy().into_owned()),
            });
        }
        if let Ok(bytes) = line.cast::<PyBytes>() {
            return Ok(Self::Bytes(PyBackedBytes::from(bytes.clone())));
        }
        let kind = line.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "line {place} is of the type {kind}: give str or bytes, an empty str for a missing line"
        )))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Copy(text) => text.as_bytes(),
        }
    }
}

#[pymethods]
impl LogTemplates {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let most = parse(config)?.limits.log_templates;
        Ok(Self { state: Shared::new(mad_core::LogTemplates::new(most)) })
    }

    /// Learns lines, an iterable of str or bytes; returns the ids of their templates as an array of
    /// int64. Raises TypeError for other elements.
    fn learn<'py>(
        &self,
        py: Python<'py>,
        lines: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        if lines.is_instance_of::<PyString>() || lines.is_instance_of::<PyBytes>() {
            return Err(PyTypeError::new_err("lines is one text: give a list of lines"));
        }
        let mut read = Vec::with_capacity(lines.len().unwrap_or(0));
        for (place, line) in lines.try_iter()?.enumerate() {
            read.push(Line::read(line?, place)?);
        }
        let learn = |state: &mut mad_core::LogTemplates| -> Vec<i64> {
            read.iter().map(|line| i64::from(state.learn(line.bytes()))).collect()
        };
        Ok(PyArray1::from_vec(py, self.state.with(py, learn)?))
    }

    /// All templates that are kept, as tuples of id, text and lines so far, by id.
    fn templates(&self, py: Python<'_>) -> PyResult<Vec<(u32, String, u64)>> {
        let all = self.state.with(py, |state| state.templates())?;
        Ok(all.into_iter().map(|known| (known.id, known.text, known.count)).collect())
    }

    /// The ids that were merged, each with the id that it belongs to by now. An id that is missing
    /// stands for itself.
    fn final_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let ids = PyDict::new(py);
        for (from, into) in self.state.with(py, |state| state.merged())? {
            ids.set_item(from, into)?;
        }
        Ok(ids)
    }

    /// The templates grouped by their words (TF-IDF and k-means without random numbers) into at most
    /// `clusters` clusters, those with most lines first: tuples of lines, the words that describe the
    /// cluster best, and the ids of its templates, those with most lines first.
    #[pyo3(signature = (clusters=8))]
    fn clusters(&self, py: Python<'_>, clusters: usize) -> PyResult<Vec<Cluster>> {
        let group = |state: &mut mad_core::LogTemplates| {
            mad_core::logs::cluster(&state.templates(), clusters)
        };
        let found = self.state.with(py, group)?;
        Ok(found.into_iter().map(|found| (found.count, found.terms, found.templates)).collect())
    }

    /// The most templates that are kept at a time.
    #[getter]
    fn max_templates(&self, py: Python<'_>) -> PyResult<usize> {
        self.state.with(py, |state| state.max_templates())
    }
}

pickled!(shared LogTemplates);
