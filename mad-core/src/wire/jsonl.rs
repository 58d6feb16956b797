//! Requests from JSON Lines.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lines::{Piece, Splitter};
use super::{FIELDS, number, shown, time_reason, too_long};
use crate::error::Result;
use crate::telemetry::{RejectReason, Rejections, Request};
use crate::time::{TimeError, Timestamp, ZonePolicy};

/// The decoder of [`Format::JsonLines`](super::Format::JsonLines).
#[derive(Debug, Clone)]
pub(super) struct JsonLinesDecoder {
    splitter: Splitter,
    zone: ZonePolicy,
}

impl JsonLinesDecoder {
    pub(super) fn new(zone: ZonePolicy) -> Self {
        Self { splitter: Splitter::new(false), zone }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.splitter.held_bytes()
    }

    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Request<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let zone = self.zone;
        self.splitter.feed(bytes, &mut |piece| {
            take(piece, zone, sink, rejections);
            Ok(())
        })
    }

    pub(super) fn finish(
        &mut self,
        sink: &mut impl FnMut(Request<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let zone = self.zone;
        self.splitter.finish(&mut |piece| {
            take(piece, zone, sink, rejections);
            Ok(())
        })
    }
}

fn take(
    piece: Piece<'_>,
    zone: ZonePolicy,
    sink: &mut impl FnMut(Request<'_>, u64),
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
    match serde_json::from_str::<Fields<'_>>(text) {
        Ok(fields) => match fields.request(zone) {
            Ok(request) => sink(request, line),
            Err((reason, name)) => rejections.add(reason, line, || fields.detail(name)),
        },
        Err(error) => {
            let cut = !ended && error.is_eof();
            let reason = if cut { RejectReason::Truncated } else { RejectReason::BadJson };
            rejections.add(reason, line, || {
                // the text is one line, so only the column of "at line 1 column 7" tells anything
                error.to_string().replace("line 1 column", "column")
            });
        }
    }
}

/// The values of a line's object in the order of [`FIELDS`].
struct Fields<'a>([Scalar<'a>; FIELDS.len()]);

/// A JSON value as far as a request can use it.
enum Scalar<'a> {
    /// No such key, or null.
    Missing,
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    /// Something no field may be.
    Other(&'static str),
}

impl Fields<'_> {
    fn request(&self, zone: ZonePolicy) -> Result<Request<'_>, (RejectReason, &'static str)> {
        let [timestamp, service, endpoint, status, latency, request_id] = &self.0;
        let request = Request {
            timestamp: timestamp.time(zone).map_err(|reason| (reason, "timestamp"))?,
            service: service.name().map_err(|reason| (reason, "service"))?,
            endpoint: endpoint.name().map_err(|reason| (reason, "endpoint"))?,
            status_code: status.status().map_err(|reason| (reason, "status_code"))?,
            latency_ms: latency.latency().map_err(|reason| (reason, "latency_ms"))?,
            request_id: match request_id {
                Scalar::Missing => None,
                Scalar::Text(text) if text.is_empty() => None,
                Scalar::Text(text) => Some(text),
                _ => return Err((RejectReason::BadName, "request_id")),
            },
        };
        request.check()?;
        Ok(request)
    }

    fn detail(&self, name: &str) -> String {
        let at = FIELDS.iter().position(|field| *field == name);
        match at.and_then(|at| self.0.get(at)) {
            None | Some(Scalar::Missing) => format!("{name} is missing"),
            Some(Scalar::Text(text)) if text.is_empty() => format!("{name} is empty"),
            Some(Scalar::Text(text)) => format!("{name} = {text:?}"),
            Some(Scalar::Integer(value)) => format!("{name} = {value}"),
            Some(Scalar::Float(value)) => format!("{name} = {value}"),
            Some(Scalar::Other(kind)) => format!("{name} is {kind}"),
        }
    }
}

impl Scalar<'_> {
    fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason> {
        let time = match self {
            Self::Text(text) if !text.trim_ascii().is_empty() => Timestamp::parse(text, zone),
            Self::Integer(value) => Timestamp::from_epoch(*value),
            Self::Float(value) => Timestamp::from_epoch_f64(*value),
            Self::Other(_) => Err(TimeError::Malformed),
            Self::Missing | Self::Text(_) => return Err(RejectReason::MissingField),
        };
        time.map_err(time_reason)
    }

    fn name(&self) -> Result<&str, RejectReason> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Missing => Err(RejectReason::MissingField),
            _ => Err(RejectReason::BadName),
        }
    }

    fn status(&self) -> Result<i64, RejectReason> {
        let status = match self {
            Self::Text(text) if !text.trim_ascii().is_empty() => number::status(text.trim_ascii()),
            Self::Integer(value) => Some(*value),
            Self::Float(value) if value.fract() == 0.0 => Some(*value as i64),
            Self::Missing | Self::Text(_) => return Err(RejectReason::MissingField),
            _ => None,
        };
        status.ok_or(RejectReason::BadStatus)
    }

    fn latency(&self) -> Result<f64, RejectReason> {
        let latency = match self {
            Self::Text(text) if !text.trim_ascii().is_empty() => number::decimal(text.trim_ascii()),
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Missing | Self::Text(_) => return Err(RejectReason::MissingField),
            Self::Other(_) => None,
        };
        latency.ok_or(RejectReason::BadLatency)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = [const { Scalar::Missing }; FIELDS.len()];
        while let Some(Slot(slot)) = map.next_key()? {
            match fields.get_mut(slot) {
                Some(place) => *place = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let [.., id @ Scalar::Integer(_)] = &mut fields
            && let Scalar::Integer(value) = *id
        {
            *id = Scalar::Text(Cow::Owned(value.to_string()));
        }
        Ok(Fields(fields))
    }
}

/// A key's place in [`FIELDS`]; any number beyond for other keys.
struct Slot(usize);

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SlotVisitor)
    }
}

struct SlotVisitor;

impl Visitor<'_> for SlotVisitor {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Slot(FIELDS.iter().position(|field| *field == key).unwrap_or(FIELDS.len())))
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

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other("a truth value"))
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
