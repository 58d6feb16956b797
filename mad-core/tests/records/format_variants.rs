//! Quirks of files: a line is read with the right status, latency and time, whatever they are.

use mad_core::Record;
use mad_core::telemetry::{Rejections, Status};
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::formats::{FileFormat, FormatOptions, Output, decoder};
use proptest::prelude::*;

/// A request as a test writes it.
#[derive(Debug, Clone)]
struct Facts {
    second: i64,
    status: u16,
    /// Milliseconds.
    latency: u32,
    client: &'static str,
    agent: &'static str,
    size: &'static str,
    user: &'static str,
    /// Hours east of Greenwich.
    zone: i8,
}

fn facts() -> impl Strategy<Value = Facts> {
    let client = prop::sample::select(vec!["10.0.0.7", "::1", "2001:db8::17", "fe80::1%eth0"]);
    let agents =
        vec!["curl/8.5", "-", "", r#"a \"quoted\" agent"#, "x [y] z", "é 你", r"back\\slash"];
    let agent = prop::sample::select(agents);
    let size = prop::sample::select(vec!["0", "-", "512"]);
    let user = prop::sample::select(vec!["-", "alice", "a@b.example"]);
    let seconds = 1_700_000_000_i64..1_800_000_000;
    (seconds, 200_u16..600, 1_u32..90_000, client, agent, size, user, -11_i8..13).prop_map(
        |(second, status, latency, client, agent, size, user, zone)| Facts {
            second,
            status,
            latency,
            client,
            agent,
            size,
            user,
            zone,
        },
    )
}

impl Facts {
    /// The civil time in the zone, as `2026-01-06T10:45:00`.
    fn civil(&self) -> String {
        let mut text = Vec::new();
        Timestamp::from_seconds(self.second + i64::from(self.zone) * 3600).write_civil(&mut text);
        String::from_utf8(text).unwrap()
    }

    fn offset(&self) -> String {
        let sign = if self.zone < 0 { '-' } else { '+' };
        format!("{sign}{:02}00", self.zone.unsigned_abs())
    }

    /// `06/Jan/2026:10:45:00 +0100`.
    fn clf_time(&self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let civil = self.civil();
        let month = MONTHS[civil[5..7].parse::<usize>().unwrap() - 1];
        let (day, year, clock) = (&civil[8..10], &civil[..4], &civil[11..]);
        format!("{day}/{month}/{year}:{clock} {}", self.offset())
    }

    fn nginx(&self) -> String {
        let Self { client, user, status, size, agent, latency, .. } = self;
        let seconds = f64::from(*latency) / 1e3;
        format!(
            "{client} - {user} [{}] \"GET /pay?q=%22a HTTP/1.1\" {status} {size} \"-\" \"{agent}\" rt={seconds:.3} urt=\"-\"",
            self.clf_time()
        )
    }

    fn envoy(&self) -> String {
        let Self { status, latency, .. } = self;
        let agent = self.agent.replace('"', "");
        let mut utc = Vec::new();
        Timestamp::from_seconds(self.second).write_civil(&mut utc);
        let utc = String::from_utf8(utc).unwrap();
        format!(
            "[{utc}.000Z] \"GET /pay?q=1 HTTP/1.1\" {status} - 0 63 {latency} {latency} \"-\" \"{agent}\" \"id\" \"[::1]:80\" \"[fe80::1]:81\""
        )
    }

    /// A JSON access log with the time in one of many forms.
    fn json(&self, form: usize) -> String {
        let Self { second, status, latency, .. } = self;
        let time = match form {
            0 => format!("{second}"),
            1 => format!("{second}000"),
            2 => format!("{second}000000"),
            3 => format!("{second}000000000"),
            4 => format!("{second}.0"),
            5 => format!("\"{second}.000\""),
            6 => format!("\"{}{}\"", self.civil(), self.offset()),
            _ => format!("\"{}\"", self.clf_time()),
        };
        let agent = serde_json_text(self.agent);
        format!(
            "{{\"time\":{time},\"method\":\"GET\",\"path\":\"/pay?q=1\",\"status\":\"{status}\",\"duration_ms\":{latency},\"agent\":{agent}}}"
        )
    }
}

fn serde_json_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The times in seconds, statuses and latencies of the requests of a file.
fn requests(name: &str, text: &[u8]) -> Vec<(i64, u16, u32)> {
    let format = FileFormat::detect(name, text).unwrap();
    let options = FormatOptions { name: name.to_owned(), ..FormatOptions::default() };
    let (mut found, mut rejections) = (Vec::new(), Rejections::default());
    let mut sink = |record: Record<'_>, _: u64| {
        if let Record::Request(request) = record {
            let status = if let Status::Http(code) = request.status { code } else { 0 };
            let latency = request.latency_ms.round() as u32;
            found.push((request.timestamp.nanos() / 1_000_000_000, status, latency));
        }
    };
    let mut decoder = decoder(format, &options, text).unwrap();
    let mut out = Output::new(&mut sink, &mut rejections);
    decoder.feed(text, &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn requests_are_read_whatever_surrounds_them(
        all in prop::collection::vec(facts(), 2..12),
        has_mark: bool,
        has_returns: bool,
        blank_lines: bool,
        cut in 0_usize..20,
        form in 0_usize..8,
    ) {
        let want: Vec<(i64, u16, u32)> =
            all.iter().map(|one| (one.second, one.status, one.latency)).collect();
        let end = if has_returns { "\r\n" } else { "\n" };
        let file = |line: &dyn Fn(&Facts) -> String| {
            let mut text = if has_mark { "\u{feff}".to_owned() } else { String::new() };
            for one in &all {
                text.push_str(&line(one));
                text.push_str(end);
                if blank_lines {
                    text.push_str(end);
                }
            }
            // the last line may be cut within its time
            text.push_str(line(&all[0]).get(..cut).unwrap_or_default());
            text.into_bytes()
        };
        prop_assert_eq!(requests("nginx.log", &file(&Facts::nginx)), want.clone());
        prop_assert_eq!(requests("envoy.log", &file(&Facts::envoy)), want.clone());
        prop_assert_eq!(requests("access.json", &file(&|one: &Facts| one.json(form))), want);
    }

    #[test]
    fn times_of_log_lines_are_read_in_every_form(second in 1_700_000_000_i64..1_800_000_000, millis in 0_i64..1000, zone in -11_i8..13) {
        let at = Timestamp::from_nanos((second * 1000 + millis) * 1_000_000);
        let facts = Facts {
            second, status: 0, latency: 0, client: "", agent: "", size: "", user: "", zone,
        };
        let (civil, offset) = (facts.civil(), facts.offset());
        let spaced = civil.replace('T', " ");
        for (name, line) in [
            ("a.log", format!("{civil}.{millis:03}{offset} ERROR x")),
            ("a.log", format!("{spaced},{millis:03} {offset} [ERROR] x")),
            ("a.log", format!("[{spaced}.{millis:03} {offset}] ERROR: x")),
            ("a.log", format!("time=\"{civil}.{millis:03}{offset}\" level=error msg=x")),
            ("a.log", format!("ERROR [{spaced}.{millis:03} {offset}] x")),
            ("a.json", format!("{{\"ts\":{second}.{millis:03},\"level\":\"error\",\"msg\":\"x\"}}")),
            ("a.json", format!("{{\"ts\":{},\"level\":\"error\",\"msg\":\"x\"}}", second * 1000 + millis)),
            ("a.json", format!("{{\"@timestamp\":\"{civil}.{millis:03}{offset}\",\"log\":{{\"level\":\"error\"}},\"message\":\"x\"}}")),
            ("a.json", format!("{{\"log\":\"{{\\\"ts\\\":{second}.{millis:03},\\\"level\\\":\\\"error\\\",\\\"msg\\\":\\\"x\\\"}}\\n\",\"stream\":\"stdout\",\"time\":\"2020-01-01T00:00:00Z\"}}")),
            ("a.log", format!("<11>1 {civil}.{millis:03}{}:00 web1 pay 1 - - x", &offset[..3])),
        ] {
            let text = format!("{line}\n\tat a.b(C.java:1)\n{line}\n");
            let text = if name == "a.json" { format!("{line}\n{line}\n") } else { text };
            let format = FileFormat::detect(name, text.as_bytes()).unwrap();
            let options = FormatOptions { zone: ZonePolicy::Offset(0), ..FormatOptions::default() };
            let (mut times, mut rejections) = (Vec::new(), Rejections::default());
            let mut sink = |record: Record<'_>, _: u64| {
                if let Record::Log(line) = record {
                    assert!(!line.level.is_empty(), "{text}");
                    times.push(line.timestamp);
                }
            };
            let mut decoder = decoder(format, &options, text.as_bytes()).unwrap();
            let mut out = Output::new(&mut sink, &mut rejections);
            decoder.feed(text.as_bytes(), &mut out).unwrap();
            decoder.finish(&mut out).unwrap();
            prop_assert_eq!(times, vec![at, at], "{} as {}", text, format);
        }
    }
}
