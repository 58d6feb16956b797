//! Headings and names of fields of a printed explanation, and the separators of numbers.

use crate::explain::message::Message;

/// Declares the labels of a group: `CONST GROUP { NAME TEXT; }`.
macro_rules! labels {
    ($messages:ident $group:ident { $($name:ident $text:literal;)+ }) => {
        pub(super) const $messages: &[Message] =
            &[$(super::declare::single!($group $name() $text)),+];
    };
}

labels! { NUMBERS number {
    thousands ",";
    decimal ".";
}}

labels! { MESSAGES label {
    culprit "Culprit";
    unclear "unclear from the evidence";
    root_cause "Root cause";
    first_failure "First failure";
    impact "Impact";
    why_flagged "Why it was flagged";
    log_evidence "Log";
    chain "How it spread";
    likely_causes "Likely causes";
    recommended_actions "What to do";
    checks "Checked, nothing found";
    earlier "Earlier incidents of the same fault";
    confidence "Confidence";
    high "High";
    medium "Medium";
    low "Low";
    evidence "Evidence";
    incident "Incident";
    nothing "No incident was found, so there is nothing to explain.";
}}
