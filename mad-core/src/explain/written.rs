//! Phrases as text in a language, and from files.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::catalogue::Catalogue;
use super::messages;
use super::phrase::{KEY, Phrase};

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
                    if let Some(value) = place.and_then(|place| values.get(place)) {
                        value.write(catalogue, out);
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
