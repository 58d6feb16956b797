//! Serializable documents: a whole report, one incident, a ranking, rejected records.

mod clocks;
mod entity;
mod front_door;
mod incident;
mod level;
mod messages;
mod method;
mod overview;
mod peak;
mod ranking;
mod rejected;
mod report;
mod series;
mod slo;
mod spread;
mod subset;

pub use clocks::ClockFaultDocument;
pub use entity::EntityDocument;
pub use front_door::FrontDoorDocument;
pub use incident::{IncidentDocument, SimilarDocument};
pub use level::LevelDocument;
#[cfg(feature = "jsonl")]
pub use messages::translate;
pub use messages::{CulpritMessages, MessagesDocument};
pub use method::MethodDocument;
pub use overview::{EndpointCourse, Overview, OverviewDocument, OverviewRow};
pub use peak::PeakDocument;
pub use ranking::{CulpritDocument, DeviationDocument, EvidenceDocument, RankingDocument};
pub use rejected::{RejectedDocument, RejectedRecord};
pub use report::{Document, EntitySummary, SCHEMA_VERSION};
pub use series::{SeriesDocument, SignalSeries};
pub use slo::{BurnDocument, SloDocument};
pub use spread::{ChangeDocument, LinkDocument, MemberDocument};
pub use subset::SubsetDocument;
