//! The records at the end of some lines whose further lines may follow.

use super::container;
use super::format::FileFormat;
use super::log_time::leading_time;
use super::wrapped::Wrapped;

/// How many bytes at the end of whole lines belong to records that may have further lines.
///
/// A log that is read while it grows can end within a record: before the lines of a stack trace, or
/// between the pieces of a long line that a container runtime wrote. A reader that passes such lines
/// on only with the lines that follow never cuts a record in two. All other formats have one record
/// a line, for which the result is 0.
///
/// # Examples
///
/// ```
/// use mad_core::wire::formats::{FileFormat, unfinished};
///
/// let lines = b"2026-01-06 10:00:00 INFO started\n2026-01-06 10:00:01 ERROR no route\n\tat a.b\n";
/// let open = unfinished(FileFormat::TextLog, lines);
/// assert_eq!(&lines[lines.len() - open..], b"2026-01-06 10:00:01 ERROR no route\n\tat a.b\n");
/// assert_eq!(unfinished(FileFormat::Nginx, lines), 0);
/// ```
pub fn unfinished(format: FileFormat, lines: &[u8]) -> usize {
    match format {
        FileFormat::TextLog | FileFormat::Kafka => open_text(lines),
        FileFormat::Cri | FileFormat::Docker | FileFormat::Kubectl | FileFormat::Syslog => {
            open_content(format, lines)
        }
        _ => 0,
    }
}

/// The bytes from the last line that begins with a time.
fn open_text(lines: &[u8]) -> usize {
    let mut open = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n').rev() {
        open += line.len();
        if std::str::from_utf8(line).is_ok_and(|line| leading_time(line).is_some()) {
            return open;
        }
    }
    open
}

/// The bytes from the first line of a container whose record has not ended.
fn open_content(runtime: FileFormat, lines: &[u8]) -> usize {
    // the first piece of a record of each stream that has begun, and whether it continues another
    let mut partial: Vec<(String, usize, bool)> = Vec::new();
    let mut record = None;
    let mut at = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        let Some(Wrapped { stream, is_partial, text, .. }) = container::unwrap(runtime, text)
        else {
            continue;
        };
        let begun = partial.iter().position(|(name, ..)| *name == stream);
        if is_partial && (begun.is_some() || partial.len() < container::MAX_STREAMS) {
            if begun.is_none() {
                partial.push((stream.into_owned(), start, container::continues(&text)));
            }
            continue;
        }
        let (start, continues) = begun.map_or_else(
            || (start, container::continues(&text)),
            |place| {
                let (_, start, continues) = partial.swap_remove(place);
                (start, continues)
            },
        );
        if record.is_none() || !continues {
            record = Some(start);
        }
    }
    let open = partial.iter().map(|(_, start, _)| *start).chain(record).min();
    open.map_or(0, |open| lines.len().saturating_sub(open))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(format: FileFormat, lines: &str) -> &str {
        &lines[lines.len() - unfinished(format, lines.as_bytes())..]
    }

    #[test]
    fn the_last_record_of_a_text_log_is_open() {
        let (first, last) = ("2026-01-06 10:00:00 a\n\tat x\n", "2026-01-06 10:00:01 b\n\tat y\n");
        for format in [FileFormat::TextLog, FileFormat::Kafka] {
            assert_eq!(open(format, &format!("{first}{last}")), last);
            assert_eq!(open(format, "\tat x\n"), "\tat x\n");
            assert_eq!(open(format, ""), "");
        }
    }

    #[test]
    fn the_pieces_of_a_container_line_are_open() {
        let line = |stream, tag, text| format!("2026-01-06T10:00:00.1Z {stream} {tag} {text}\n");
        let whole = line("stdout", "F", "whole");
        let piece = line("stderr", "P", "half");
        let lines = format!("{whole}{piece}{}", line("stdout", "F", "another"));
        assert_eq!(open(FileFormat::Cri, &lines), &lines[whole.len()..]);
        let last = line("stderr", "F", "of it");
        assert_eq!(open(FileFormat::Cri, &format!("{whole}{piece}{last}")), piece.clone() + &last);
        let trace = line("stdout", "F", "\tat a.b");
        assert_eq!(open(FileFormat::Cri, &format!("{whole}{whole}{trace}")), whole + &trace);
    }
}
