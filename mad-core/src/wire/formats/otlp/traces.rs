//! Spans of OTLP protobuf messages, read without a copy.

use super::super::Output;
use super::super::memory::TelemetryMemory;
use super::super::naming::{Naming, cut, optional};
use super::super::trace_span::TraceSpan;
use super::attributes::{AnyValue, Resource, each_item, pair, resource_in};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RejectReason, SpanKind};
use crate::time::Timestamp;
use crate::wire::protobuf::{Fields, Malformed, Value};

/// What the items of one message need beside their bytes.
pub(super) struct Context<'a> {
    pub naming: &'a Naming,
    pub out: Output<'a>,
    pub memory: &'a mut TelemetryMemory,
    /// Items so far.
    pub position: &'a mut u64,
}

impl Context<'_> {
    /// Counts an item that is not protobuf.
    pub fn malformed(&mut self, item: &str) {
        self.out.rejections.add(RejectReason::Truncated, *self.position, || {
            format!("the {item} is not valid protobuf")
        });
    }
}

/// The text of the ids of one span.
struct Ids {
    trace: [u8; 32],
    span: [u8; 16],
    parent: [u8; 16],
}

/// Nanoseconds of a message as a time; `None` where it is missing or beyond the year 2262.
#[inline]
pub(super) fn time(nanos: u64) -> Option<Timestamp> {
    let nanos = i64::try_from(nanos).ok().filter(|nanos| *nanos > 0)?;
    Some(Timestamp::from_nanos(nanos)).filter(|time| time.is_accepted())
}

/// The duration in milliseconds between two times in nanoseconds; NaN where the end is missing or
/// before the start.
#[inline]
pub(super) fn duration_ms(start: u64, end: u64) -> f64 {
    if end == 0 || end < start { f64::NAN } else { (end - start) as f64 / 1e6 }
}

/// The digits of an id of `N / 2` bytes that is not zero.
#[inline]
pub(super) fn hex<'i, const N: usize>(id: &[u8], out: &'i mut [u8; N]) -> Option<&'i str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if id.len() * 2 != N || id.iter().all(|byte| *byte == 0) {
        return None;
    }
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(id) {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    std::str::from_utf8(out).ok()
}

/// The spans of one `ResourceSpans`.
pub(super) fn resource_spans(message: &[u8], to: &mut Context<'_>) -> Result<(), Malformed> {
    let resource = resource_in(message)?;
    let mut ids = Ids { trace: [0; 32], span: [0; 16], parent: [0; 16] };
    // the version is that of the resource: it is noted at the time of the first span
    let mut noted = false;
    each_item(message, |message| {
        *to.position += 1;
        match span(message, &resource, &mut ids, to) {
            Ok(Some(start)) if !noted => {
                noted = true;
                let service = to.naming.service(resource.service);
                to.memory.version(service, resource.version, start, to.out.sink);
            }
            Ok(_) => {}
            Err(Malformed) => to.malformed("span"),
        }
    })
}

fn span(
    message: &[u8],
    resource: &Resource<'_>,
    ids: &mut Ids,
    to: &mut Context<'_>,
) -> Result<Option<Timestamp>, Malformed> {
    let (mut trace_id, mut span_id, mut parent_id): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let (mut start, mut end, mut code) = (0_u64, 0_u64, 0_u64);
    let mut events: Option<&[u8]> = None;
    let mut span = TraceSpan {
        service: resource.service,
        host: resource.host,
        version: resource.version,
        ..TraceSpan::default()
    };
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => trace_id = value.bytes(),
            2 => span_id = value.bytes(),
            4 => parent_id = value.bytes(),
            5 => span.operation = value.text().unwrap_or_default(),
            6 => span.kind = kind(value.integer()),
            7 => start = value.integer(),
            8 => end = value.integer(),
            9 => attribute(value.bytes(), &mut span)?,
            11 => events = events.or(Some(message)),
            15 => code = status(value.bytes())?,
            _ => {}
        }
    }
    let (Some(trace), Some(id)) = (hex(trace_id, &mut ids.trace), hex(span_id, &mut ids.span))
    else {
        to.out.rejections.add(RejectReason::MissingField, *to.position, || {
            "trace_id or span_id is missing, zero or not of 16 and 8 bytes".to_owned()
        });
        return Ok(None);
    };
    span.parent_id = hex(parent_id, &mut ids.parent);
    (span.trace_id, span.span_id) = (trace, id);
    (span.start, span.duration_ms) = (time(start), duration_ms(start, end));
    span.is_error = code == 2;
    if code == 1 {
        span.http_status = 0;
    }
    span.give(to.naming, *to.position, &mut to.out);
    if let Some(message) = events {
        exceptions(message, &span, to)?;
    }
    Ok(span.start)
}

