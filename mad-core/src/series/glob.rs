//! Patterns of names with wildcards.

use std::fmt;
use std::str::Chars;

use serde::{Deserialize, Serialize};

/// A pattern of names. `*` matches any number of characters, including slashes and none. `?` matches
/// exactly one character, and every other character matches itself. The default `*` matches all names.
///
/// # Examples
///
/// ```
/// use mad_core::series::Glob;
///
/// let glob = Glob::new("/cart*");
/// assert!(glob.matches("/cart") && glob.matches("/cart/add"));
/// assert!(!glob.matches("/Cart"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// A pattern from its text. Every text is a pattern; the empty text matches only the empty name.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `*`.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it matches the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        // the pattern after the last star, and the rest of the name where it was tried
        let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match pattern.next() {
                Some('*') => {
                    star = Some((pattern.clone(), before));
                    continue;
                }
                Some(wanted) if rest.next().is_some_and(|c| wanted == '?' || wanted == c) => {
                    continue;
                }
                None if rest.as_str().is_empty() => return true,
                _ => {}
            }
            // no match: the last star takes one more character
            let Some((after, from)) = &mut star else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, rest) = (after.clone(), from.clone());
        }
    }
}

impl Default for Glob {
    fn default() -> Self {
        Self::new("*")
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_whole_names() {
        for (pattern, name, wanted) in [
            ("*", "", true),
            ("*", "/a/b", true),
            ("", "", true),
            ("", "a", false),
            ("pay*", "payments", true),
            ("pay*", "repay", false),
            ("*ay*s", "payments", true),
            ("*ay*s", "payment", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("?", "", false),
            ("**a**", "a", true),
            ("*aab", "aaaab", true),
            ("/item/{id}", "/item/{id}", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), wanted, "{pattern} {name}");
        }
    }

    fn simple(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|i| simple(rest, &name[i..])),
            ([p, rest @ ..], [c, tail @ ..]) => (*p == '?' || p == c) && simple(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab?*]{0,8}", name in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                Glob::new(pattern.as_str()).matches(&name),
                simple(&chars(&pattern), &chars(&name))
            );
        }
    }
}
