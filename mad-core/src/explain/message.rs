//! A message: an English sentence with its key and its placeholders.

/// A sentence or a part of one: its key, its placeholders and its English text.
///
/// A message that counts has the placeholder `n` first and two texts. The first one is for `1`.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The key in catalogues: `summary.whole`.
    pub key: &'static str,
    /// The names that its text has in braces, each once.
    pub placeholders: &'static [&'static str],
    /// The English text for one of what it counts; `None` for a message that does not count.
    pub one: Option<&'static str>,
    /// The English text; that for other numbers than 1, for a message that counts.
    pub text: &'static str,
}
