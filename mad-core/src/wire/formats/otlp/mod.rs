//! OpenTelemetry protocol (OTLP): traces, metrics and logs as protobuf and as JSON.
//!
//! Protobuf is read by a reader of mad's own that borrows from the body, because the generated code
//! copies every attribute. Requests written after each other are one valid message, so a file may
//! hold any number of them. JSON follows the protobuf mapping with the exceptions of OTLP: ids are
//! hexadecimal, enums may be numbers or names, field names may be `lowerCamelCase` or `snake_case`.

mod attributes;
mod json;
mod json_metrics;
mod json_values;
mod logs;
mod metrics;
mod traces;

use super::memory::TelemetryMemory;
use super::naming::Naming;
use super::{FormatDecoder, FormatOptions, Output};
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT_BYTES;
use crate::telemetry::{RecordKind, RejectReason};
use crate::wire::protobuf::{Fields, Malformed, Value, first_field};

pub(super) use json::{OtlpJsonReader, is_json};
use traces::Context;

/// The signal of a body from its first item; `None` where it holds none.
///
/// The messages of the three signals have the same outer fields. A log record has a time of eight
/// bytes as field 1 or 11. A span has ids of 16 and 8 bytes as fields 1 and 2. Else it is a metric.
pub(super) fn signal(body: &[u8]) -> Option<RecordKind> {
    let mut resources = Fields::new(body);
    while let Ok(Some((1, resource))) = resources.next() {
        let mut scopes = Fields::new(resource.bytes());
        while let Ok(Some((number, scope))) = scopes.next() {
            if number != 2 && number != 1000 {
                continue;
            }
            let mut items = Fields::new(scope.bytes());
            while let Ok(Some((number, item))) = items.next() {
                if number == 2 {
                    return Some(signal_of_item(item.bytes()));
                }
            }
        }
    }
    None
}

fn signal_of_item(item: &[u8]) -> RecordKind {
    let (mut trace, mut metric) = (false, false);
    let mut fields = Fields::new(item);
    while let Ok(Some((number, value))) = fields.next() {
        match (number, value) {
            (1 | 11, Value::Fixed64(_)) => return RecordKind::Logs,
            (7 | 8, Value::Fixed64(_)) => return RecordKind::Spans,
            (1, Value::Bytes(id)) => trace = id.len() == 16,
            (2, Value::Bytes(id)) if trace && id.len() == 8 => return RecordKind::Spans,
            (5 | 7 | 9..=11, Value::Bytes(_)) => metric = true,
            _ => {}
        }
    }
    if trace && !metric { RecordKind::Spans } else { RecordKind::Metrics }
}

/// Checks that a body is a sequence of outer messages.
pub(super) fn check(body: &[u8]) -> Result<()> {
    let mut rest = body;
    while !rest.is_empty() {
        let length = first_field(rest).ok().flatten();
        let Some(after) = length.and_then(|length| rest.get(length..)) else {
            let at = body.len() - rest.len();
            return Err(Error::input(format!("the bytes from {at} on are not OTLP protobuf")));
        };
        rest = after;
    }
    Ok(())
}

/// Whether the first bytes of a file are OTLP protobuf.
pub(super) fn is_protobuf(first: &[u8]) -> bool {
    if first.first() != Some(&0x0a) || first_field(first).is_err() {
        return false;
    }
    // the first `Resource…` may be longer than the bytes that are known
    let end = first_field(first).ok().flatten().unwrap_or(first.len());
    let mut outer = first.get(..end).unwrap_or(first);
    for _ in 0..2 {
        let Some(rest) = outer.get(1..) else { return false };
        let length = rest.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        outer = rest.get(length..).unwrap_or_default();
        if !matches!(outer.first(), Some(0x0a | 0x12)) {
            return false;
        }
    }
    true
}

/// Reads OTLP protobuf.
#[derive(Debug)]
pub(super) struct OtlpDecoder {
    naming: Naming,
    memory: TelemetryMemory,
    signal: Option<RecordKind>,
    /// Bytes of a message that is not complete.
    held: Vec<u8>,
    position: u64,
    failed: Option<Error>,
}

impl OtlpDecoder {
    pub fn new(options: &FormatOptions) -> Self {
        Self {
            naming: Naming::new(options),
            memory: TelemetryMemory::default(),
            signal: options.kind,
            held: Vec::new(),
            position: 0,
            failed: None,
        }
    }

    /// Reads the complete messages of `bytes`; returns how many bytes they have.
    fn read(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let length = first_field(rest).map_err(|Malformed| self.not_otlp())?;
            let Some(length) = length else { break };
            let message = rest.get(..length).unwrap_or_default();
            at += length;
            self.message(message, out);
        }
        Ok(at)
    }

    fn message(&mut self, message: &[u8], out: &mut Output<'_>) {
        let Ok(Some((1, resource))) = Fields::new(message).next() else { return };
        let Some(signal) = self.signal.or_else(|| signal(message)) else { return };
        self.signal = Some(signal);
        let mut to = Context {
            naming: &self.naming,
            out: Output::new(out.sink, out.rejections),
            memory: &mut self.memory,
            position: &mut self.position,
        };
        let read = match signal {
            RecordKind::Spans => traces::resource_spans(resource.bytes(), &mut to),
            RecordKind::Logs => logs::resource_logs(resource.bytes(), &mut to),
            _ => metrics::resource_metrics(resource.bytes(), &mut to),
        };
        if read.is_err() {
            *to.position += 1;
            to.malformed("resource");
        }
    }

    fn not_otlp(&self) -> Error {
        Error::input(format!("the bytes after item {} are not OTLP protobuf", self.position))
    }

    fn failing(&mut self, outcome: Result<()>) -> Result<()> {
        self.failed = outcome.as_ref().err().cloned();
        outcome
    }
}

impl FormatDecoder for OtlpDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.held.is_empty() {
            let outcome = self.read(bytes, out);
            if let Ok(at) = outcome {
                self.held.extend_from_slice(bytes.get(at..).unwrap_or_default());
            }
            return self.failing(outcome.map(drop));
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let outcome = self.read(&held, out);
        if let Ok(at) = outcome {
            self.held = held;
            self.held.drain(..at);
        }
        let outcome = outcome.and_then(|_| {
            if self.held.len() <= MAX_DOCUMENT_BYTES {
                return Ok(());
            }
            let most = MAX_DOCUMENT_BYTES >> 20;
            Err(Error::input(format!("one OTLP message is longer than {most} MiB")))
        });
        self.failing(outcome)
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !std::mem::take(&mut self.held).is_empty() {
            self.position += 1;
            out.rejections.add(RejectReason::Truncated, self.position, || {
                "the input ends within a message".to_owned()
            });
        }
        Ok(())
    }

    fn swap_memory(&mut self, memory: &mut TelemetryMemory) {
        std::mem::swap(&mut self.memory, memory);
    }
}
