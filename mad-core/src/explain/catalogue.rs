//! Catalogues: the sentences of explanations in another language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::line::one_line;
use super::message::Message;
use super::messages;
use crate::error::{Error, Result};

/// Characters of a text, at most.
const MOST_CHARACTERS: usize = 1_000;
/// Characters of the name of a language, at most; a tag of BCP 47 rarely has more than 10.
const MOST_OF_NAME: usize = 35;

/// The sentences of explanations in one language.
///
/// English is the catalogue that every other one is compared with: a text has the placeholders of the
/// English one, each once, in any order. Messages that a catalogue lacks are in English.
///
/// # Examples
///
/// ```
/// use mad_core::explain::{Catalogue, CatalogueText, describe_signal_in};
/// use mad_core::Signal;
///
/// let text = |text: &str| CatalogueText::Whole(text.to_owned());
/// let german = Catalogue::new("de", [("signal.error_rate".to_owned(), text("Fehlerquote"))])?;
/// assert_eq!(describe_signal_in(&Signal::ErrorRate.into(), &german), "Fehlerquote");
/// assert_eq!(describe_signal_in(&Signal::P50Latency.into(), &german), "median latency");
/// assert!(german.missing().count() > 100);
///
/// let wrong = Catalogue::new("de", [("usual.value".to_owned(), text("sonst"))]);
/// assert!(wrong.unwrap_err().to_string().contains("{value}"));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    language: String,
    texts: BTreeMap<&'static str, CatalogueText>,
}

/// A text of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum CatalogueText {
    /// For every number.
    Whole(String),
    /// For a message that counts with `{n}`.
    Counted {
        /// Where `{n}` is 1.
        one: String,
        /// Where `{n}` is another number.
        other: String,
    },
}

static ENGLISH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue { language: "en".to_owned(), texts: BTreeMap::new() });

impl Catalogue {
    /// The texts of a language by their keys.
    ///
    /// # Errors
    ///
    /// The first of [`problems`](Self::problems).
    pub fn new(
        language: &str,
        texts: impl IntoIterator<Item = (String, CatalogueText)>,
    ) -> Result<Self> {
        let texts: BTreeMap<String, CatalogueText> = texts.into_iter().collect();
        if let Some(problem) = Self::problems(language, &texts).into_iter().next() {
            return Err(problem);
        }
        let known =
            texts.into_iter().filter_map(|(key, text)| Some((messages::find(&key)?.key, text)));
        Ok(Self { language: language.to_owned(), texts: known.collect() })
    }

    /// Every reason why texts are no catalogue, in the order of their keys: a key that does not exist,
    /// a placeholder that is unknown, missing or repeated, a text that is empty, too long or has control
    /// characters, two texts for a message that does not count.
    pub fn problems(language: &str, texts: &BTreeMap<String, CatalogueText>) -> Vec<Error> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_name =
            !language.is_empty() && language.len() <= MOST_OF_NAME && language.chars().all(is_part);
        let expected = "a tag such as \"de\" or \"pt-BR\"";
        let wrong =
            (!is_name).then(|| Error::config("language", format!("{language:?}"), expected));
        wrong.into_iter().chain(texts.iter().flat_map(|(key, text)| problems(key, text))).collect()
    }

    /// The built-in catalogue.
    pub fn english() -> &'static Self {
        &ENGLISH
    }

    /// The name of the language: `de`.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// The texts by key.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &CatalogueText)> {
        self.texts.iter().map(|(key, text)| (*key, text))
    }

    /// The text of a message without placeholders, such as `label.impact`; `None` for other keys.
    pub fn label(&self, key: &str) -> Option<&str> {
        let message = messages::find(key).filter(|message| message.placeholders.is_empty())?;
        Some(self.text(message, false))
    }

    /// The keys without a text. English lacks none.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        let is_english = *self == *ENGLISH;
        let keys = messages::all().map(|message| message.key);
        keys.filter(move |key| !is_english && !self.texts.contains_key(key))
    }

    /// The text of a message, or the English one.
    pub(super) fn text(&self, message: &'static Message, is_one: bool) -> &str {
        match self.texts.get(message.key) {
            Some(CatalogueText::Counted { one, .. }) if is_one => one,
            Some(CatalogueText::Whole(text) | CatalogueText::Counted { other: text, .. }) => text,
            None => message.one.filter(|_| is_one).unwrap_or(message.text),
        }
    }
}

