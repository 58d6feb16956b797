//! The fields of a record in a JSON object of any shape.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::column_map::ColumnMap;
use super::columns::Column;
use super::json_members::{Key, KeyPlaces, Members};
use super::kind::{Kind, MAX_FIELDS};
use super::scalar::Scalar;
use super::value::Value;
use crate::telemetry::RecordKind;

/// Deepest object in which fields are looked for; deeper ones are ignored.
const DEEPEST: usize = 6;
/// Most different keys that are remembered; others are looked up each time.
const MOST_KEYS: usize = 4_096;
/// Rank of an object or array in the place of a field: anything else is better.
const NO_SCALAR: u16 = u16::MAX - 1;
/// Keys under which wrappers of log lines keep the line, which may be JSON itself.
const LINES: [&str; 8] =
    ["log", "message", "@message", "msg", "MESSAGE", "line", "body", "properties"];

/// The keys of an input that stand for fields, as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct Layout<K> {
    keys: HashMap<String, Option<Column>>,
    /// Those of the object before, by their places.
    places: KeyPlaces<Option<Column>>,
    /// The keys that the configuration names.
    pub map: ColumnMap,
    /// The fields that some object had.
    pub seen: [bool; MAX_FIELDS],
    /// Keys with another name than their field that were found since the last object.
    pub renamed: Vec<(&'static str, String)>,
    kind: PhantomData<K>,
}

impl<K: Kind> Layout<K> {
    /// No keys yet.
    pub fn new() -> Self {
        let (keys, places, renamed) = (HashMap::new(), KeyPlaces::new(), Vec::new());
        let map = ColumnMap::default();
        Self { keys, places, map, seen: [false; MAX_FIELDS], renamed, kind: PhantomData }
    }

    /// The field of a key of an object that is in no other object.
    fn top_column(&mut self, key: &str) -> Option<Column> {
        let own = K::place(key).filter(|_| self.map.is_empty()).map(|place| Column {
            place,
            rank: 0,
            factor: 1.0,
            is_grpc: false,
            is_mapped: false,
        });
        own.or_else(|| self.column(key))
    }

    /// The field of a key with its path.
    fn column(&mut self, path: &str) -> Option<Column> {
        if let Some(known) = self.keys.get(path) {
            return *known;
        }
        let column = self.map.column_of::<K>(path);
        if self.keys.len() < MOST_KEYS {
            self.keys.insert(path.to_owned(), column);
            if let Some(column) = column.filter(Column::is_renamed)
                && let Some(field) = K::FIELDS.get(column.place).copied()
            {
                // a named key is the one that counts, so it is noted first
                let at = if column.is_mapped { 0 } else { self.renamed.len() };
                self.renamed.insert(at, (field, path.to_owned()));
            }
        }
        column
    }

    /// Adds the configured service to an object without one. Returns a field that no object so far had, of
    /// those without which a request cannot be judged.
    pub fn complete(&mut self, fields: &mut Fields<'_, K>) -> Option<&'static str> {
        if let (Some(service), Some(place)) = (self.map.service(), K::place("service"))
            && let (Some(value), Some(seen)) =
                (fields.values.get_mut(place), self.seen.get_mut(place))
            && value.is_blank()
        {
            *value = Scalar::Text(Cow::Owned(service.to_owned()));
            *seen = true;
        }
        let needed = K::KIND == RecordKind::Requests;
        let mut fields = K::FIELDS.iter().zip(self.seen).take(K::NEEDED);
        fields.find(|(_, seen)| needed && !seen).map(|(field, _)| *field)
    }
}

/// The values of a line's object in the order of [`Kind::FIELDS`].
#[derive(Debug)]
pub(super) struct Fields<'a, K> {
    pub values: [Scalar<'a>; MAX_FIELDS],
    ranks: [u16; MAX_FIELDS],
    /// Milliseconds of one unit of the latency or duration.
    pub factor: f64,
    /// Whether the status is a gRPC code.
    pub is_grpc: bool,
    kind: PhantomData<K>,
}

impl<K: Kind> Fields<'_, K> {
    /// The value of a field as text.
    pub fn written(&self, name: &str) -> String {
        match K::place(name).and_then(|at| self.values.get(at)) {
            Some(Scalar::Text(text)) => text.to_string(),
            Some(Scalar::Integer(value)) => value.to_string(),
            Some(Scalar::Float(value)) => value.to_string(),
            Some(Scalar::Flag(value)) => value.to_string(),
            Some(Scalar::Other(kind)) => (*kind).to_owned(),
            Some(Scalar::Missing) | None => String::new(),
        }
    }

    /// The service; empty where it is missing or no text.
    pub fn service(&self) -> &str {
        let value = K::place("service").and_then(|at| self.values.get(at));
        value.and_then(|value| value.text().ok()).unwrap_or_default()
    }

    pub fn detail(&self, name: &str) -> String {
        match K::place(name).and_then(|at| self.values.get(at)) {
            None | Some(Scalar::Missing) => format!("{name} is missing"),
            Some(Scalar::Text(text)) if text.is_empty() => format!("{name} is empty"),
            Some(Scalar::Text(text)) => format!("{name} = {text:?}"),
            Some(Scalar::Integer(value)) => format!("{name} = {value}"),
            Some(Scalar::Float(value)) => format!("{name} = {value}"),
            Some(Scalar::Flag(value)) => format!("{name} = {value}"),
            Some(Scalar::Other(kind)) => format!("{name} is {kind}"),
        }
    }
}

