//! The options of decoders.

use crate::telemetry::RecordKind;
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::ColumnMap;

/// What a user can say about a file.
#[derive(Debug, Clone, Default)]
pub struct FormatOptions {
    /// The name of the file without its folder, from which a service is derived where neither the
    /// content nor the options name one.
    pub name: String,
    /// The service of all records, whatever the content says.
    pub service: Option<String>,
    /// The meaning of times without a zone.
    pub zone: ZonePolicy,
    /// The columns that hold fields, and the service of records that name none.
    pub map: ColumnMap,
    /// The layout of lines: a `log_format` of nginx, a `LogFormat` of Apache, or a regular
    /// expression with named groups.
    pub pattern: Option<String>,
    /// When the file was last changed, from which times without a year or a date get one.
    pub written: Option<Timestamp>,
    /// The kind of the records, where the format leaves it open.
    pub kind: Option<RecordKind>,
}
