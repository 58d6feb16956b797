//! Methods that several results have in common.

/// The names of the entity of classes with a `core` that has one.
macro_rules! named {
    ($($class:ty),+) => {$(
        #[pyo3::pymethods]
        impl $class {
            #[getter]
            fn service(&self) -> &str {
                &self.core.entity.service
            }

            /// The endpoint; of metrics the resource, which may be empty.
            #[getter]
            fn endpoint(&self) -> &str {
                &self.core.entity.endpoint
            }
        }
    )+};
}
pub(crate) use named;

/// The methods of a ranking of culprits of the class `$culprit`; its table names the flagged value
/// `$flagged`.
macro_rules! ranking {
    ($class:ty, $culprit:ident, $flagged:literal) => {
        #[pyo3::pymethods]
        impl $class {
            /// The culprits, best first.
            #[getter]
            fn culprits(&self) -> Vec<$culprit> {
                self.core.culprits.iter().map(|core| $culprit { core: core.clone() }).collect()
            }

            /// Whether no culprit is named because nothing stands out.
            #[getter]
            fn abstained(&self) -> bool {
                self.core.abstained
            }

            fn __len__(&self) -> usize {
                self.core.culprits.len()
            }

            fn _repr_html_(&self) -> String {
                let culprits = &self.core.culprits;
                let rows = culprits.iter().map(|one| {
                    let metric = one.metric.as_str().to_owned();
                    let score = crate::tables::html::number(one.score);
                    vec![one.entity.to_string(), metric, score, one.onset.to_string()]
                });
                let abstained = self.core.abstained;
                let line = if abstained { "No service stands out." } else { "Likely culprits" };
                let columns = ["Culprit", $flagged, "Score", "Since"];
                crate::tables::html::table(line, &columns, rows, culprits.len())
            }
        }
    };
}
pub(crate) use ranking;