pub(super) const fn kind(number: u64) -> SpanKind {
    match number {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unknown,
    }
}

fn status(message: &[u8]) -> Result<u64, Malformed> {
    let (mut fields, mut code) = (Fields::new(message), 0);
    while let Some((number, value)) = fields.next()? {
        if number == 3 {
            code = value.integer();
        }
    }
    Ok(code)
}

/// Takes what a record needs of an attribute. Most attributes are passed over by their key.
#[inline]
fn attribute<'a>(message: &'a [u8], span: &mut TraceSpan<'a>) -> Result<(), Malformed> {
    let mut fields = Fields::new(message);
    let Some((1, Value::Bytes(key))) = fields.next()? else { return Ok(()) };
    if !matches!(key.first(), Some(b'h' | b'p' | b'd' | b'm' | b's')) {
        return Ok(());
    }
    let Ok(key) = std::str::from_utf8(key) else { return Ok(()) };
    if !is_known(key) {
        return Ok(());
    }
    set(span, key, pair(message)?.1);
    Ok(())
}

fn is_known(key: &str) -> bool {
    matches!(
        key,
        "http.response.status_code"
            | "http.status_code"
            | "http.route"
            | "peer.service"
            | "db.system"
            | "db.system.name"
            | "messaging.system"
            | "service.name"
    )
}

/// Sets the field of a span that an attribute describes.
pub(super) fn set<'a>(span: &mut TraceSpan<'a>, key: &str, value: AnyValue<'a>) {
    match key {
        "http.response.status_code" | "http.status_code" => span.http_status = value.code(),
        "http.route" => span.route = value.text(),
        "peer.service" => span.peer = Some(value.text()).filter(|peer| !peer.is_empty()),
        "db.system" | "db.system.name" | "messaging.system" if span.peer.is_none() => {
            span.peer = Some(value.text()).filter(|peer| !peer.is_empty());
        }
        _ => {}
    }
}

/// Log lines of the exceptions that a span recorded.
fn exceptions(message: &[u8], span: &TraceSpan<'_>, to: &mut Context<'_>) -> Result<(), Malformed> {
    let mut fields = Fields::new(message);
    while let Some((number, event)) = fields.next()? {
        if number != 11 {
            continue;
        }
        let (mut at, mut name) = (0, "");
        let (mut kind, mut text) = (AnyValue::Empty, AnyValue::Empty);
        let mut fields = Fields::new(event.bytes());
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => at = value.integer(),
                2 => name = value.text().unwrap_or_default(),
                3 => match pair(value.bytes())? {
                    ("exception.type", value) => kind = value,
                    ("exception.message", value) => text = value,
                    _ => {}
                },
                _ => {}
            }
        }
        if name == "exception" {
            exception(time(at), [kind.text(), text.text()], span, to);
        }
    }
    Ok(())
}

/// The log line of an exception, dated by the span where it has no time.
pub(super) fn exception(
    at: Option<Timestamp>,
    [kind, text]: [&str; 2],
    span: &TraceSpan<'_>,
    to: &mut Context<'_>,
) {
    let Some(at) = at.or(span.start) else { return };
    let body = format!("{}: {kind}: {text}", span.operation);
    let (service, host) = (optional(to.naming.service(span.service)), optional(span.host));
    let line = LogLine::new(at, &service, "ERROR", cut(&body, MAX_LINE_BYTES));
    let record = Record::Log(LogLine { trace_id: Some(span.trace_id), host: &host, ..line });
    if record.check().is_ok() {
        to.out.sink.record(record, *to.position);
    }
}
