//! The stages of the core as Python classes and functions, one by one and composed.

pub mod detect;
pub mod detect_run;
pub mod mad_scorer;
pub mod pipeline;
pub mod rank_culprits;
pub mod rank_traces;
pub mod reference;
pub mod rows_to_verdicts;
pub mod score_alone;
pub mod score_series;
pub mod service_graph;
pub mod single_scorers;
pub mod verdicts_to_words;
