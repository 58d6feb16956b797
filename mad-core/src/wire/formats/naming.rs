//! Names that records get where an item states none, and names that are too long.

use std::borrow::Cow;

use super::FormatOptions;
use crate::limits::MAX_NAME_BYTES;

/// The service of telemetry that names none, as the OpenTelemetry SDKs call it.
const UNKNOWN: &str = "unknown_service";

/// The services of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Naming {
    service: Option<String>,
    fallback: Option<String>,
}

impl Naming {
    pub fn new(options: &FormatOptions) -> Self {
        let fallback = options.map.service().map(str::to_owned);
        Self { service: options.service.clone(), fallback }
    }

    /// The service of records that name none, where the options give one.
    pub fn named(&self) -> Option<&str> {
        self.service.as_deref().or(self.fallback.as_deref())
    }

    /// The service of a record whose item states `stated`; it may be empty.
    pub fn service<'a>(&'a self, stated: &'a str) -> &'a str {
        if let Some(service) = &self.service {
            return service;
        }
        if stated.is_empty() { self.fallback.as_deref().unwrap_or(UNKNOWN) } else { stated }
    }
}

/// A name that records accept: `-` where it is empty, without control characters, and cut at
/// [`MAX_NAME_BYTES`].
pub(super) fn fitted(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        return Cow::Borrowed("-");
    }
    optional(name)
}

/// A name as in [`fitted`]; an empty one stays empty.
pub(super) fn optional(name: &str) -> Cow<'_, str> {
    let plain = !name.bytes().any(|byte| byte < 0x20 || byte == 0x7f || byte == 0xc2);
    if plain || !name.chars().any(char::is_control) {
        return Cow::Borrowed(cut(name, MAX_NAME_BYTES));
    }
    let clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Cow::Owned(cut(&clean, MAX_NAME_BYTES).to_owned())
}

/// At most the first `most` bytes of a text, whole characters only.
pub(super) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(fitted(""), "-");
        assert_eq!(fitted("a\nb"), "a b");
        assert_eq!(optional(""), "");
        assert_eq!(fitted(&"é".repeat(300)).len(), 512);
    }

    #[test]
    fn an_option_names_every_service() {
        let options = FormatOptions { service: Some("shop".to_owned()), ..Default::default() };
        assert_eq!(Naming::new(&options).service("cart"), "shop");
        let naming = Naming::default();
        assert_eq!([naming.service("cart"), naming.service("")], ["cart", "unknown_service"]);
    }
}
