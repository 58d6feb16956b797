//! What each method of a run flagged, for files and answers.

use serde::{Deserialize, Serialize};

use crate::method::MethodSummary;
use crate::series::Entity;

/// What a method flagged in all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the fields are the names in the file, described in docs/methods.md"
)]
pub struct MethodDocument {
    pub method: String,
    /// In the weighted ensemble; 0 for a method that is no member.
    pub weight: f64,
    pub rows: u64,
    pub flagged: u64,
    /// Entities with a flagged row.
    pub entities: u64,
    /// Time and entity of the first flagged row.
    pub first: Option<String>,
    pub first_entity: Option<Entity>,
    /// Times that rows no longer resembled those that a model was fitted on.
    pub drifts: u64,
}

impl MethodDocument {
    /// A summary as it stands in files.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::export::MethodDocument;
    /// use mad_core::method::Methods;
    ///
    /// let methods = Methods::new(&["ewma"], 100)?;
    /// let documents: Vec<_> = methods.summaries().iter().map(MethodDocument::new).collect();
    /// assert_eq!(documents[0].method, "default");
    /// assert_eq!((documents[1].weight, documents[1].first.is_none()), (1.0, true));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn new(summary: &MethodSummary) -> Self {
        Self {
            method: summary.method.as_str().to_owned(),
            weight: summary.weight,
            rows: summary.rows,
            flagged: summary.flagged,
            entities: summary.entities,
            first: summary.first.map(|at| at.to_string()),
            first_entity: summary.first_entity.as_deref().cloned(),
            drifts: summary.drifts,
        }
    }
}
