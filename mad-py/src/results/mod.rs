//! What the stages return: rows, incidents, rankings, explanations and reports.

pub mod catalogue;
pub mod evaluation;
pub mod explanation;
mod getters;
pub mod incident;
pub mod incident_document;
pub mod metric_ranking;
pub mod opinions;
pub mod points;
pub mod ranking;
pub mod reference_document;
pub mod report;
pub mod row_reader;
pub mod rows;
pub mod scored_file;
pub mod scored_file_why;
pub mod states;
pub mod update;
pub mod words;
