//! Checks of saved templates before they are used again.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::evidence::Evidence;
use super::key_map::KeyMap;
use super::template::Template;
use super::templates::{
    FORMS_PER_TEMPLATE, Form, LogTemplates, MERGES_PER_TEMPLATE, MOST_CANDIDATES,
};
use super::tokenize::Tokenizer;

/// What [`LogTemplates`] writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    max_templates: usize,
    forgets_oldest: bool,
    lines: u64,
    next: u32,
    forms: KeyMap<u64, Form>,
    live: KeyMap<u32, Template>,
    merged: KeyMap<u32, u32>,
    evidence: Evidence,
    outlines: KeyMap<u64, Vec<u32>>,
    full_until: u64,
}

impl<'de> Deserialize<'de> for LogTemplates {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut saved = Saved::deserialize(from)?;
        let most = saved.max_templates;
        let within = most >= 2
            && saved.live.len() <= most
            && saved.forms.len() <= most.saturating_mul(FORMS_PER_TEMPLATE)
            && saved.merged.len() <= most.saturating_mul(MERGES_PER_TEMPLATE)
            && saved.outlines.len() <= most.saturating_mul(2)
            && saved.outlines.values().all(|recent| recent.len() <= MOST_CANDIDATES)
            && saved.evidence.is_bounded();
        // Ids are merged into older ones, so that following them ends.
        let follows = saved.merged.iter().all(|(from, into)| into < from)
            && saved.live.keys().all(|id| *id < saved.next && !saved.merged.contains_key(id));
        let whole = saved.live.values_mut().all(Template::restore);
        if !(within && follows && whole) {
            return Err(D::Error::custom("the saved log templates do not fit together"));
        }
        Ok(Self {
            max_templates: most,
            forgets_oldest: saved.forgets_oldest,
            lines: saved.lines,
            next: saved.next,
            forms: saved.forms,
            live: saved.live,
            merged: saved.merged,
            evidence: saved.evidence,
            outlines: saved.outlines,
            full_until: saved.full_until,
            tokenizer: Tokenizer::default(),
        })
    }
}
