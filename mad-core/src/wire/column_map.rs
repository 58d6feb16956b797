//! The columns of an input: those that the configuration names for fields, and the usual ones.

use super::columns::{Column, column_of, unit_of};
use super::kind::{Kind, MAX_FIELDS};
use crate::config::IntakeConfig;

/// The columns of an input that the configuration names, and the service of records without one.
///
/// # Examples
///
/// ```
/// use mad_core::IntakeConfig;
/// use mad_core::wire::{ColumnMap, Requests};
///
/// let mut config = IntakeConfig::default();
/// config.map.insert("latency_ms".to_owned(), "took_s".to_owned());
/// let map = ColumnMap::new(&config);
/// let column = map.column_of::<Requests>("took_s").unwrap();
/// assert_eq!((column.place, column.factor), (4, 1_000.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap {
    /// Fields and their columns.
    columns: Vec<(String, String)>,
    service: Option<String>,
}

impl ColumnMap {
    /// The columns that a configuration names.
    pub fn new(config: &IntakeConfig) -> Self {
        let columns = config.map.iter().map(|(field, column)| (field.clone(), column.clone()));
        let service = (!config.service.is_empty()).then(|| config.service.clone());
        Self { columns: columns.collect(), service }
    }

    /// The field of a column, as [`column_of`](super::column_of) finds it. A column that was named
    /// for its field is the first choice, whatever the others are called. Its unit follows from its
    /// name, such as `_s`, and is milliseconds otherwise.
    pub fn column_of<K: Kind>(&self, name: &str) -> Option<Column> {
        let usual = column_of::<K>(name);
        if self.columns.is_empty() {
            return usual;
        }
        // One column can hold fields of two kinds, such as the start of a span and a timestamp.
        let mut named = self.columns.iter().filter(|(_, column)| column.eq_ignore_ascii_case(name));
        if let Some((place, field)) = named.find_map(|(field, _)| Some((K::place(field)?, field))) {
            let same = usual.filter(|usual| usual.place == place);
            let factor = same.map_or_else(|| unit_of(name), |usual| usual.factor);
            let is_grpc = same.is_some_and(|usual| usual.is_grpc);
            return Some(Column { place, rank: 0, factor, is_grpc, is_mapped: field != name });
        }
        usual.map(|usual| Column { rank: usual.rank.max(1), ..usual })
    }

    /// Whether columns are named.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The service of records that name none or have an empty one.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The column that was named for a field.
    pub fn named(&self, field: &str) -> Option<&str> {
        let named = self.columns.iter().find(|(known, _)| known == field);
        named.map(|(_, column)| column.as_str())
    }
}

/// The columns of all fields among those of a header: their places in the header. A column that
/// `map` names is the first choice for its field.
pub fn find_columns<K: Kind>(
    names: &[&str],
    map: &ColumnMap,
) -> [Option<(usize, Column)>; MAX_FIELDS] {
    let mut found = [None; MAX_FIELDS];
    for (at, name) in names.iter().enumerate() {
        let Some(column) = map.column_of::<K>(name) else { continue };
        let Some(best) = found.get_mut(column.place) else { continue };
        if best.is_none_or(|(_, known): (usize, Column)| column.rank < known.rank) {
            *best = Some((at, column));
        }
    }
    found
}

/// Finds the column of one field among those of a table, with its place.
pub type FindColumn = fn(field: &str, names: &[&str], map: &ColumnMap) -> Option<(usize, Column)>;

/// See [`FindColumn`].
pub fn find_column<K: Kind>(
    field: &str,
    names: &[&str],
    map: &ColumnMap,
) -> Option<(usize, Column)> {
    find_columns::<K>(names, map).get(K::place(field)?).copied().flatten()
}

/// What to do about a field that no column holds.
pub fn remedy(lacking: &[&str]) -> String {
    let Some(first) = lacking.first() else { return String::new() };
    let mut text = format!(
        "; if another column holds it, name the column in `intake.map` (--map {first}=COLUMN)"
    );
    if lacking.contains(&"service") {
        text.push_str(
            "; if all records are of one service, name that in `intake.service` (--service NAME)",
        );
    }
    text
}
