//! The texts of an incident for any language, beside those in one language.

use serde::Serialize;

use super::RankingDocument;
use crate::explain::{Explanation, Phrase};

/// The texts of the explanation and of the ranking of an incident, as messages with their placeholders.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct MessagesDocument {
    #[serde(flatten)]
    pub explanation: Explanation<Phrase>,
    pub culprits: Vec<CulpritMessages>,
}

/// The texts of one culprit.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct CulpritMessages {
    pub evidence: Vec<Phrase>,
    pub log: Option<Phrase>,
}

impl MessagesDocument {
    /// The messages of an explanation and of a ranking.
    pub fn new(explanation: Explanation<Phrase>, ranking: &RankingDocument) -> Self {
        let culprits = ranking.culprits.iter().map(|culprit| CulpritMessages {
            evidence: culprit.evidence.iter().map(|one| one.phrase.clone()).collect(),
            log: culprit.log.as_ref().map(|log| log.phrase.clone()),
        });
        Self { explanation, culprits: culprits.collect() }
    }
}

/// Writes the texts of the document of an incident in the language of a catalogue.
///
/// Texts without a message stay as they are: those of documents of earlier versions, and messages that
/// this version does not know.
///
/// # Examples
///
/// ```
/// use mad_core::explain::{Catalogue, CatalogueText};
/// use mad_core::export::translate;
///
/// let mut incident = serde_json::json!({
///     "explanation": {"summary": "flagged", "line": "flagged"},
///     "messages": {"summary": {"message": "change.flagged"}},
/// });
/// let text = CatalogueText::Whole("auffällig".to_owned());
/// let german = Catalogue::new("de", [("change.flagged".to_owned(), text)])?;
/// translate(&mut incident, &german);
/// assert_eq!(incident["explanation"]["summary"], "auffällig");
/// assert_eq!(incident["explanation"]["line"], "flagged");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[cfg(feature = "jsonl")]
pub fn translate(incident: &mut serde_json::Value, catalogue: &crate::explain::Catalogue) {
    use serde_json::Value;

    fn write(text: Option<&mut Value>, message: &Value, catalogue: &crate::explain::Catalogue) {
        match (text, message) {
            (Some(Value::Array(texts)), Value::Array(messages))
                if texts.len() == messages.len() =>
            {
                for (text, message) in texts.iter_mut().zip(messages) {
                    write(Some(text), message, catalogue);
                }
            }
            (Some(Value::String(text)), message) => {
                if let Ok(phrase) = serde::Deserialize::deserialize(message) {
                    *text = Phrase::in_language(&phrase, catalogue);
                }
            }
            _ => {}
        }
    }

    let Some(Value::Object(messages)) = incident.get("messages").cloned() else { return };
    for (name, message) in &messages {
        let text = incident.get_mut("explanation").and_then(|texts| texts.get_mut(name));
        write(text, message, catalogue);
    }
    let culprits = messages.get("culprits").and_then(Value::as_array).into_iter().flatten();
    for (place, own) in culprits.enumerate() {
        let ranking = incident.get_mut("ranking").and_then(|ranking| ranking.get_mut("culprits"));
        let Some(culprit) = ranking.and_then(|all| all.get_mut(place)) else { continue };
        if let (Some(Value::Array(all)), Some(Value::Array(texts))) =
            (culprit.get_mut("evidence"), own.get("evidence"))
        {
            for (evidence, message) in all.iter_mut().zip(texts) {
                write(evidence.get_mut("text"), message, catalogue);
            }
        }
        if let (Some(log), Some(message)) = (culprit.get_mut("log"), own.get("log")) {
            write(log.get_mut("text"), message, catalogue);
        }
    }
}
