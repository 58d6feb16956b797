//! Rows, incidents and whole reports as bytes: CSV lines and serializable documents.
//!
//! Everything here is built from the public queries of a [`Pipeline`](crate::Pipeline).

mod csv;
mod documents;
mod prometheus;

pub(crate) use csv::push_field;
pub use csv::{
    unescaped, write_features_header, write_features_row, write_opinion, write_opinions_header,
    write_scored_header, write_scored_points, write_scored_points_header, write_scored_row,
};
#[cfg(feature = "jsonl")]
pub use documents::translate;
pub use documents::{
    BurnDocument, ChangeDocument, ClockFaultDocument, CulpritDocument, CulpritMessages,
    DeviationDocument, Document, EndpointCourse, EntityDocument, EntitySummary, EvidenceDocument,
    FrontDoorDocument, IncidentDocument, LevelDocument, LinkDocument, MemberDocument,
    MessagesDocument, MethodDocument, Overview, OverviewDocument, OverviewRow, PeakDocument,
    RankingDocument, RejectedDocument, RejectedRecord, SCHEMA_VERSION, SeriesDocument,
    SignalSeries, SimilarDocument, SloDocument, SubsetDocument,
};
pub use prometheus::prometheus_text;
