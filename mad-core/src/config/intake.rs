//! Which columns hold the fields of records, and when too few records could be read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::within;
use crate::error::{Error, Result};
use crate::limits::MAX_NAME_BYTES;
use crate::telemetry::RecordKind;

/// How the fields of records are found, and which share of the records has to be accepted.
///
/// Usual names of columns are known, see [`column_of`](crate::wire::column_of); `map` names the
/// columns of the others.
///
/// # Examples
///
/// ```
/// use mad_core::IntakeConfig;
///
/// let mut config = IntakeConfig { min_accepted: 0.5, ..IntakeConfig::default() };
/// config.map.insert("service".to_owned(), "team".to_owned());
/// assert!(config.validate().is_ok());
/// config.map.insert("servce".to_owned(), "team".to_owned());
/// let error = config.validate().unwrap_err().to_string();
/// assert!(error.starts_with("config field `intake.map.servce` is team; expected one of the fields"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeConfig {
    /// Smallest share of accepted records, 0 to 1. Below it a run fails and the service is
    /// degraded. Repeated records do not count. Default 0.95.
    pub min_accepted: f64,
    /// The columns that hold fields, by the name of the field. A column of another name is used
    /// where the input does not have this one. Default empty.
    pub map: BTreeMap<String, String>,
    /// The service of records that name none, or have an empty one. Default empty: each record has
    /// to name it.
    pub service: String,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { min_accepted: 0.95, map: BTreeMap::new(), service: String::new() }
    }
}

impl IntakeConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range: a key of `map` that is no field of any kind of
    /// record, an empty column, and a service of more than 1,024 bytes.
    pub fn validate(&self) -> Result<()> {
        within("intake.min_accepted", self.min_accepted, 0.0..=1.0, "a share from 0 to 1")?;
        for (field, column) in &self.map {
            let place = format!("intake.map.{field}");
            let fields = Self::fields();
            if !fields.contains(&field.as_str()) {
                let expected = format!("one of the fields {}", fields.join(", "));
                return Err(Error::config(&place, column, &expected));
            }
            if column.trim().is_empty() || column.len() > MAX_NAME_BYTES {
                let expected = "the name of a column, at most 1,024 bytes";
                return Err(Error::config(&place, format!("{column:?}"), expected));
            }
        }
        if self.service.len() > MAX_NAME_BYTES {
            let given = format!("{} bytes", self.service.len());
            return Err(Error::config("intake.service", given, "a name of at most 1,024 bytes"));
        }
        Ok(())
    }

    /// The fields that `map` can name: those of all kinds of records.
    pub fn fields() -> Vec<&'static str> {
        let mut fields = Vec::new();
        for field in RecordKind::ALL.iter().flat_map(|kind| kind.fields()) {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
        fields
    }
}
