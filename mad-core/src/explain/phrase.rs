//! A text as a message with its arguments, so that a catalogue can write it in any language.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::message::Message;

/// A text that is not yet written in a language.
///
/// In files it is a text, a list of sentences, or the key of a message with its placeholders:
/// `{"message": "time.span", "start": "10:45", "end": "10:54 UTC"}`.
///
/// # Examples
///
/// ```
/// use mad_core::explain::{Catalogue, CatalogueText, Phrase};
///
/// let phrase: Phrase = serde_json::from_str(r#"{"message": "count.request", "n": "1"}"#)?;
/// assert_eq!(phrase.english(), "1 request");
/// let text = CatalogueText::Counted { one: "{n} Anfrage".into(), other: "{n} Anfragen".into() };
/// let german = Catalogue::new("de", [("count.request".to_owned(), text)])?;
/// assert_eq!(phrase.in_language(&german), "1 Anfrage");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phrase {
    /// A number with its unit, a name or a time. It is the same in every language.
    Text(String),
    /// A message, and the value of each of its placeholders in their order.
    Message(&'static Message, Vec<Phrase>),
    /// Sentences with a space between.
    Sentences(Vec<Phrase>),
}

impl Phrase {
    /// Items with one kind of join between them, and another before the last one.
    pub(super) fn joined(
        mut items: Vec<Self>,
        between: fn(Self, Self) -> Self,
        before_last: fn(Self, Self) -> Self,
    ) -> Self {
        let Some(last) = items.pop() else { return Self::Text(String::new()) };
        match items.into_iter().reduce(between) {
            Some(most) => before_last(most, last),
            None => last,
        }
    }
}

impl From<String> for Phrase {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Phrase {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Phrase> for Phrase {
    fn from(phrase: &Phrase) -> Self {
        phrase.clone()
    }
}

impl Serialize for Phrase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Sentences(parts) => parts.serialize(serializer),
            Self::Message(message, values) => {
                let mut map = serializer.serialize_map(Some(1 + values.len()))?;
                map.serialize_entry(KEY, message.key)?;
                for (name, value) in message.placeholders.iter().zip(values) {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// The field with the key of a message. No placeholder has this name.
pub(super) const KEY: &str = "message";
