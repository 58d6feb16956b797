//! Phrases as text in a language, and from files.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::catalogue::Catalogue;
use super::messages;
use super::phrase::{KEY, Phrase};

/// Placeholders for names, lists of names and times: a version `2.4` looks like a number.
const NAMES: [&str; 22] = [
    "callee", "caller", "change", "end", "ended", "entity", "first", "last", "length", "metric",
    "most", "name", "next", "place", "service", "signal", "since", "start", "template", "time",
    "what", "when",
];

/// Writes a text. A number, with a unit or without, gets the separators of the language.
fn write_number(text: &str, catalogue: &Catalogue, out: &mut String) {
    let separators = ["number.thousands", "number.decimal"].map(|key| catalogue.label(key));
    let [Some(thousands), Some(decimal)] = separators else { return out.push_str(text) };
    let unsigned = text.trim_start_matches('-');
    let end = unsigned.find(|c: char| !matches!(c, '0'..='9' | ',' | '.'));
    let (number, unit) =
        end.and_then(|end| unsigned.split_at_checked(end)).unwrap_or((unsigned, ""));
    let is_number = is_written_number(number) && (unit.is_empty() || unit.starts_with(' '));
    if !is_number || (thousands, decimal) == (",", ".") {
        return out.push_str(text);
    }
    if unsigned.len() < text.len() {
        out.push('-');
    }
    for c in number.chars() {
        match c {
            ',' => out.push_str(thousands),
            '.' => out.push_str(decimal),
            digit => out.push(digit),
        }
    }
    out.push_str(unit);
}

/// Whether a text is a number as English writes it: `5,387` or `0.25`.
fn is_written_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut groups = whole.split(',');
    let first = groups.next().is_some_and(digits);
    first && digits(fraction) && groups.all(|group| group.len() == 3 && digits(group))
}

impl Phrase {
    /// The text in the language of a catalogue. Messages that it lacks are in English.
    pub fn in_language(&self, catalogue: &Catalogue) -> String {
        let mut out = String::new();
        self.write(catalogue, &mut out);
        out
    }

    /// The text in English.
    pub fn english(&self) -> String {
        self.in_language(Catalogue::english())
    }

    fn write(&self, catalogue: &Catalogue, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Sentences(parts) => {
                for (place, part) in parts.iter().enumerate() {
                    if place > 0 {
                        out.push(' ');
                    }
                    part.write(catalogue, out);
                }
            }
            Self::Message(message, values) => {
                let is_one = matches!(values.first(), Some(Self::Text(number)) if number == "1");
                let is_one = is_one && message.one.is_some();
                let mut parts = catalogue.text(message, is_one).split('{');
                out.push_str(parts.next().unwrap_or_default());
                for part in parts {
                    let (name, rest) = part.split_once('}').unwrap_or((part, ""));
                    let place = message.placeholders.iter().position(|known| *known == name);
                    match place.and_then(|place| values.get(place)) {
                        Some(Self::Text(text)) if !NAMES.contains(&name) => {
                            write_number(text, catalogue, out);
                        }
                        Some(value) => value.write(catalogue, out),
                        None => {}
                    }
                    out.push_str(rest);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Phrase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Reads a phrase of a file.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Phrase;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of sentences, or a message with its placeholders")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Phrase, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Phrase, A::Error> {
        let mut out = Vec::new();
        while let Some(part) = parts.next_element()? {
            out.push(part);
        }
        Ok(Phrase::Sentences(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Phrase, A::Error> {
        let mut found: Vec<(String, Phrase)> = Vec::new();
        while let Some(field) = fields.next_entry()? {
            found.push(field);
        }
        let key = found.iter().find(|(name, _)| name == KEY);
        let message = key.and_then(|(_, key)| match key {
            Phrase::Text(key) => messages::find(key),
            _ => None,
        });
        let message = message.ok_or_else(|| de::Error::custom("unknown message"))?;
        let mut values = Vec::with_capacity(message.placeholders.len());
        for name in message.placeholders {
            let place = found.iter().position(|(known, _)| known == name);
            let place = place.ok_or_else(|| de::Error::missing_field(name))?;
            values.push(found.swap_remove(place).1);
        }
        Ok(Phrase::Message(message, values))
    }
}

#[cfg(test)]
mod tests {
    use crate::explain::{Catalogue, CatalogueText, Phrase};

    fn written(phrase: &str, texts: &[(&str, &str)]) -> String {
        let texts = texts.iter();
        let texts =
            texts.map(|(key, text)| ((*key).to_owned(), CatalogueText::Whole((*text).into())));
        let phrase: Phrase = serde_json::from_str(phrase).unwrap();
        phrase.in_language(&Catalogue::new("de", texts).unwrap())
    }

    #[test]
    fn numbers_have_the_separators_of_the_language() {
        let german = [("number.thousands", "."), ("number.decimal", ",")];
        for (value, expected) in [
            ("5,387 ms", "5.387 ms"),
            ("20.8 %", "20,8 %"),
            ("-1,234,567.25", "-1.234.567,25"),
            ("17", "17"),
            // no numbers
            ("2.4.1", "2.4.1"),
            ("1,2", "1,2"),
            ("1.5-rc1", "1.5-rc1"),
            ("", ""),
            ("-", "-"),
            (".5", ".5"),
        ] {
            let phrase = format!(r#"{{"message": "usual.value", "value": "{value}"}}"#);
            assert_eq!(written(&phrase, &german), format!("usual {expected}"));
            assert_eq!(written(&phrase, &[]), format!("usual {value}"));
        }
        let french = [("number.thousands", "\u{202f}"), ("number.decimal", ",")];
        let phrase = r#"{"message": "count.row", "n": "1,204"}"#;
        assert_eq!(written(phrase, &french), "1\u{202f}204 rows");
    }

    /// A version or a name that looks like a number is written as it is.
    #[test]
    fn names_keep_their_signs() {
        let german = [("number.thousands", "."), ("number.decimal", ",")];
        let phrase = r#"{"message": "action.roll_back", "name": "2.4", "service": "1,000"}"#;
        assert_eq!(
            written(phrase, &german),
            "Roll back version 2.4 of 1,000, or send its requests to another version."
        );
        let phrase = r#"{"message": "list.and", "most": "2.4", "last": "2.5"}"#;
        assert_eq!(written(phrase, &german), "2.4 and 2.5");
    }
}
