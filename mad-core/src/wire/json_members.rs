//! The keys and values of a JSON object, split once for all that read them.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Most keys of an object whose meaning is remembered by place, and the longest of them in bytes.
const MOST_PLACES: usize = 64;
const LONGEST_KEY: usize = 128;

/// The keys and values of an object in their order. Values are not read yet.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Splits the object of a text.
    ///
    /// # Errors
    ///
    /// The text is no JSON object.
    pub fn read(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut all = Vec::with_capacity(16);
        while let Some((Key(key), value)) = map.next_entry()? {
            all.push((key, value));
        }
        Ok(Members(all))
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The text between the quotes of a JSON value; `None` where it is no text or has escapes.
pub(super) fn plain_text(raw: &str) -> Option<&str> {
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    memchr::memchr(b'\\', text.as_bytes()).is_none().then_some(text)
}

/// What the keys of objects mean, by their places: the objects of one writer mostly have the same
/// keys in the same order.
#[derive(Debug, Clone)]
pub(super) struct KeyPlaces<T>(Vec<(String, T)>);

impl<T: Copy> KeyPlaces<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The meaning of the key at a place, from `find` where the object before had another key there.
    pub fn get(&mut self, place: usize, key: &str, find: impl FnOnce() -> T) -> T {
        if let Some((known, meaning)) = self.0.get(place)
            && known == key
        {
            return *meaning;
        }
        let found = find();
        if key.len() > LONGEST_KEY {
            return found;
        }
        if let Some((known, meaning)) = self.0.get_mut(place) {
            known.clear();
            known.push_str(key);
            *meaning = found;
        } else if place == self.0.len() && place < MOST_PLACES {
            self.0.push((key.to_owned(), found));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_escapes() {
        let read = Members::read(r#" {"a": 1, "b\n": {"c": [2]}, "a": "x"} "#).unwrap();
        let all: Vec<(&str, &str)> =
            read.0.iter().map(|(key, value)| (&**key, value.get())).collect();
        assert_eq!(all, [("a", "1"), ("b\n", r#"{"c": [2]}"#), ("a", "\"x\"")]);
        for text in ["[]", "1", "{", "{\"a\":1} x", ""] {
            assert!(Members::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_text_without_escapes_is_plain() {
        assert_eq!(plain_text(r#""a b""#), Some("a b"));
        assert_eq!(plain_text(r#""""#), Some(""));
        for raw in [r#""a\"b""#, "1", "\"", "null"] {
            assert_eq!(plain_text(raw), None, "{raw}");
        }
    }

    #[test]
    fn a_meaning_is_found_again_only_for_the_same_key() {
        let (mut places, mut searches) = (KeyPlaces::new(), 0);
        for keys in [["a", "b"], ["a", "b"], ["b", "a"], ["b", "a"]] {
            for (place, key) in keys.into_iter().enumerate() {
                let found = places.get(place, key, || {
                    searches += 1;
                    key == "a"
                });
                assert_eq!(found, key == "a");
            }
        }
        assert_eq!(searches, 4);
        let long = "k".repeat(LONGEST_KEY + 1);
        assert!(places.get(0, &long, || true) && !places.get(0, "b", || true));
    }
}
