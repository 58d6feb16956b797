//! The module `mad._core`: mad-core for Python. Each file binds one concept; this one exports.

#![allow(
    clippy::needless_pass_by_value,
    clippy::doc_markdown,
    clippy::struct_field_names,
    clippy::unsafe_derive_deserialize,
    reason = "pyo3 hands arguments over by value; the docs are read in Python; names are the \
              contract's; what is unsafe are pyo3's own macros"
)]

mod arrays;
mod batch;
mod command;
mod config;
mod config_problems;
mod csv_rows;
mod csv_why;
mod detect;
mod detect_run;
mod errors;
mod evaluation;
mod explanation;
mod exposition;
mod graph;
mod grouping;
mod html;
mod incident;
mod incident_document;
mod intake;
mod json_records;
mod kinds;
mod live;
mod live_records;
mod live_update;
mod metric_ranking;
mod moment;
mod owned;
mod pickle;
mod pipeline;
mod points;
mod rank;
mod ranking;
mod read;
mod read_batches;
mod read_cell;
mod read_columns;
mod read_order;
mod read_types;
mod reference;
mod reference_document;
mod rejected;
mod report;
mod rows;
mod scorer;
mod scorers;
mod seen;
mod series;
mod simulation;
mod single;
mod source;
mod sources;
mod span_pieces;
mod stages;
mod states;
mod table;
mod telemetry;
mod toml_places;
mod trace_simulation;
mod traces;
mod update;
mod zstd;

use pyo3::prelude::*;

/// The module `mad._core`.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::arrays::{modified_z, rolling_mad, rolling_z};
    #[pymodule_export]
    use super::config::{check_config, config_problems, default_config};
    #[pymodule_export]
    use super::csv_rows::culprits_from_scored;
    #[pymodule_export]
    use super::csv_why::why_from_scored;
    #[pymodule_export]
    use super::detect::detect;
    #[pymodule_export]
    use super::detect_run::DetectRun;
    #[pymodule_export]
    use super::errors::UnsortedError;
    #[pymodule_export]
    use super::evaluation::evaluate;
    #[pymodule_export]
    use super::explanation::Explanation;
    #[pymodule_export]
    use super::graph::ServiceGraph;
    #[pymodule_export]
    use super::grouping::{CulpritRanker, IncidentGrouper, TemplateExplainer};
    #[pymodule_export]
    use super::incident::Incident;
    #[pymodule_export]
    use super::json_records::{json_lines, log_records};
    #[pymodule_export]
    use super::kinds::columns_of;
    #[pymodule_export]
    use super::live::LivePipeline;
    #[pymodule_export]
    use super::live_update::LiveUpdate;
    #[pymodule_export]
    use super::metric_ranking::{MetricCulprit, MetricRanking};
    #[pymodule_export]
    use super::pipeline::Pipeline;
    #[pymodule_export]
    use super::rank::rank_culprits;
    #[pymodule_export]
    use super::ranking::{Culprit, Ranking};
    #[pymodule_export]
    use super::reference::{ReferenceRun, reference_detect};
    #[pymodule_export]
    use super::report::Report;
    #[pymodule_export]
    use super::rows::Rows;
    #[pymodule_export]
    use super::scorer::{MadScorer, Score};
    #[pymodule_export]
    use super::scorers::{score_alone, scorer_names};
    #[pymodule_export]
    use super::series::{SeriesScores, score_series};
    #[pymodule_export]
    use super::simulation::ShopSimulation;
    #[pymodule_export]
    use super::single::{BinomialScorer, SilenceScorer, SlopeScorer};
    #[pymodule_export]
    use super::stages::{FeatureBuilder, Guardrails, RowScorer};
    #[pymodule_export]
    use super::table::Table;
    #[pymodule_export]
    use super::telemetry::Telemetry;
    #[pymodule_export]
    use super::toml_places::toml_places;
    #[pymodule_export]
    use super::trace_simulation::TraceSimulation;
    #[pymodule_export]
    use super::traces::{TraceCulprit, TraceRanking, rank_traces};
    #[pymodule_export]
    use super::update::Update;
    #[pymodule_export]
    use super::zstd::ZstdDecoder;

    use pyo3::prelude::*;

    /// The version of the package.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::pickle::add_makers(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
