//! The templates of one service whose lines are counted as signals.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::series::{LOG_LINES, SeriesTable};

/// Steps with lines between two choices of the templates.
const REVIEW: u32 = 30;
/// Fewest steps with lines before templates are chosen.
const FEWEST_STEPS: usize = 60;
/// Newest steps of a template that is chosen, in which it has to come as often as before.
pub(super) const NEWEST: usize = 10;
/// Lines of a template in a step, on average, from which on it is chosen.
const FEWEST_LINES: f64 = 1.0;
/// How many times as many lines another template needs to replace one that was chosen.
const HYSTERESIS: f64 = 1.5;
/// Steps over which the usual number of lines is averaged.
const USUAL_STEPS: f64 = 120.0;
/// Share of the lines that are of young templates after a release, and steps over which it is averaged.
const RELEASED: f64 = 0.003;
const RELEASED_STEPS: f64 = 10.0;
/// Share of its usual lines below which a template ends with a release.
const ENDING: f64 = 0.6;
/// Largest change of the lines of a template by a merge, as a ratio, with which it is the same.
const SAME: f64 = 1.25;
/// Longest text of a template in the name of a signal, in characters.
const LONGEST_TEXT: usize = 200;

/// The lines of one template in the recent steps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recent {
    /// All lines, and the steps with any.
    pub lines: u64,
    pub steps: u32,
    /// Lines in the newest [`NEWEST`] steps.
    pub newest: u64,
}

/// A template by its level (whether it is of error lines) and its id.
pub(super) type TemplateKey = (bool, u32);

/// A template whose lines are counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rate {
    key: TemplateKey,
    /// The name of its signal. It stays when the text of the template changes.
    name: Box<str>,
    /// Usual lines of a step.
    usual: f64,
}

/// The templates of one service whose lines are counted: those with most lines that come in most
/// steps. A template of which lines are seldom written is not regular enough to be judged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LogRates {
    rates: Vec<Rate>,
    /// Steps with lines since the last choice.
    since_review: u32,
    /// Share of the lines that are of young templates.
    young: f64,
}

/// What the templates of a service say of one step.
pub(super) struct StepFacts<'a> {
    /// The lines of each template.
    pub seen: &'a BTreeMap<TemplateKey, u64>,
    /// Lines of templates of other levels than errors that came first within the last three hours.
    pub young: u64,
    /// Whether error lines, and whether other lines, were left out because of too many forms.
    pub left_out: [bool; 2],
}

impl LogRates {
    /// Follows merges: `live` gives the template that a template is part of by now, and `grown` are
    /// those that others were merged into. A template whose lines change by it is chosen again under
    /// another name.
    pub fn follow_merges(
        &mut self,
        live: impl Fn(TemplateKey) -> Option<TemplateKey>,
        grown: &BTreeSet<TemplateKey>,
        mean: impl Fn(TemplateKey) -> f64,
    ) {
        let mut kept: BTreeSet<TemplateKey> = BTreeSet::new();
        self.rates.retain_mut(|rate| {
            let Some(key) = live(rate.key) else { return false };
            let is_changed = key != rate.key || grown.contains(&key);
            rate.key = key;
            let ratio = if is_changed { mean(key) / rate.usual } else { 1.0 };
            (1.0 / SAME..=SAME).contains(&ratio) && kept.insert(key)
        });
    }

    /// Whether the templates are to be chosen again with this step.
    pub fn is_due(&mut self, steps: usize) -> bool {
        self.since_review = self.since_review.saturating_add(1);
        let is_due = steps >= FEWEST_STEPS && self.since_review >= REVIEW;
        if is_due {
            self.since_review = 0;
        }
        is_due
    }

    /// Chooses at most `most` templates by their lines in the recent `steps`.
    pub fn choose(
        &mut self,
        recent: &BTreeMap<TemplateKey, Recent>,
        (steps, most): (usize, usize),
        text: impl Fn(TemplateKey) -> Option<String>,
    ) {
        let known: BTreeMap<TemplateKey, Rate> =
            self.rates.drain(..).map(|rate| (rate.key, rate)).collect();
        let mean = |one: &Recent| one.lines as f64 / steps as f64;
        let is_regular = |one: &Recent| {
            let newest = one.newest as f64 / NEWEST as f64;
            2 * one.steps as usize >= steps
                && mean(one) >= FEWEST_LINES
                && newest >= mean(one) / 2.0
        };
        let mut ranked: Vec<(f64, TemplateKey)> = recent
            .iter()
            .filter_map(|(key, one)| {
                if known.contains_key(key) {
                    (one.lines > 0).then_some((HYSTERESIS * mean(one), *key))
                } else {
                    is_regular(one).then_some((mean(one), *key))
                }
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(most);
        let mut names: BTreeSet<Box<str>> = known.values().map(|rate| rate.name.clone()).collect();
        for (_, key) in ranked {
            if let Some(rate) = known.get(&key) {
                self.rates.push(rate.clone());
                continue;
            }
            let Some(text) = text(key) else { continue };
            let name: Box<str> = format!("{LOG_LINES}{}", shortened(&text)).into();
            let usual = recent.get(&key).map_or(0.0, mean);
            // two long templates may begin alike: the one with more lines is counted
            if names.insert(name.clone()) {
                self.rates.push(Rate { key, name, usual });
            }
        }
    }

    /// The lines of the chosen templates in a step, by the name of the signal. A template of which
    /// lines may be missing has no number. One that ends with a release is counted no longer.
    pub fn count(&mut self, facts: &StepFacts<'_>) -> Vec<(Box<str>, u64)> {
        let all: u64 = facts.seen.values().sum();
        if all > 0 {
            self.young += (facts.young as f64 / all as f64 - self.young) / RELEASED_STEPS;
        }
        let is_released = self.young >= RELEASED;
        let [errors_left_out, others_left_out] = facts.left_out;
        let mut out = Vec::with_capacity(self.rates.len());
        self.rates.retain_mut(|rate| {
            let is_left_out = if rate.key.0 { errors_left_out } else { others_left_out };
            if is_left_out {
                return true;
            }
            let lines = facts.seen.get(&rate.key).copied().unwrap_or(0);
            if is_released && (lines as f64) < ENDING * rate.usual {
                return false;
            }
            rate.usual += (lines as f64 - rate.usual) / USUAL_STEPS;
            out.push((rate.name.clone(), lines));
            true
        });
        out
    }

    /// Whether a template is counted.
    pub fn has(&self, key: TemplateKey) -> bool {
        self.rates.iter().any(|rate| rate.key == key)
    }

    /// Whether no template is counted.
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }
}

/// Whether a table of series has room for those of log templates, which leave half of it to metrics.
pub(super) fn has_room(series: &SeriesTable) -> bool {
    2 * series.len() < series.cap()
}

/// The beginning of a template.
fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(LONGEST_TEXT).collect();
    out.push_str("...");
    out
}
