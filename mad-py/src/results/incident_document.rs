//! The document of an incident, as the core made it or as it was pickled.

use mad_core::IncidentDocument;
use pyo3::prelude::*;
use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};

use crate::config::to_json;

/// An incident as files have it.
#[derive(Clone, Serialize, Deserialize)]
pub struct DocumentText {
    affected: Vec<String>,
    #[serde(serialize_with = "as_text")]
    json: Json,
}

/// The document, serialized when it is asked for.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
enum Json {
    Document(Box<IncidentDocument>),
    Text(String),
}

impl DocumentText {
    /// From the core's document.
    pub fn new(document: IncidentDocument) -> Self {
        Self { affected: document.affected.clone(), json: Json::Document(Box::new(document)) }
    }

    /// Services and endpoints with flagged rows in its time.
    pub fn affected(&self) -> &[String] {
        &self.affected
    }

    /// All of it as JSON.
    pub fn json(&self) -> PyResult<String> {
        match &self.json {
            Json::Document(document) => to_json(document),
            Json::Text(text) => Ok(text.clone()),
        }
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

fn as_text<S: Serializer>(json: &Json, serializer: S) -> Result<S::Ok, S::Error> {
    match json {
        Json::Document(document) => {
            let text = serde_json::to_string(document).map_err(S::Error::custom)?;
            serializer.serialize_str(&text)
        }
        Json::Text(text) => serializer.serialize_str(text),
    }
}
