//! The stages of the core as Python classes and functions, one by one and composed.

pub mod culprit_ranker;
pub mod detect;
pub mod detect_run;
pub mod feature_builder;
pub mod guardrails;
pub mod incident_grouper;
pub mod isolation_forest;
pub mod log_templates;
pub mod mad_scorer;
pub mod partition;
pub mod pipeline;
pub mod rank_culprits;
pub mod rank_traces;
pub mod reference;
pub mod row_scorer;
pub mod score_alone;
pub mod score_series;
pub mod service_graph;
pub mod single_scorers;
pub mod template_explainer;
