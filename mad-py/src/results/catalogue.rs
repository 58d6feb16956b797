//! Catalogues: the sentences of explanations in another language.

use std::collections::BTreeMap;
use std::sync::Arc;

use mad_core::explain::{CatalogueText, all_messages, describe_signal_in};
use mad_core::export::translate;
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::{text, to_json};
use crate::errors::{to_py, value_error};
use crate::pickle::Reduced;

/// The sentences of explanations in one language, by their keys.
///
/// `texts` are texts by key; that of a message that counts may be `{"one": ..., "other": ...}`. Each
/// has the placeholders of the English one (`Catalogue.english()`), each once, in any order. Messages
/// without a text are in English; `missing` names them.
///
/// Raises ValueError for a key that does not exist, and for a text with other placeholders.
///
/// >>> import mad
/// >>> german = mad.Catalogue("de", {"count.row": {"one": "{n} Zeile", "other": "{n} Zeilen"}})
/// >>> german.language, len(german.missing) > 100
/// ('de', True)
/// >>> mad.Catalogue("de", {"signal.error_rate": "Fehlerquote"}).signal("error_rate")
/// 'Fehlerquote'
#[pyclass(module = "mad._core", frozen)]
pub struct Catalogue {
    pub core: Arc<mad_core::explain::Catalogue>,
}

/// The catalogue that was asked for; English without one.
pub fn language(catalogue: Option<&Catalogue>) -> &mad_core::explain::Catalogue {
    match catalogue {
        Some(catalogue) => &catalogue.core,
        None => mad_core::explain::Catalogue::english(),
    }
}

/// Texts by key, as Python gives them.
type Texts = BTreeMap<String, CatalogueText>;

fn texts_of(texts: &Bound<'_, PyAny>) -> PyResult<Texts> {
    serde_json::from_str(&text(texts)?).map_err(|_| {
        value_error("texts = ...; expected a text, or {\"one\": ..., \"other\": ...}, by key")
    })
}

#[pymethods]
impl Catalogue {
    #[new]
    fn new(language: &str, texts: &Bound<'_, PyAny>) -> PyResult<Self> {
        let core = mad_core::explain::Catalogue::new(language, texts_of(texts)?);
        Ok(Self { core: Arc::new(core.map_err(|error| to_py(&error))?) })
    }

    /// Every reason why texts are no catalogue, as pairs of a key and a message.
    #[staticmethod]
    fn problems(language: &str, texts: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
        let problems = mad_core::explain::Catalogue::problems(language, &texts_of(texts)?);
        let named = |error: mad_core::Error| match error.kind() {
            mad_core::ErrorKind::Config { field } => (field.clone(), error.to_string()),
            _ => (String::new(), error.to_string()),
        };
        Ok(problems.into_iter().map(named).collect())
    }

    /// The English texts by key, in the order of catalogue files.
    #[staticmethod]
    fn english(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let texts = all_messages().map(|message| (message.key, message.one, message.text));
        dict(py, texts)
    }

    /// The name of the language.
    #[getter]
    fn language(&self) -> &str {
        self.core.language()
    }

    /// The texts by key.
    #[getter]
    fn texts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let texts = self.core.texts().map(|(key, text)| match text {
            CatalogueText::Whole(text) => (key, None, text.as_str()),
            CatalogueText::Counted { one, other } => (key, Some(one.as_str()), other.as_str()),
        });
        dict(py, texts)
    }

    /// The keys of the messages that are in English.
    #[getter]
    fn missing(&self) -> Vec<&'static str> {
        self.core.missing().collect()
    }

    /// The text of a message without placeholders, such as `label.impact`. KeyError for other keys.
    fn text(&self, key: &str) -> PyResult<String> {
        let text = self.core.label(key);
        text.map(str::to_owned).ok_or_else(|| pyo3::exceptions::PyKeyError::new_err(key.to_owned()))
    }

    /// The name of a signal; a metric keeps its name.
    fn signal(&self, name: &str) -> String {
        describe_signal_in(&super::words::named(name), &self.core)
    }

    /// The JSON of an incident with its texts in this language, from its field `messages`. Texts
    /// without a message stay as they are.
    fn translate(&self, incident: &str) -> PyResult<String> {
        let mut document = serde_json::from_str(incident)
            .map_err(|error| value_error(format!("incident is no JSON: {error}")))?;
        translate(&mut document, &self.core);
        to_json(&document)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (String, Bound<'py, PyDict>)> {
        let arguments = (self.core.language().to_owned(), self.texts(py)?);
        Ok((Self::type_object(py).into_any(), arguments))
    }

    fn __repr__(&self) -> String {
        let known = all_messages().count() - self.core.missing().count();
        format!("Catalogue({:?}, {known} messages)", self.core.language())
    }
}

/// Texts by key: for one of what they count, and for all others.
fn dict<'py, 'a>(
    py: Python<'py>,
    texts: impl Iterator<Item = (&'a str, Option<&'a str>, &'a str)>,
) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (key, one, other) in texts {
        match one {
            None => out.set_item(key, other)?,
            Some(one) => {
                let forms = PyDict::new(py);
                forms.set_item("one", one)?;
                forms.set_item("other", other)?;
                out.set_item(key, forms)?;
            }
        }
    }
    Ok(out)
}
