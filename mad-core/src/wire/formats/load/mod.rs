//! Results of load tests: JMeter, k6, Locust, wrk, Gatling, vegeta, hey, ab.

mod gatling;
mod hey;
mod jmeter;
mod jmeter_xml;
mod k6;
mod locust;
mod locust_workers;
mod vegeta;
mod wrk;
mod xml_tags;

use super::access::endpoint_of;
use super::output::Output;
use super::service::{Services, host_name};
use super::{Code, Unit};
use crate::telemetry::{Record, RecordKind, Request, Status};
use crate::time::Timestamp;

pub(super) use gatling::{GatlingReader, is_gatling};
pub(super) use hey::{AbReader, HeyReader, is_ab, is_hey};
pub(super) use jmeter::{JmeterReader, is_jmeter};
pub(super) use jmeter_xml::JmeterXmlDecoder;
pub(super) use k6::{K6JsonReader, K6Reader, is_k6, is_k6_json};
pub(super) use locust::{LocustReader, LocustTable};
pub(super) use locust_workers::{WorkersReader, is_report};
pub(super) use vegeta::{VegetaReader, is_vegeta};
pub(super) use wrk::{WrkReader, is_wrk};

/// One request of a load test.
#[derive(Debug)]
struct Sample<'a> {
    time: Timestamp,
    /// The label, or the URL.
    name: &'a str,
    method: &'a str,
    url: &'a str,
    latency_ms: f64,
    code: Code,
    /// Whether the tool counts it as failed; `None` where it does not say.
    failed: Option<bool>,
}

impl Sample<'_> {
    /// Gives the sample as a unit and a record. The verdict of the tool decides whether it failed,
    /// because an assertion can fail a 200 and expect a 500.
    fn give(&self, services: &Services, position: u64, out: &mut Output<'_>) {
        let host = if self.url.is_empty() { host_of(self.name) } else { host_of(self.url) };
        let service = services.of(host);
        let path =
            if self.name.contains("://") { super::access::path_of(self.name) } else { self.name };
        let http = match self.code {
            Code::Number(code @ 100..=999) => Some(code as u16),
            _ => None,
        };
        let status = match (self.failed, http) {
            (Some(true), Some(code)) if code < 500 => Status::Failure,
            (Some(false), Some(500..) | None) => Status::Success,
            (_, Some(code)) => Status::Http(code),
            (Some(true) | None, None) => Status::NoResponse,
        };
        let endpoint: String = path.chars().filter(|c| !c.is_control()).collect();
        let request = Request::new(self.time, service, endpoint_of(&endpoint), 0, self.latency_ms);
        let request = Request { status, ..request };
        if let Err((reason, field)) = request.check() {
            out.rejections.add(reason, position, || field.to_owned());
            return;
        }
        out.sink.unit(&Unit {
            time: Some(self.time),
            service,
            status: self.code,
            is_error: matches!(http, Some(500..=599)),
            latency_ms: self.latency_ms,
            method: self.method,
            path: self.name,
            ..Unit::new(RecordKind::Requests)
        });
        out.sink.record(Record::Request(request), position);
    }
}

/// The host of a URL, without its port; empty for an address.
fn host_of(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://") else { return "" };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host_name(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

/// The last status in a message, such as `but actually found 500`.
fn code_in(message: &str) -> Code {
    let words = message.split(|c: char| !c.is_ascii_digit());
    let mut codes = words.filter(|word| word.len() == 3).filter_map(|word| word.parse().ok());
    codes.rfind(|code| (100..600).contains(code)).map_or(Code::None, Code::Number)
}

/// A status as a number, or as text that is none.
fn code_of(text: &str) -> Code {
    match text.parse() {
        Ok(code) => Code::Number(code),
        Err(_) => Code::Other,
    }
}
