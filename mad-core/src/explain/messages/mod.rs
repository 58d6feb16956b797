//! The sentences of explanations in English, each with its key and its placeholders.
//!
//! Every message is a function of its placeholders, so that no sentence lacks one.

mod causes;
mod declare;
mod effects;
mod labels;
mod parts;
mod reasons;
mod rules;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::message::Message;

pub(super) use causes::{action, cause, cause_status, check, hint, standout};
pub(super) use effects::{budget, impact, severity, status};
pub(super) use parts::{against, chance, change, count, list, signal, time, usual};
pub(super) use reasons::{chain, confidence, evidence, first, line, log, root, summary, why};

/// The messages of all groups, in the order of catalogues.
const GROUPS: [&[Message]; 28] = [
    list::MESSAGES,
    labels::NUMBERS,
    time::MESSAGES,
    count::MESSAGES,
    chance::MESSAGES,
    signal::MESSAGES,
    usual::MESSAGES,
    against::MESSAGES,
    change::MESSAGES,
    summary::MESSAGES,
    root::MESSAGES,
    first::MESSAGES,
    why::MESSAGES,
    log::MESSAGES,
    impact::MESSAGES,
    status::MESSAGES,
    budget::MESSAGES,
    chain::MESSAGES,
    cause::MESSAGES,
    cause_status::MESSAGES,
    rules::CAUSES,
    hint::MESSAGES,
    action::MESSAGES,
    rules::ACTIONS,
    standout::MESSAGES,
    check::MESSAGES,
    confidence::MESSAGES,
    severity::MESSAGES,
];

/// All messages, in the order of catalogues.
pub fn all() -> impl Iterator<Item = &'static Message> {
    let more = [evidence::MESSAGES, line::MESSAGES, labels::MESSAGES];
    GROUPS.into_iter().chain(more).flatten()
}

/// The message of a key.
pub(super) fn find(key: &str) -> Option<&'static Message> {
    static KNOWN: LazyLock<BTreeMap<&str, &Message>> =
        LazyLock::new(|| all().map(|message| (message.key, message)).collect());
    KNOWN.get(key).copied()
}
