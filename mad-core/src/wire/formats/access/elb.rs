//! Access logs of the load balancers of AWS: application (ALB) and classic (CLB).

use super::tokens::Tokens;
use super::{Access, Target};
use crate::telemetry::RequestTime;
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::{FileFormat, FormatOptions};

/// Types of requests with which the lines of an application load balancer begin.
const TYPES: [&str; 6] = ["http", "https", "h2", "grpcs", "ws", "wss"];

/// The parts of a line.
struct ElbLine<'a> {
    time: &'a str,
    balancer: &'a str,
    target: &'a str,
    /// Seconds of the request, the target and the response; -1 where there was none.
    seconds: [&'a str; 3],
    status: &'a str,
    request: &'a str,
    group: &'a str,
    is_typed: bool,
}

impl<'a> ElbLine<'a> {
    /// Fields are only ever added at the end, so that those behind the known ones are ignored.
    fn split(line: &'a str) -> Option<Self> {
        let mut tokens = Tokens::new(line).map(|token| token.text);
        let first = tokens.next()?;
        let is_typed = TYPES.contains(&first);
        let time = if is_typed { tokens.next()? } else { first };
        let is_time = time.len() >= 20 && time.as_bytes().get(10) == Some(&b'T');
        let balancer = tokens.next().filter(|_| is_time)?;
        let (_client, target) = (tokens.next()?, tokens.next()?);
        let seconds = [tokens.next()?, tokens.next()?, tokens.next()?];
        if !seconds.iter().all(|one| one.parse::<f64>().is_ok() || *one == "-") {
            return None;
        }
        let status = tokens.next()?;
        let (_target_status, _received, _sent) = (tokens.next()?, tokens.next()?, tokens.next()?);
        let request = tokens.next()?;
        let (_agent, _cipher, _protocol) = (tokens.next(), tokens.next(), tokens.next());
        let group = tokens.next().filter(|_| is_typed).unwrap_or_default();
        Some(Self { time, balancer, target, seconds, status, request, group, is_typed })
    }

    /// The sum of the three times in ms; NaN where one is missing.
    fn latency(&self) -> f64 {
        let seconds = self.seconds.iter().map(|one| one.parse().unwrap_or(-1.0));
        let parts: [f64; 3] = {
            let mut parts = [0.0; 3];
            parts.iter_mut().zip(seconds).for_each(|(part, seconds)| *part = seconds);
            parts
        };
        if parts.iter().any(|part| *part < 0.0) {
            f64::NAN
        } else {
            1e3 * parts.iter().sum::<f64>()
        }
    }

    /// The name of the target group, else of the load balancer.
    fn service(&self) -> &'a str {
        let group = self.group.split_once("targetgroup/").map(|(_, rest)| rest);
        let name = group.or_else(|| self.balancer.split_once('/').map(|(_, rest)| rest));
        name.unwrap_or(self.balancer).split('/').next().unwrap_or_default()
    }
}

/// The format of a line.
pub(in crate::wire::formats) fn elb_format(line: &str) -> Option<FileFormat> {
    let found = ElbLine::split(line)?;
    Some(if found.is_typed { FileFormat::Alb } else { FileFormat::Clb })
}

/// Reads the access log of a load balancer.
#[derive(Debug)]
pub(in crate::wire::formats) struct ElbReader {
    services: Services,
    zone: ZonePolicy,
}

impl ElbReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-balancer"), zone: options.zone }
    }
}

impl LineReader for ElbReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(line) = ElbLine::split(text) else {
            out.refuse(text, position);
            return;
        };
        let Some(time) = out.time(Timestamp::parse(line.time, self.zone), line.time, position)
        else {
            return;
        };
        let status = if line.status == "-" { 0 } else { line.status.parse().unwrap_or(0) };
        Access {
            status: Some(status),
            latency_ms: line.latency(),
            host: if line.target == "-" { "" } else { line.target },
            ..Access::new(time, self.services.of(line.service()), Target::of_line(line.request))
        }
        .give(position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::End)
    }
}
