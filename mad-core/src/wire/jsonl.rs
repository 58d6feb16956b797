//! The decoder of JSON Lines: one object with the fields of a record on each line.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::kind::{Kind, MAX_FIELDS};
use super::lines::{Piece, Splitter};
use super::number;
use super::text::{shown, too_long};
use super::value::{Value, time_reason};
use crate::error::Result;
use crate::telemetry::{RejectReason, Rejections, Status};
use crate::time::{TimeError, Timestamp, ZonePolicy};

/// The decoder of [`Format::JsonLines`](super::Format::JsonLines).
#[derive(Debug, Clone)]
pub(super) struct JsonLinesDecoder<K> {
    splitter: Splitter,
    zone: ZonePolicy,
    kind: PhantomData<K>,
}

impl<K: Kind> JsonLinesDecoder<K> {
    pub(super) fn new(zone: ZonePolicy) -> Self {
        Self { splitter: Splitter::new(false), zone, kind: PhantomData }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.splitter.held_bytes()
    }

    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let zone = self.zone;
        self.splitter.feed(bytes, &mut |piece| {
            take::<K>(piece, zone, sink, rejections);
            Ok(())
        })
    }

    pub(super) fn finish(
        &mut self,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let zone = self.zone;
        self.splitter.finish(&mut |piece| {
            take::<K>(piece, zone, sink, rejections);
            Ok(())
        })
    }
}

fn take<K: Kind>(
    piece: Piece<'_>,
    zone: ZonePolicy,
    sink: &mut impl FnMut(K::Record<'_>, u64),
    rejections: &mut Rejections,
) {
    let (line, bytes, ended) = match piece {
        Piece::Record { line, bytes, ended, .. } => (line, bytes.trim_ascii(), ended),
        Piece::TooLong { line } | Piece::Unclosed { line } => {
            rejections.add(RejectReason::LineTooLong, line, too_long);
            return;
        }
    };
    if bytes.is_empty() {
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        rejections.add(RejectReason::NotUtf8, line, || shown(bytes));
        return;
    };
    match serde_json::from_str::<Fields<'_, K>>(text) {
        Ok(fields) => match K::record(&fields.values, zone) {
            Ok(record) => {
                if let Some((doubt, name)) = K::doubt(&record) {
                    rejections.remark(doubt, line, || fields.written(name));
                }
                sink(record, line);
            }
            Err((reason, name)) => rejections.add(reason, line, || fields.detail(name)),
        },
        Err(error) => {
            let cut = !ended && error.is_eof();
            let reason = if cut { RejectReason::Truncated } else { RejectReason::BadJson };
            rejections.add(reason, line, || {
                // the text is one line, so only the column of "at line 1 column 7" is useful
                error.to_string().replace("line 1 column", "column")
            });
        }
    }
}

/// The values of a line's object in the order of [`Kind::FIELDS`].
struct Fields<'a, K> {
    values: [Scalar<'a>; MAX_FIELDS],
    kind: PhantomData<K>,
}

/// A JSON value as a field of a record can use it.
enum Scalar<'a> {
    /// No such key, or null.
    Missing,
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// A value that no field may have, described for the rejection.
    Other(&'static str),
}

impl<K: Kind> Fields<'_, K> {
    /// The value of a field as text.
    fn written(&self, name: &str) -> String {
        match K::place(name).and_then(|at| self.values.get(at)) {
            Some(Scalar::Text(text)) => text.to_string(),
            Some(Scalar::Integer(value)) => value.to_string(),
            Some(Scalar::Float(value)) => value.to_string(),
            Some(Scalar::Flag(value)) => value.to_string(),
            Some(Scalar::Other(kind)) => (*kind).to_owned(),
            Some(Scalar::Missing) | None => String::new(),
        }
    }

    fn detail(&self, name: &str) -> String {
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

impl Value for Scalar<'_> {
    fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason> {
        let time = match self {
            Self::Text(text) if !text.trim_ascii().is_empty() => Timestamp::parse(text, zone),
            Self::Integer(value) => Timestamp::from_epoch(*value),
            Self::Float(value) => Timestamp::from_epoch_f64(*value),
            Self::Flag(_) | Self::Other(_) => Err(TimeError::Malformed),
            Self::Missing | Self::Text(_) => return Err(RejectReason::MissingField),
        };
        time.map_err(time_reason)
    }

    fn text(&self) -> Result<&str, RejectReason> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Missing => Ok(""),
            _ => Err(RejectReason::BadName),
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Text(text) => Status::parse(text),
            Self::Integer(value) => Status::from(*value),
            Self::Float(value) => Status::from_number(*value),
            Self::Flag(true) => Status::Success,
            Self::Flag(false) => Status::Failure,
            Self::Missing => Status::NoResponse,
            Self::Other(_) => Status::Unknown,
        }
    }

    fn latency(&self) -> f64 {
        match self {
            Self::Text(text) => number::latency_of_text(text),
            Self::Integer(value) => number::latency_of(*value as f64),
            Self::Float(value) => number::latency_of(*value),
            Self::Flag(_) | Self::Missing | Self::Other(_) => f64::NAN,
        }
    }

    fn number(&self, wrong: RejectReason) -> Result<Option<f64>, RejectReason> {
        let number = match self {
            Self::Text(text) if !text.trim_ascii().is_empty() => number::decimal(text.trim_ascii()),
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Missing | Self::Text(_) => return Ok(None),
            Self::Flag(_) | Self::Other(_) => None,
        };
        number.map(Some).ok_or(wrong)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Fields<'de, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(PhantomData))
    }
}

struct FieldsVisitor<K>(PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for FieldsVisitor<K> {
    type Value = Fields<'de, K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { Scalar::Missing }; MAX_FIELDS];
        while let Some(place) = map.next_key_seed(Place::<K>(PhantomData))? {
            match place.and_then(|place| values.get_mut(place)) {
                Some(value) => *value = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        for (field, value) in K::FIELDS.iter().zip(&mut values) {
            if let Scalar::Integer(number) = *value
                && K::NUMBERED.contains(field)
            {
                *value = Scalar::Text(Cow::Owned(number.to_string()));
            }
        }
        Ok(Fields { values, kind: PhantomData })
    }
}

/// Reads a key as its place in [`Kind::FIELDS`]; `None` for other keys.
struct Place<K>(PhantomData<K>);

impl<'de, K: Kind> DeserializeSeed<'de> for Place<K> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<K: Kind> Visitor<'_> for Place<K> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(K::place(key))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(value))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}