impl<'a, K: Kind> Fields<'a, K> {
    /// Reads the object of a line.
    ///
    /// # Errors
    ///
    /// The text is no JSON object.
    pub fn read(text: &'a str, layout: &mut Layout<K>) -> serde_json::Result<Self> {
        let mut fields = Self::missing();
        let mut json = serde_json::Deserializer::from_str(text);
        let object = Object { fields: &mut fields, layout, prefix: "", depth: 0 };
        object.deserialize(&mut json)?;
        json.end()?;
        fields.number_to_text();
        Ok(fields)
    }

    const fn missing() -> Self {
        Self {
            values: [const { Scalar::Missing }; MAX_FIELDS],
            ranks: [u16::MAX; MAX_FIELDS],
            factor: 1.0,
            is_grpc: false,
            kind: PhantomData,
        }
    }

    /// Reads the members of an object, as [`read`](Self::read) reads its text.
    ///
    /// # Errors
    ///
    /// A number is out of range.
    pub fn of_members(members: &Members<'a>, layout: &mut Layout<K>) -> serde_json::Result<Self> {
        let mut fields = Self::missing();
        let mut places = std::mem::replace(&mut layout.places, KeyPlaces::new());
        let mut read = || {
            for (place, (key, value)) in members.0.iter().enumerate() {
                let column = places.get(place, key, || layout.top_column(key));
                Object { fields: &mut fields, layout, prefix: "", depth: 0 }.member(
                    key,
                    column,
                    value.get(),
                )?;
            }
            Ok(())
        };
        let outcome = read();
        layout.places = places;
        outcome.map(|()| {
            fields.number_to_text();
            fields
        })
    }

    /// Writes integers of ids, levels and versions as text.
    fn number_to_text(&mut self) {
        for (field, value) in K::FIELDS.iter().zip(&mut self.values) {
            if let Scalar::Integer(number) = *value
                && K::NUMBERED.contains(field)
            {
                *value = Scalar::Text(Cow::Owned(number.to_string()));
            }
        }
    }

    /// Sets a field unless a better key has set it. Of equal keys the last one counts, and a value
    /// is better than none.
    fn set(&mut self, column: Column, value: Scalar<'a>) {
        let Column { place, rank, factor, is_grpc, .. } = column;
        let (Some(known), Some(best)) = (self.values.get_mut(place), self.ranks.get_mut(place))
        else {
            return;
        };
        let better = match (value.is_missing(), known.is_missing()) {
            (true, false) => rank == *best,
            (false, true) => true,
            _ => rank <= *best || *best == NO_SCALAR,
        };
        if better {
            (*known, *best) = (value, rank);
            let field = K::FIELDS.get(place).copied().unwrap_or_default();
            if matches!(field, "latency_ms" | "duration_ms") {
                self.factor = factor;
            } else if field == "status_code" {
                self.is_grpc = is_grpc;
            }
        }
    }

    /// Adds the fields of a line that stands as text in a wrapper.
    fn add_line(&mut self, line: &str, layout: &mut Layout<K>) {
        let Ok(inner) = Fields::<K>::read(line, layout) else { return };
        let (factor, is_grpc) = (inner.factor, inner.is_grpc);
        for (place, (value, rank)) in inner.values.into_iter().zip(inner.ranks).enumerate() {
            if !value.is_missing() {
                let is_mapped = false;
                self.set(Column { place, rank, factor, is_grpc, is_mapped }, value.into_owned());
            }
        }
    }
}

/// Reads an object into fields.
struct Object<'f, 'de, K> {
    fields: &'f mut Fields<'de, K>,
    layout: &'f mut Layout<K>,
    /// The path of the object, with a dot behind it.
    prefix: &'f str,
    depth: usize,
}

impl<'de, K: Kind> DeserializeSeed<'de> for Object<'_, 'de, K> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for Object<'_, 'de, K> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
            let column = if self.depth == 0 {
                self.layout.top_column(&key)
            } else {
                self.layout.column(&format!("{}{key}", self.prefix))
            };
            self.member(&key, column, value.get()).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

impl<'de, K: Kind> Object<'_, 'de, K> {
    /// Reads a key and its value.
    fn member(
        &mut self,
        key: &str,
        column: Option<Column>,
        raw: &'de str,
    ) -> serde_json::Result<()> {
        // the value of a field's own name is read at once, unless it is an object
        if let Some(column) = column.filter(|column| column.rank == 0) {
            self.mark(column);
            if !raw.starts_with('{') {
                self.fields.set(column, Scalar::of_json(raw)?);
                return Ok(());
            }
            let object = Column { rank: NO_SCALAR, ..column };
            self.fields.set(object, Scalar::Other("an object"));
        }
        self.read_raw(key, column, raw);
        Ok(())
    }

    fn mark(&mut self, column: Column) {
        if let Some(seen) = self.layout.seen.get_mut(column.place) {
            *seen = true;
        }
    }

    /// Reads the value of a key that is not a field's own name.
    fn read_raw(&mut self, key: &str, column: Option<Column>, raw: &'de str) {
        let is_object = raw.starts_with('{');
        if is_object && self.depth < DEEPEST {
            let prefix = format!("{}{key}.", self.prefix);
            let object = Object {
                fields: &mut *self.fields,
                layout: &mut *self.layout,
                prefix: &prefix,
                depth: self.depth + 1,
            };
            // the text is valid JSON already; a number out of range only ends this object
            let _ = object.deserialize(&mut serde_json::Deserializer::from_str(raw));
            return;
        }
        if is_object || raw.starts_with('[') {
            return;
        }
        let is_line = self.depth == 0 && LINES.contains(&key) && raw.starts_with("\"{");
        if column.is_none() && !is_line {
            return;
        }
        let Ok(value) = Scalar::of_json(raw) else { return };
        if is_line && let Scalar::Text(line) = &value {
            self.fields.add_line(line.trim_ascii(), self.layout);
        }
        if let Some(column) = column {
            self.mark(column);
            self.fields.set(column, value);
        }
    }
}
