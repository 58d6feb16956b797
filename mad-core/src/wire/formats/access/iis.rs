//! Logs in the W3C extended format: IIS, and CloudFront with tabs.

use super::{Access, Target};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::FormatOptions;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::{Services, host_name};

/// The columns that IIS logs by default, for content without a header.
const DEFAULT: &str = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
    cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";

/// Places of the columns that are read.
#[derive(Debug, Clone, Default)]
struct Columns {
    count: usize,
    date: Option<usize>,
    time: Option<usize>,
    method: Option<usize>,
    stem: Option<usize>,
    status: Option<usize>,
    taken: Option<usize>,
    site: Option<usize>,
    host: Option<usize>,
    computer: Option<usize>,
}

impl Columns {
    fn of(names: &str) -> Self {
        let names: Vec<&str> = names.split_ascii_whitespace().collect();
        let at = |wanted: &[&str]| {
            wanted
                .iter()
                .find_map(|wanted| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
        };
        Self {
            count: names.len(),
            date: at(&["date"]),
            time: at(&["time"]),
            method: at(&["cs-method"]),
            stem: at(&["cs-uri-stem", "cs-uri"]),
            status: at(&["sc-status"]),
            taken: at(&["time-taken"]),
            site: at(&["s-sitename"]),
            host: at(&["cs-host", "cs(Host)", "x-host-header"]),
            computer: at(&["s-computername"]),
        }
    }
}

/// Whether a line has the default columns of IIS.
pub(in crate::wire::formats) fn is_iis(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let date = words.next().is_some_and(|date| date.len() == 10 && date.matches('-').count() == 2);
    let time = words.next().is_some_and(|time| time.len() == 8 && time.matches(':').count() == 2);
    date && time && line.split_ascii_whitespace().count() == 15
}

/// Reads logs in the W3C extended format. Their times are UTC.
#[derive(Debug)]
pub(in crate::wire::formats) struct IisReader {
    services: Services,
    columns: Columns,
}

impl IisReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "iis"), columns: Columns::of(DEFAULT) }
    }
}

impl LineReader for IisReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        if let Some(directive) = text.strip_prefix('#') {
            if let Some(names) = directive.strip_prefix("Fields:") {
                self.columns = Columns::of(names);
            }
            return;
        }
        let columns = &self.columns;
        let fields: Vec<&str> = if text.contains('\t') {
            text.split('\t').collect()
        } else {
            text.split_ascii_whitespace().collect()
        };
        let field = |at: Option<usize>| {
            let value = at.and_then(|at| fields.get(at)).copied().unwrap_or_default();
            if value == "-" { "" } else { value }
        };
        if fields.len() != columns.count {
            out.refuse(text, position);
            return;
        }
        let written = format!("{} {}", field(columns.date), field(columns.time));
        let Some(time) =
            out.time(Timestamp::parse(&written, ZonePolicy::Offset(0)), &written, position)
        else {
            return;
        };
        let taken = field(columns.taken);
        // CloudFront writes seconds with a fraction
        let factor = if taken.contains('.') { 1000.0 } else { 1.0 };
        let host = host_name(field(columns.host));
        let stated = if host.is_empty() { field(columns.site) } else { host };
        Access {
            status: field(columns.status).parse().ok(),
            latency_ms: taken.parse().map_or(f64::NAN, |taken: f64| taken * factor),
            host: field(columns.computer),
            ..Access::new(
                time,
                self.services.of(stated),
                Target::new(field(columns.method), field(columns.stem)),
            )
        }
        .give(position, out);
    }
}
