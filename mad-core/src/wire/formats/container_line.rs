//! The lines that container runtimes write around the lines of a container.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::format::FileFormat;
use super::log_time::leading_time;
use super::syslog::{first_frame, syslog};
use super::text_level::level_in;
use super::wrapped::Wrapped;

/// `time stdout|stderr P|F text` of the container runtime interface.
pub(super) fn cri(line: &str) -> Option<Wrapped<'_>> {
    let mut parts = line.splitn(4, ' ');
    let (time, stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
    let is_time = time.len() >= 20 && time.as_bytes().get(10) == Some(&b'T');
    let tag = tag.split(':').next().unwrap_or_default();
    (is_time && matches!(stream, "stdout" | "stderr") && matches!(tag, "P" | "F")).then(|| {
        Wrapped {
            stream: Cow::Borrowed(stream),
            is_partial: tag == "P",
            ..Wrapped::new(time, "", parts.next().unwrap_or_default())
        }
    })
}

/// A line of Docker's json-file driver, or of a forwarder that keeps the line in `log`.
#[derive(Deserialize)]
pub(super) struct DockerLine<'a> {
    #[serde(borrow, alias = "message", alias = "msg")]
    pub log: Cow<'a, str>,
    #[serde(borrow, default)]
    pub stream: Cow<'a, str>,
    #[serde(borrow, default, alias = "date", alias = "@timestamp", alias = "timestamp")]
    pub time: Option<&'a RawValue>,
}

/// `2026-01-06T10:00:00.123456789Z text` of `kubectl logs --timestamps`, perhaps behind the name of a
/// pod.
pub(super) fn kubectl(line: &str) -> Option<Wrapped<'_>> {
    let (container, line) = pod_prefix(line).unwrap_or(("", line));
    let (time, text) = line.split_once(' ')?;
    let is_time = time.len() >= 20 && time.ends_with('Z') && time.as_bytes().get(10) == Some(&b'T');
    // loggers write seconds or milliseconds
    let is_time = is_time && (time.len() >= 24 || !container.is_empty());
    is_time.then(|| Wrapped::new(time, container, text))
}

/// `[pod/cart-0/web] text` of `kubectl logs --prefix`, and `web-1  | text` of Compose: the container
/// and the text.
pub(super) fn pod_prefix(line: &str) -> Option<(&str, &str)> {
    if let Some(inner) = line.strip_prefix("[pod/") {
        let (pod, rest) = inner.split_once("] ")?;
        return Some((pod.rsplit('/').next()?, rest));
    }
    if let Some(found) = stern(line) {
        return Some(found);
    }
    let (name, rest) = line.split_once(" | ")?;
    let name = name.trim_end();
    let is_name = !name.is_empty()
        && name.len() < 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    is_name.then(|| {
        (name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_']), rest)
    })
}

/// `cart-7d9f5-x2v4k web text` of stern: the container and the text. The name of a pod ends with a
/// number or with five letters and digits, and a time or JSON follows.
fn stern(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ' ');
    let (pod, container, text) = (parts.next()?, parts.next()?, parts.next()?);
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let (_, id) = pod.rsplit_once('-')?;
    let is_id = id.len() == 5 || (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    let is_content = text.starts_with('{') || leading_time(text).is_some();
    (is_id && is_name(pod) && is_name(container) && is_content).then_some((container, text))
}

/// The runtime that wrote a line.
pub(super) fn runtime_of(line: &str) -> Option<FileFormat> {
    if cri(line).is_some() {
        Some(FileFormat::Cri)
    } else if syslog(first_frame(line).0).is_some() {
        Some(FileFormat::Syslog)
    } else if line.starts_with('{') && line.contains("\"log\"") {
        let found = serde_json::from_str::<DockerLine<'_>>(line).ok()?;
        found.time.is_some().then_some(FileFormat::Docker)
    } else if pod_prefix(line).is_some() || kubectl(line).is_some_and(|line| !is_of_logger(&line)) {
        Some(FileFormat::Kubectl)
    } else {
        None
    }
}

/// Whether a level follows the time, as loggers write it. Lines without a time then belong to the
/// record before, which kubectl does not write.
fn is_of_logger(line: &Wrapped<'_>) -> bool {
    let first = line.text.split_ascii_whitespace().next().unwrap_or_default();
    !level_in(first).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logger_writes_its_level_after_the_time() {
        let of = |line: &str| runtime_of(line);
        assert_eq!(of("2026-01-06T10:00:00.123Z  INFO 1 --- [main] c.e.App : Started"), None);
        assert_eq!(of("2026-01-06T10:00:00.123456Z ERROR pay::api: failed"), None);
        assert_eq!(of("2026-01-06T10:00:00.123456Z ready"), Some(FileFormat::Kubectl));
        assert_eq!(of("[pod/pay-0/web] 2026-01-06T10:00:00.123456Z x"), Some(FileFormat::Kubectl));
    }
}
