//! Reads a file in all ways that must not change what it holds.

use mad_core::telemetry::Rejections;
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::formats::{
    FileFormat, FormatOptions, Inspection, InspectionDocument, Output, decoder,
};

/// What a file holds that was last changed at noon of 6 January 2026. Pieces of one byte have to give
/// the same, and no beginning of the file may cause a panic.
pub fn inspect(name: &str, text: &str) -> InspectionDocument {
    let format = FileFormat::detect(name, text.as_bytes())
        .unwrap_or_else(|| panic!("the format of {name} is not found"));
    let written = Timestamp::parse("2026-01-06T12:00:00Z", ZonePolicy::Refuse).ok();
    let options = FormatOptions { name: name.to_owned(), written, ..FormatOptions::default() };
    let read = |text: &str, size: usize| {
        let (mut seen, mut rejections) = (Inspection::default(), Rejections::default());
        let mut decoder = decoder(format, &options, text.as_bytes()).unwrap();
        let mut out = Output::new(&mut seen, &mut rejections);
        for piece in text.as_bytes().chunks(size) {
            decoder.feed(piece, &mut out).unwrap();
        }
        decoder.finish(&mut out).unwrap();
        seen.document(format, &rejections)
    };
    let document = read(text, text.len());
    assert_eq!(read(text, 1), document, "{name}");
    let marked = ["\u{feff}", text].concat();
    assert_eq!(FileFormat::detect(name, marked.as_bytes()), Some(format), "{name} with a mark");
    assert_eq!(read(&marked, marked.len()), document, "{name} with a mark");
    for end in (0..text.len()).step_by(11).filter(|end| text.is_char_boundary(*end)) {
        let _ = FileFormat::detect(name, &text.as_bytes()[..end]);
        let _ = read(&text[..end], 13.max(end));
    }
    document
}
