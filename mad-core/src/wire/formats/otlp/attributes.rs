//! Attributes of OTLP messages: what the decoders look up, and values as text.

use std::fmt::Write as _;

use crate::wire::protobuf::{Fields, Malformed, Value};

/// Deepest nesting of values that is written; deeper ones are left out.
const MAX_DEPTH: usize = 16;

/// A value of an attribute: the fields of `AnyValue`.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnyValue<'a> {
    Empty,
    Text(&'a str),
    Bool(bool),
    Integer(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// The message of an array.
    Array(&'a [u8]),
    /// The message of a list of keys and values.
    Map(&'a [u8]),
}

impl<'a> AnyValue<'a> {
    #[inline]
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut fields, mut found) = (Fields::new(message), Self::Empty);
        while let Some((number, value)) = fields.next()? {
            found = match (number, value) {
                (1, value) => Self::Text(value.text().unwrap_or_default()),
                (2, value) => Self::Bool(value.integer() != 0),
                (3, value) => Self::Integer(value.integer() as i64),
                (4, value) => Self::Double(value.double()),
                (5, Value::Bytes(array)) => Self::Array(array),
                (6, Value::Bytes(map)) => Self::Map(map),
                (7, Value::Bytes(bytes)) => Self::Bytes(bytes),
                _ => found,
            };
        }
        Ok(found)
    }

    /// Text, else nothing.
    #[inline]
    pub fn text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// A status code, as a number or as text; 0 for anything else.
    pub fn code(self) -> u16 {
        match self {
            Self::Integer(code) => u16::try_from(code).unwrap_or(0),
            Self::Double(code) if (0.0..1000.0).contains(&code) => code as u16,
            Self::Text(code) => code.trim().parse().unwrap_or(0),
            _ => 0,
        }
    }

    /// Appends the value: text as it is, everything else as JSON.
    pub fn write(self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            other => other.json(out, 0),
        }
    }

    fn json(self, out: &mut String, depth: usize) {
        match self {
            Self::Text(text) => quote(text, out),
            Self::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Self::Integer(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Double(value) if value.is_finite() => {
                let _ = write!(out, "{value}");
            }
            Self::Bytes(bytes) => {
                let _ = write!(out, "\"{} bytes\"", bytes.len());
            }
            Self::Array(message) if depth < MAX_DEPTH => {
                out.push('[');
                let (mut fields, mut first) = (Fields::new(message), true);
                while let Ok(Some((number, value))) = fields.next() {
                    if number == 1 {
                        comma(&mut first, out);
                        Self::read(value.bytes()).unwrap_or(Self::Empty).json(out, depth + 1);
                    }
                }
                out.push(']');
            }
            Self::Map(message) if depth < MAX_DEPTH => {
                out.push('{');
                let (mut fields, mut first) = (Fields::new(message), true);
                while let Ok(Some((number, value))) = fields.next() {
                    if number == 1 {
                        let (key, value) = pair(value.bytes()).unwrap_or(("", Self::Empty));
                        comma(&mut first, out);
                        quote(key, out);
                        out.push(':');
                        value.json(out, depth + 1);
                    }
                }
                out.push('}');
            }
            Self::Empty | Self::Double(_) | Self::Array(_) | Self::Map(_) => out.push_str("null"),
        }
    }
}

fn comma(first: &mut bool, out: &mut String) {
    if !*first {
        out.push(',');
    }
    *first = false;
}

/// Appends a text in quotes, escaped as JSON wants it.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A `KeyValue`.
#[inline]
pub(super) fn pair(message: &[u8]) -> Result<(&str, AnyValue<'_>), Malformed> {
    let (mut fields, mut key, mut found) = (Fields::new(message), "", AnyValue::Empty);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => key = value.text().unwrap_or_default(),
            2 => found = AnyValue::read(value.bytes())?,
            _ => {}
        }
    }
    Ok((key, found))
}

/// What a resource says about its telemetry.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Resource<'a> {
    pub service: &'a str,
    pub version: &'a str,
    /// The instance, pod, container or host, the most exact of them.
    pub host: &'a str,
    /// How exact `host` is.
    rank: u8,
}

impl<'a> Resource<'a> {
    /// A resource of a protobuf message.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut fields, mut found) = (Fields::new(message), Self::default());
        while let Some((number, value)) = fields.next()? {
            if number == 1 {
                let (key, value) = pair(value.bytes())?;
                found.set(key, value.text());
            }
        }
        Ok(found)
    }

    /// Takes an attribute.
    pub fn set(&mut self, key: &str, value: &'a str) {
        let rank = match key {
            "service.name" => {
                self.service = value;
                return;
            }
            "service.version" => {
                self.version = value;
                return;
            }
            "service.instance.id" => 4,
            "k8s.pod.name" => 3,
            "container.id" => 2,
            "host.name" => 1,
            _ => return,
        };
        if rank > self.rank && !value.is_empty() {
            (self.rank, self.host) = (rank, value);
        }
    }
}

/// The resource of a `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
pub(super) fn resource_in(message: &[u8]) -> std::result::Result<Resource<'_>, Malformed> {
    let (mut fields, mut found) = (Fields::new(message), Resource::default());
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            found = Resource::read(value.bytes())?;
        }
    }
    Ok(found)
}

/// Hands the items (spans, log records or metrics) of all scopes of such a message to `each`.
pub(super) fn each_item<'m>(
    message: &'m [u8],
    mut each: impl FnMut(&'m [u8]),
) -> std::result::Result<(), Malformed> {
    let mut scopes = Fields::new(message);
    while let Some((number, scope)) = scopes.next()? {
        // 1000 holds the scopes of versions before 1.0
        if number != 2 && number != 1000 {
            continue;
        }
        let mut items = Fields::new(scope.bytes());
        while let Some((number, item)) = items.next()? {
            if number == 2 {
                each(item.bytes());
            }
        }
    }
    Ok(())
}
