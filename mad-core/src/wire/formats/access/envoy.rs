//! The text log of Envoy and Istio.

use super::tokens::{Form, Token, Tokens};
use super::{Access, Target};
use crate::telemetry::RequestTime;
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::FormatOptions;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::{Services, host_name};

/// Most parts behind the flags that are looked at.
const PARTS: usize = 24;

/// The parts of a line.
struct EnvoyLine<'a> {
    time: &'a str,
    request: &'a str,
    code: i32,
    flags: &'a str,
    duration: f64,
    authority: &'a str,
    upstream: &'a str,
    cluster: &'a str,
}

impl<'a> EnvoyLine<'a> {
    /// The parts of `[time] "METHOD path protocol" code flags ... received sent duration upstream
    /// "forwarded" "agent" "id" "authority" "host" cluster ...`. Istio writes three or four more
    /// parts behind the flags, so the byte counts and the duration are found as three numbers.
    fn split(line: &'a str) -> Option<Self> {
        let (time, rest) = line.strip_prefix('[')?.split_once(']')?;
        let mut tokens = Tokens::new(rest);
        let request = tokens.next().filter(|token| token.form == Form::Quoted)?.text;
        let code = tokens.next()?.text.parse().ok()?;
        let flags = tokens.next()?.text;
        let parts: Vec<Token<'a>> = tokens.take(PARTS).collect();
        let is_number = |at: usize| {
            parts.get(at).is_some_and(|part| {
                part.form == Form::Word
                    && !part.text.is_empty()
                    && part.text.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let counts = (0..parts.len()).find(|at| is_number(*at) && is_number(at + 1))?;
        let text = |at: usize| parts.get(counts + at).map_or("", |part| part.text);
        Some(Self {
            time,
            request,
            code,
            flags,
            duration: text(2).parse().unwrap_or(f64::NAN),
            authority: text(7),
            upstream: text(8),
            cluster: text(9),
        })
    }

    /// The called service: that of the cluster, else of the authority.
    fn service(&self) -> &'a str {
        let of_cluster = cluster_service(self.cluster);
        if of_cluster.is_empty() { host_service(self.authority) } else { of_cluster }
    }
}

/// The service of `outbound|9080||details.shop.svc.cluster.local`, or of a plain cluster.
pub(in crate::wire::formats) fn cluster_service(cluster: &str) -> &str {
    if cluster == "-" || cluster.is_empty() {
        return "";
    }
    match cluster.rsplit_once('|') {
        Some((_, host)) => host_service(host),
        None if cluster.contains(['/', ':']) => "",
        None => cluster,
    }
}

/// The service of a host within a cluster of Kubernetes: its first label.
fn host_service(host: &str) -> &str {
    let name = host_name(host);
    let is_internal = name.contains(".svc") || !name.contains('.');
    if is_internal { name.split('.').next().unwrap_or_default() } else { name }
}

/// Whether a line has this format.
pub(in crate::wire::formats) fn is_envoy(line: &str) -> bool {
    EnvoyLine::split(line).is_some()
}

/// Reads the text log of Envoy.
#[derive(Debug)]
pub(in crate::wire::formats) struct EnvoyReader {
    services: Services,
    zone: ZonePolicy,
}

impl EnvoyReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "envoy"), zone: options.zone }
    }
}

impl LineReader for EnvoyReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(line) = EnvoyLine::split(text) else {
            out.refuse(text, position);
            return;
        };
        let Some(time) = out.time(Timestamp::parse(line.time, self.zone), line.time, position)
        else {
            return;
        };
        let host =
            if line.upstream == "-" || line.upstream.contains('/') { "" } else { line.upstream };
        Access {
            status: Some(line.code),
            latency_ms: line.duration,
            is_aborted: line.flags.split(',').any(|flag| flag == "DC"),
            host,
            ..Access::new(time, self.services.of(line.service()), Target::of_line(line.request))
        }
        .give(position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_name_services() {
        assert_eq!(cluster_service("outbound|9080||details.shop.svc.cluster.local"), "details");
        assert_eq!(cluster_service("inbound|9080||"), "");
        assert_eq!(cluster_service("shop"), "shop");
        assert_eq!(
            (host_service("api.example.com:443"), host_service("cart:80")),
            ("api.example.com", "cart")
        );
    }
}
