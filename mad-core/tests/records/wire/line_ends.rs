//! Lines of both formats: byte order marks, line ends, truncated, long and non-UTF-8 lines.

use mad_core::limits::MAX_LINE_BYTES;
use mad_core::telemetry::RejectReason;
use mad_core::time::ZonePolicy;
use mad_core::wire::Format;

use super::{GOOD, HEADER, Outcome, csv, decode_chunks, jsonl, object, rows};

#[test]
fn inputs_without_records() {
    for text in [HEADER, HEADER.trim_end(), &format!("\n\n{HEADER}")] {
        assert_eq!(csv(text), Outcome::default());
    }
    for text in ["", "\n \r\n", "\u{feff}"] {
        assert_eq!(jsonl(text), Outcome::default());
    }
}

#[test]
fn the_last_line_may_lack_its_end_but_not_its_fields() {
    let outcome = rows(&format!("{GOOD}{}", GOOD.trim_end()));
    assert_eq!((outcome.lines(), outcome.rejected()), (vec![2, 3], vec![]));
    let outcome = rows(&format!("{GOOD}2026-01-06T10:45:00Z,payments,/p"));
    assert_eq!(outcome.lines(), [2]);
    let want = (RejectReason::Truncated, 3, "3 fields, the header has 5");
    assert_eq!(outcome.rejected(), [want]);
    let outcome = jsonl(format!("{}{{\"timestamp\": 17676", object("x", "0")));
    assert_eq!(outcome.lines(), [1]);
    assert_eq!(outcome.rejections.count(RejectReason::Truncated), 1);
}

#[test]
fn marks_line_ends_and_blank_lines() {
    let text = format!("\u{feff}{HEADER}\n{GOOD}   \n{GOOD}\n\n").replace('\n', "\r\n");
    let outcome = csv(text);
    assert_eq!((outcome.lines(), outcome.rejected()), (vec![3, 5], vec![]));
    let text = format!("\u{feff}\n{}\n\n{}", object("x", "1"), object("y", "2"));
    let outcome = jsonl(text.replace('\n', "\r\n"));
    assert_eq!((outcome.lines(), outcome.rejected()), (vec![2, 5], vec![]));
    // half a byte order mark is text
    assert_eq!(jsonl(b"\xef\xbb").rejections.count(RejectReason::NotUtf8), 1);
    assert_eq!(jsonl(b"\xef\xbb{}").rejections.count(RejectReason::NotUtf8), 1);
}

#[test]
fn only_the_lines_that_are_not_utf8_are_rejected() {
    let bad = [b"1767696300,pay\xffments,/,200,1\n".as_slice(), b"\"\xe2\x82\n\",a,b,c,d\n"];
    for bad in bad {
        let text = [HEADER.as_bytes(), GOOD.as_bytes(), bad, GOOD.as_bytes()].concat();
        let outcome = csv(text);
        assert_eq!(outcome.rejections.count(RejectReason::NotUtf8), 1);
        assert_eq!((outcome.rows.len(), outcome.rejected()[0].1), (2, 3));
    }
    let good = object("x", "1");
    let outcome = jsonl([good.as_bytes(), b"{\"\xff\": 1}\n", good.as_bytes()].concat());
    assert_eq!(outcome.lines(), [1, 3]);
    assert_eq!(outcome.rejections.count(RejectReason::NotUtf8), 1);
}

#[test]
fn lines_at_and_over_the_limit() {
    for (over, quote) in [(0, ""), (1, ""), (0, "\""), (1, "\""), (5000, "\"")] {
        let fixed = "1767696300,a,/,200,1,".len() + 2 * quote.len();
        let pad = "x".repeat(MAX_LINE_BYTES - fixed + over);
        let text = format!(
            "timestamp,service,endpoint,status_code,latency_ms,note\n\
             1767696300,a,/,200,1,{quote}{pad}{quote}\n1767696300,a,/,200,1,\n"
        );
        let whole = decode_chunks(Format::Csv, ZonePolicy::Refuse, [text.as_bytes()]);
        let want = if over == 0 { vec![2, 3] } else { vec![3] };
        assert_eq!(whole.lines(), want, "{over} {quote}");
        assert_eq!(whole.rejections.count(RejectReason::LineTooLong), u64::from(over > 0));
        for size in [1000, MAX_LINE_BYTES - 1, MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 60] {
            let cut = decode_chunks(Format::Csv, ZonePolicy::Refuse, text.as_bytes().chunks(size));
            assert_eq!(cut, whole, "{over} {quote} {size}");
        }
    }
}

#[test]
fn a_line_of_100_mb_is_skipped_in_constant_memory() {
    for (format, head, row) in [
        (Format::Csv, format!("{HEADER}1767696300,"), GOOD.to_owned()),
        (Format::JsonLines, "\n{\"service\": \"".to_owned(), object("x", "1")),
    ] {
        let block = vec![b'a'; 100_000];
        let row = format!("\n{row}");
        let chunks = std::iter::once(head.as_bytes())
            .chain(std::iter::repeat_n(block.as_slice(), 1000))
            .chain(std::iter::once(row.as_bytes()));
        let outcome = decode_chunks(format, ZonePolicy::Refuse, chunks);
        assert_eq!(outcome.lines(), [3]);
        assert_eq!(outcome.rejected()[0].0, RejectReason::LineTooLong);
        assert_eq!((outcome.rejected()[0].1, outcome.rejections.total()), (2, 1));
    }
}