/// The problems of one text.
fn problems(key: &str, text: &CatalogueText) -> Vec<Error> {
    let Some(message) = messages::find(key) else {
        return vec![Error::catalogue(key, "unknown", &known_like(key))];
    };
    let forms = match text {
        CatalogueText::Whole(text) => vec![(key.to_owned(), text)],
        CatalogueText::Counted { .. } if message.one.is_none() => {
            return vec![Error::catalogue(key, "two texts", "one text, because it does not count")];
        }
        CatalogueText::Counted { one, other } => {
            vec![(format!("{key}.one"), one), (format!("{key}.other"), other)]
        }
    };
    forms.into_iter().filter_map(|(at, text)| problem(message, &at, text)).collect()
}

/// The problem of a text of a message.
fn problem(message: &Message, at: &str, text: &str) -> Option<Error> {
    // a space may separate thousands
    if text.is_empty() || text.trim().is_empty() && !message.key.starts_with("number.") {
        return Some(Error::catalogue(
            at,
            "empty",
            "a text; leave the key out for the English one",
        ));
    }
    if text.chars().count() > MOST_CHARACTERS {
        return Some(Error::catalogue(at, "too long", "1,000 characters at most"));
    }
    if one_line(text) != text {
        return Some(Error::catalogue(at, "with control characters", "a text on one line"));
    }
    let mut found: Vec<&str> = Vec::new();
    for part in text.split('{').skip(1) {
        found.push(part.split_once('}').map_or("", |(name, _)| name));
    }
    found.sort_unstable();
    let mut wanted = message.placeholders.to_vec();
    wanted.sort_unstable();
    (found != wanted).then(|| {
        let names = |names: &[&str]| match names {
            [] => "none".to_owned(),
            some => format!("{{{}}}", some.join("}, {")),
        };
        let expected = format!("{}, each once", names(message.placeholders));
        Error::catalogue(at, format!("a text with the placeholders {}", names(&found)), &expected)
    })
}

/// The keys of the group of a wrong one.
fn known_like(key: &str) -> String {
    let group = key.split_once('.').map_or(key, |(group, _)| group);
    let is_near = |known: &&str| known.split_once('.').is_some_and(|(own, _)| own == group);
    let near: Vec<&str> = messages::all().map(|message| message.key).filter(is_near).collect();
    match &*near {
        [] => "a key of the English catalogue".to_owned(),
        some => format!("one of {}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(key: &str, text: CatalogueText) -> Vec<String> {
        let texts = BTreeMap::from([(key.to_owned(), text)]);
        Catalogue::problems("xx", &texts).iter().map(ToString::to_string).collect()
    }

    fn whole(text: &str) -> CatalogueText {
        CatalogueText::Whole(text.to_owned())
    }

    #[test]
    fn every_problem_names_its_key_and_a_remedy() {
        for (key, text, wanted) in [
            (
                "usual.values",
                whole("x"),
                "message `usual.values` is unknown; expected one of usual.",
            ),
            ("more", whole("x"), "a key of the English catalogue"),
            ("usual.value", whole("{valeur}"), "{valeur}; expected {value}, each once"),
            ("usual.value", whole("{value} {value}"), "expected {value}, each once"),
            ("usual.value", whole("{value"), "placeholders {}; expected {value}"),
            ("signal.latency", whole("{x}"), "expected none, each once"),
            ("signal.latency", whole(" "), "empty"),
            ("signal.latency", whole("a\nb"), "a text on one line"),
            ("signal.latency", whole(&"x".repeat(1_001)), "1,000 characters"),
        ] {
            let found = problems(key, text);
            assert!(found.len() == 1 && found.iter().all(|one| one.contains(wanted)), "{found:?}");
        }
        let two = || CatalogueText::Counted { one: "eins".to_owned(), other: "{n} x".to_owned() };
        assert!(problems("signal.latency", two()).iter().any(|one| one.contains("two texts")));
        assert!(problems("count.row", two()).iter().any(|one| one.contains("`count.row.one`")));
        assert_eq!(problems("count.row", whole("{n} x")), [""; 0]);
        for language in ["", "de_DE", "\u{e9}", &"x".repeat(36)] {
            assert_eq!(Catalogue::problems(language, &BTreeMap::new()).len(), 1, "{language}");
        }
    }

    #[test]
    fn english_messages_are_a_catalogue() {
        let texts = messages::all().map(|message| {
            let other = message.text.to_owned();
            let text = match message.one {
                Some(one) => CatalogueText::Counted { one: one.to_owned(), other },
                None => CatalogueText::Whole(other),
            };
            (message.key.to_owned(), text)
        });
        let all = Catalogue::new("en", texts).unwrap();
        assert_eq!(all.missing().count(), 0);
        assert_eq!(all.texts().count(), messages::all().count(), "a key is there twice");
        for message in messages::all() {
            let counts = message.placeholders.first() == Some(&"n");
            assert_eq!(counts, message.one.is_some(), "{}", message.key);
            assert!(!message.placeholders.contains(&"message"), "{}", message.key);
        }
    }
}
