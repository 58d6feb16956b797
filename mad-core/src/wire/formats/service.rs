//! The service of records: named by an option, by the content, or by the file.

use super::FormatOptions;
use crate::limits::MAX_NAME_BYTES;

/// Names of files that say nothing about a service.
const GENERIC: &[&str] = &[
    "access",
    "access_log",
    "access-log",
    "error",
    "log",
    "logs",
    "other_vhosts_access",
    "server",
    "requests",
    "request",
    "results",
    "simulation",
    "result",
    "output",
    "out",
    "stdout",
    "stderr",
    "stdin",
    "data",
    "app",
    "application",
    "json",
    "test",
    "",
];
/// Endings of file names that say nothing about a service.
const ENDINGS: &[&str] = &[
    ".gz",
    ".zst",
    ".zstd",
    ".log",
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".ldjson",
    ".csv",
    ".tsv",
    ".jtl",
    ".xml",
    ".cri",
    ".docker",
    ".pb",
    ".out",
    ".access",
    "-access",
    "_access",
    "-access_log",
    "-json",
    "_log",
];

/// Decides about the service of each record.
#[derive(Debug, Clone)]
pub(super) struct Services {
    /// The service of all records.
    fixed: Option<String>,
    /// The service of records that name none.
    otherwise: String,
}

impl Services {
    /// `tool` is the name of last resort, such as `nginx`.
    pub fn new(options: &FormatOptions, tool: &str) -> Self {
        let fixed = options.service.clone().filter(|name| is_name(name));
        let configured = options.map.service().filter(|name| is_name(name));
        let otherwise = configured.map_or_else(|| of_file(&options.name, tool), str::to_owned);
        Self { fixed, otherwise }
    }

    /// Sets the service of records that name none; nothing where `name` is empty.
    pub fn set_otherwise(&mut self, name: &str) {
        if is_name(name) && name != self.otherwise {
            name.clone_into(&mut self.otherwise);
        }
    }

    /// The service of a record that names `stated`, which may be empty.
    #[inline]
    pub fn of<'a>(&'a self, stated: &'a str) -> &'a str {
        match &self.fixed {
            Some(fixed) => fixed,
            None if stated.is_empty() || !is_name(stated) => &self.otherwise,
            None => stated,
        }
    }

    /// The service of a record whose file cannot name one: empty instead of a name of last resort.
    pub fn stated<'a>(&'a self, stated: &'a str) -> &'a str {
        self.fixed.as_deref().unwrap_or(stated)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

/// The service that the name of a file suggests: `cart-access.log.gz` is of `cart`, and
/// `POD_NAMESPACE_CONTAINER-ID.log` of its container.
fn of_file(name: &str, tool: &str) -> String {
    let mut rest = name.trim();
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| strip(rest, ending)) {
        rest = shorter;
    }
    // a rotated log: access.log.1, access.log-20260106
    let digits = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(shorter) = digits.strip_suffix(".log.").or_else(|| digits.strip_suffix(".log-")) {
        rest = shorter;
    }
    let mut parts = rest.split('_');
    if let (Some(_), Some(_), Some(container), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
        && let Some((container, id)) = container.rsplit_once('-')
        && id.len() == 64
    {
        rest = container;
    }
    let is_generic = GENERIC.iter().any(|known| known.eq_ignore_ascii_case(rest));
    if is_generic || !is_name(rest) { tool.to_owned() } else { rest.to_owned() }
}

fn strip<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(ending.len())?;
    let (head, tail) = (name.get(..at)?, name.get(at..)?);
    tail.eq_ignore_ascii_case(ending).then_some(head)
}

/// The name of a host without its port; empty for an address.
pub(super) fn host_name(host: &str) -> &str {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let is_address = host.starts_with('[')
        || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        || host.matches(':').count() > 1;
    if is_address || name == "-" || name == "localhost" { "" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_services() {
        let id = "0".repeat(64);
        let pod = format!("cart-6d5f_shop_web-{id}.log");
        for (name, service) in [
            ("cart.json.log.gz", "cart"),
            ("cart-access.log", "cart"),
            ("access.log", "nginx"),
            ("access.log.1", "nginx"),
            ("shop.log-20260106.gz", "shop"),
            ("", "nginx"),
            (pod.as_str(), "web"),
        ] {
            assert_eq!(of_file(name, "nginx"), service, "{name}");
        }
        assert_eq!(host_name("details:9080"), "details");
        assert_eq!(
            (host_name("10.0.0.1:80"), host_name("[::1]:80"), host_name("::1")),
            ("", "", "")
        );
    }
}
