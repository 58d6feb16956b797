//! Single values of JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json_members::plain_text;
use super::number;
use super::value::{Value, time_reason};
use crate::telemetry::{RejectReason, Status};
use crate::time::{TimeError, Timestamp, ZonePolicy};

/// A JSON value as a field of a record can use it.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    /// No such key, or null.
    Missing,
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// A value that no field may have, described for the rejection.
    Other(&'static str),
}

impl<'a> Scalar<'a> {
    /// The value that a valid JSON text states.
    ///
    /// # Errors
    ///
    /// A number is out of range.
    pub fn of_json(raw: &'a str) -> serde_json::Result<Self> {
        match plain_text(raw) {
            Some(text) => Ok(Self::Text(Cow::Borrowed(text))),
            None => serde_json::from_str(raw),
        }
    }
}

impl Scalar<'_> {
    /// Whether nothing is there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Whether nothing is there but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Text(text) => text.trim_ascii().is_empty(),
            _ => false,
        }
    }

    /// The same without borrowed text.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Missing => Scalar::Missing,
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Self::Integer(value) => Scalar::Integer(value),
            Self::Float(value) => Scalar::Float(value),
            Self::Flag(value) => Scalar::Flag(value),
            Self::Other(kind) => Scalar::Other(kind),
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
            Self::Text(text) if !text.trim_ascii().is_empty() => {
                let text = text.trim_ascii();
                number::decimal(text).or_else(|| number::with_commas(text))
            }
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Missing | Self::Text(_) => return Ok(None),
            Self::Flag(_) | Self::Other(_) => None,
        };
        number.map(Some).ok_or(wrong)
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
