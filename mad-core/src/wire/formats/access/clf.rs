//! The Common Log Format and its many extensions: nginx, Apache, Tomcat, Traefik, ingress
//! controllers.

use super::clf_time::ClfTimes;
use super::plan::{Place, Plan, Sample, Server};
use super::tokens::{Form, Token, Tokens};
use super::{Access, Target};
use crate::telemetry::RequestTime;
use crate::time::ZonePolicy;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::{Services, host_name};
use crate::wire::formats::{FileFormat, FormatOptions};
use crate::wire::latency_of_text;

/// Lines from which the place of the latency is inferred.
const SAMPLED: usize = 300;

/// The parts of a line that every extension has.
#[derive(Debug, Clone, Copy)]
pub(in crate::wire::formats) struct ClfLine<'a> {
    /// What stands before the time: client, identity and user, perhaps a virtual host.
    prefix: &'a str,
    time: &'a str,
    request: &'a str,
    status: &'a str,
    size: &'a str,
    /// What stands after the size.
    rest: &'a str,
}

impl<'a> ClfLine<'a> {
    /// The parts of `... [29/Nov/2026:05:01:45 +0000] "GET / HTTP/1.1" 200 50 ...`.
    #[inline]
    pub fn split(line: &'a str) -> Option<Self> {
        let bytes = line.as_bytes();
        let is_time = |at: &usize| {
            let slash = |offset: usize| bytes.get(at + offset) == Some(&b'/');
            (slash(3) && slash(7)) || (slash(2) && slash(6))
        };
        let open = memchr::memchr_iter(b'[', bytes).find(is_time)?;
        let inside = line.get(open + 1..)?;
        let close = memchr::memchr(b']', inside.as_bytes())?;
        let (time, rest) = (inside.get(..close)?, inside.get(close + 1..)?);
        let mut tokens = Tokens::new(rest);
        let request = tokens.by_ref().take(6).find(|token| token.form == Form::Quoted)?.text;
        let status = tokens.next()?.text;
        let size = tokens.next().map_or("-", |token| token.text);
        let is_status = status == "-" || (status.len() == 3 && status.parse::<u16>().is_ok());
        let is_size = size.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let prefix = line.get(..open)?;
        (is_status && is_size).then_some(Self {
            prefix,
            time,
            request,
            status,
            size,
            rest: tokens.rest,
        })
    }

    /// The bucket of a line of S3, which begins with the owner's id in 64 hexadecimal digits.
    fn bucket(&self) -> Option<&'a str> {
        let (owner, bucket) = self.prefix.trim_end().split_once(' ')?;
        let is_owner = owner.len() == 64 && owner.bytes().all(|b| b.is_ascii_hexdigit());
        (is_owner && !bucket.contains(' ')).then_some(bucket)
    }

    /// The virtual host before the client, without its port.
    fn virtual_host(&self) -> &'a str {
        let words = self.prefix.split_ascii_whitespace().count();
        let first = self.prefix.split_ascii_whitespace().next().unwrap_or_default();
        if words < 4
            || first.ends_with(',')
            || first.starts_with('"')
            || !first.contains(['.', ':'])
        {
            return "";
        }
        host_name(first)
    }
}

/// Reads lines of the Common Log Format.
#[derive(Debug)]
pub(in crate::wire::formats) struct ClfReader {
    services: Services,
    zone: ZonePolicy,
    times: ClfTimes,
    plan: Plan,
    /// Whether the lines are of S3, which has the bucket before the time.
    is_s3: bool,
    request_time: Option<RequestTime>,
}

impl ClfReader {
    /// Infers the place of the latency from the first lines.
    pub fn new(format: FileFormat, options: &FormatOptions, first: &str) -> Self {
        let name = options.name.to_ascii_lowercase();
        let server = match format {
            FileFormat::Nginx => Server::Nginx,
            FileFormat::Apache if name.contains("tomcat") || name.contains("localhost_access") => {
                Server::Tomcat
            }
            FileFormat::Apache => Server::Apache,
            _ if name.contains("nginx") || name.contains("ingress") => Server::Nginx,
            _ if name.contains("tomcat") || name.contains("localhost_access") => Server::Tomcat,
            _ if name.contains("apache") || name.contains("httpd") => Server::Apache,
            _ => Server::Unknown,
        };
        let mut sample = Sample::default();
        for line in first.lines().filter_map(ClfLine::split).take(SAMPLED) {
            sample.add(line.size, Tokens::new(line.rest));
        }
        let is_s3 =
            first.lines().find_map(ClfLine::split).is_some_and(|line| line.bucket().is_some());
        let plan = if is_s3 { Plan::of_s3() } else { sample.plan(server) };
        let tool = if format == FileFormat::Combined { "web" } else { format.as_str() };
        let request_time = match server {
            Server::Nginx => Some(RequestTime::End),
            Server::Apache => Some(RequestTime::Start),
            _ => None,
        };
        let services = Services::new(options, tool);
        Self { services, zone: options.zone, times: ClfTimes::default(), plan, is_s3, request_time }
    }
}

impl LineReader for ClfReader {
    #[inline]
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(line) = ClfLine::split(text) else {
            out.refuse(text, position);
            return;
        };
        let Some(time) = out.time(self.times.parse(line.time, self.zone), line.time, position)
        else {
            return;
        };
        let (mut latency, mut stated) = (f64::NAN, "");
        if self.plan.place.is_some() {
            let at = self.plan.place.as_ref();
            for (i, token) in Tokens::new(line.rest).enumerate() {
                let found = match at {
                    Some(Place::At(wanted)) => i == *wanted && token.key.is_empty(),
                    Some(Place::Key(key)) => token.key == *key,
                    Some(Place::Unit) => has_unit(&token),
                    None => false,
                };
                if found {
                    latency = value(token.text, self.plan.factor);
                }
                if self.plan.service == Some(i) && token.text != "-" {
                    stated = token.text.split('@').next().unwrap_or_default();
                }
            }
        }
        if self.is_s3 {
            stated = line.bucket().unwrap_or_default();
        }
        if stated.is_empty() {
            stated = line.virtual_host();
        }
        let target = Target::of_line(line.request);
        Access {
            status: line.status.parse().ok(),
            latency_ms: latency,
            ..Access::new(time, self.services.of(stated), target)
        }
        .give(position, out);
    }

    fn set_service(&mut self, service: &str) {
        self.services.set_otherwise(service);
    }

    fn request_time(&self) -> Option<RequestTime> {
        self.request_time
    }

    fn notes(&self) -> Vec<String> {
        self.plan.note.iter().cloned().collect()
    }
}

/// Whether a word is a number with a unit.
fn has_unit(token: &Token<'_>) -> bool {
    let bytes = token.text.as_bytes();
    token.form == Form::Word
        && bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.last() == Some(&b's')
}

/// A latency in milliseconds; `%T/%D` is read from its microseconds.
#[inline]
fn value(text: &str, factor: f64) -> f64 {
    let text = text.split_once('/').map_or(text, |(_, micros)| micros);
    latency_of_text(text) * factor
}

/// Whether a line has this format.
pub(in crate::wire::formats) fn is_clf(line: &str) -> bool {
    ClfLine::split(line).is_some()
}
