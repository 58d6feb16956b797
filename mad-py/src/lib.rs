//! The module `mad._core`: mad-core for Python. Each file binds one concept; this one exports.

#![allow(
    clippy::needless_pass_by_value,
    clippy::doc_link_with_quotes,
    clippy::doc_markdown,
    clippy::struct_field_names,
    clippy::unsafe_derive_deserialize,
    reason = "pyo3 hands arguments over by value; the docs are read in Python and hold its \
              examples; names are the contract's; the unsafe code is in pyo3's own macros"
)]

#[cfg(feature = "ablation")]
mod ablation;
mod border;
mod config;
mod errors;
mod moment;
mod pickle;
mod records;
mod results;
mod service;
mod shared;
mod stages;
mod tables;
mod toml_places;

use pyo3::prelude::*;

/// The module `mad._core`.
#[pymodule]
mod _core {
    #[cfg(feature = "ablation")]
    #[pymodule_export]
    use super::ablation::leave_out;
    #[pymodule_export]
    use super::border::InternalError;
    #[pymodule_export]
    use super::config::{check_config, config_problems, default_config};
    #[pymodule_export]
    use super::errors::{SettingsError, UnsortedError};
    #[pymodule_export]
    use super::records::inspector::{
        Inspector, count_records, detect_format, file_formats, kinds_of_format, own_share,
        unfinished_bytes,
    };
    #[pymodule_export]
    use super::records::json_records::json_lines;
    #[pymodule_export]
    use super::records::kinds::columns_of;
    #[pymodule_export]
    use super::records::shop_simulation::ShopSimulation;
    #[pymodule_export]
    use super::records::telemetry::Telemetry;
    #[pymodule_export]
    use super::records::trace_simulation::TraceSimulation;
    #[pymodule_export]
    use super::records::world_simulation::WorldSimulation;
    #[pymodule_export]
    use super::records::zstd::ZstdDecoder;
    #[pymodule_export]
    use super::results::catalogue::Catalogue;
    #[pymodule_export]
    use super::results::evaluation::evaluate;
    #[pymodule_export]
    use super::results::evaluation::evaluate_report;
    #[pymodule_export]
    use super::results::evaluation::truth_of_labels;
    #[pymodule_export]
    use super::results::explanation::Explanation;
    #[pymodule_export]
    use super::results::incident::Incident;
    #[pymodule_export]
    use super::results::metric_ranking::{MetricCulprit, MetricRanking};
    #[pymodule_export]
    use super::results::opinions::check_scorers;
    #[pymodule_export]
    use super::results::ranking::{Culprit, Ranking};
    #[pymodule_export]
    use super::results::report::Report;
    #[pymodule_export]
    use super::results::rows::Rows;
    #[pymodule_export]
    use super::results::scored_file::culprits_from_scored;
    #[pymodule_export]
    use super::results::scored_file_why::why_from_scored;
    #[pymodule_export]
    use super::results::update::Update;
    #[pymodule_export]
    use super::results::words::{
        describe_reason, describe_rejection, describe_shortfall, describe_signal, format_value,
    };
    #[pymodule_export]
    use super::service::engine_pipeline::EnginePipeline;
    #[pymodule_export]
    use super::service::engine_update::EngineUpdate;
    #[pymodule_export]
    use super::service::point_blocks::{stored_points, stored_values};
    #[pymodule_export]
    use super::stages::culprit_ranker::CulpritRanker;
    #[pymodule_export]
    use super::stages::detect::detect;
    #[pymodule_export]
    use super::stages::detect_run::DetectRun;
    #[pymodule_export]
    use super::stages::feature_builder::FeatureBuilder;
    #[pymodule_export]
    use super::stages::guardrails::Guardrails;
    #[pymodule_export]
    use super::stages::incident_grouper::IncidentGrouper;
    #[pymodule_export]
    use super::stages::isolation_forest::IsolationForest;
    #[pymodule_export]
    use super::stages::log_templates::LogTemplates;
    #[pymodule_export]
    use super::stages::mad_scorer::{MadScorer, Score};
    #[pymodule_export]
    use super::stages::partition::{
        StepSketches, partition_combine, partition_config, partition_judge, partition_plan,
        partition_survey,
    };
    #[pymodule_export]
    use super::stages::pipeline::Pipeline;
    #[pymodule_export]
    use super::stages::rank_culprits::rank_culprits;
    #[pymodule_export]
    use super::stages::rank_traces::{TraceCulprit, TraceRanking, rank_traces};
    #[pymodule_export]
    use super::stages::reference::{ReferenceRun, reference_detect};
    #[pymodule_export]
    use super::stages::row_scorer::RowScorer;
    #[pymodule_export]
    use super::stages::score_alone::{score_alone, scorer_names};
    #[pymodule_export]
    use super::stages::score_series::{SeriesScores, score_series};
    #[pymodule_export]
    use super::stages::service_graph::ServiceGraph;
    #[pymodule_export]
    use super::stages::single_scorers::{BinomialScorer, SilenceScorer, SlopeScorer};
    #[pymodule_export]
    use super::stages::template_explainer::TemplateExplainer;
    #[pymodule_export]
    use super::tables::arrays::{modified_z, rolling_mad, rolling_z};
    #[pymodule_export]
    use super::tables::arrow_stream::check_arrow_stream;
    #[pymodule_export]
    use super::tables::table::Table;
    #[pymodule_export]
    use super::toml_places::toml_places;

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Whether a record of the service `mad.panic` panics: built with the feature `faults`.
    #[pymodule_export]
    const HAS_FAULTS: bool = cfg!(feature = "faults");

    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "the signature that pyo3 expects")]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        super::border::silence_caught_panics();
        Ok(())
    }
}
