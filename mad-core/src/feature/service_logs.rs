//! The log templates of one service with their lines in the recent steps and before them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::log_forms::Form;
use super::log_rates::{LogRates, NEWEST, Recent, StepFacts, TemplateKey};
use crate::logs::{LogChange, LogTemplates};
use crate::series::EntityId;
use crate::telemetry::LogLevel;
use crate::time::{HOUR, MINUTE, SECOND, Timestamp};

/// Steps whose lines are kept one by one. Older ones are summed up.
const RECENT_STEPS: usize = 120;
/// Time after its first line in which an error template is new, nanoseconds.
const NEW_FOR: i64 = 10 * MINUTE;
/// Time within which lines of a new error template raise an alarm, nanoseconds, and how many.
const BURST: i64 = 30 * SECOND;
const BURST_LINES: usize = 5;
/// Time after its first line in which a template may be part of a release, nanoseconds. A release of many
/// instances takes hours.
const YOUNG_FOR: i64 = 3 * HOUR;

/// The lines of one template before the recent steps, and its first ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    /// Time of its first line; that of the first line of the log for a template that was known.
    first: Timestamp,
    /// Lines in steps before the recent ones.
    earlier: u64,
    /// The newest lines of an error template that is new, at most one less than raise an alarm.
    newest: Vec<Timestamp>,
}

/// The lines of each template in one step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StepLines {
    at: Timestamp,
    lines: Vec<(u32, u64)>,
}

/// The templates of the error lines, or of all other lines, of one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TemplateCounts {
    templates: LogTemplates,
    known: BTreeMap<u32, Known>,
    /// The recent steps with lines, oldest first.
    steps: VecDeque<StepLines>,
    /// The templates that others were merged into with the newest step.
    #[serde(skip)]
    grown: BTreeSet<u32>,
}

/// The lines of one template in a step: how many, and the earliest times.
type Seen = BTreeMap<u32, (u64, Vec<Timestamp>)>;

/// The forms of one service that its templates learnt in one step, so that others learn the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LearntForms {
    pub entity: EntityId,
    pub at: Timestamp,
    step: i64,
    since: Timestamp,
    forms: [Vec<Form>; 2],
}

impl LearntForms {
    pub(super) fn new(
        entity: EntityId,
        (at, step, since): (Timestamp, i64, Timestamp),
        forms: &[Vec<Form>; 2],
    ) -> Self {
        // a template begins with its first line
        let forms = forms.clone().map(|mut forms| {
            for form in &mut forms {
                form.times.truncate(1);
            }
            forms
        });
        Self { entity, at, step, since, forms }
    }
}

/// Lines of new error templates in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NewErrors {
    /// Lines in the step.
    pub lines: u64,
    /// Most lines of one of these templates within 30 s that end in the step.
    pub burst: u64,
}

/// How the templates of a service are counted in a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateRules {
    /// Most templates of a service.
    pub most: usize,
    /// Whether error lines, and whether other lines, were left out.
    pub left_out: [bool; 2],
}

impl TemplateCounts {
    fn new(max_templates: usize) -> Self {
        let templates = LogTemplates::new(max_templates).forgetting_oldest();
        Self { templates, known: BTreeMap::new(), steps: VecDeque::new(), grown: BTreeSet::new() }
    }

    /// Learns the forms of a step; returns the lines of each template.
    /// Templates of `known` forms count as seen at `since`.
    fn learn(&mut self, at: Timestamp, forms: Vec<Form>, known: &[bool], since: Timestamp) -> Seen {
        let mut learnt = Vec::with_capacity(forms.len());
        for (place, form) in forms.into_iter().enumerate() {
            let id = self.templates.learn(form.least.as_bytes());
            if let Some(greatest) = &form.greatest {
                self.templates.learn(greatest.as_bytes());
            }
            let is_known = known.get(place).is_some_and(|known| *known);
            let first = form.times.first().copied().unwrap_or(at);
            learnt.push((id, form.lines, form.times, if is_known { since } else { first }));
        }
        self.follow_merges();
        let mut seen = Seen::new();
        for (id, lines, times, first) in learnt {
            let id = self.templates.live_id(id).unwrap_or_default();
            let fresh = || Known { first, earlier: 0, newest: Vec::new() };
            let known = self.known.entry(id).or_insert_with(fresh);
            known.first = known.first.min(first);
            let entry = seen.entry(id).or_default();
            entry.0 += lines;
            entry.1.extend(times);
        }
        for (_, times) in seen.values_mut() {
            times.sort_unstable();
        }
        let lines = seen.iter().map(|(id, (lines, _))| (*id, *lines)).collect();
        self.steps.push_back(StepLines { at, lines });
        while self.steps.len() > RECENT_STEPS {
            for (id, lines) in self.steps.pop_front().into_iter().flat_map(|step| step.lines) {
                let id = self.templates.live_id(id).unwrap_or_default();
                if let Some(known) = self.known.get_mut(&id) {
                    known.earlier += lines;
                }
            }
        }
        seen
    }

    /// Joins the counts of templates that were merged, and forgets those that are gone.
    fn follow_merges(&mut self) {
        let Self { templates, known, grown, .. } = self;
        grown.clear();
        let is_live = |id: u32| templates.live_id(id) == Some(id);
        if known.keys().all(|id| is_live(*id)) {
            return;
        }
        let (stay, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(known).into_iter().partition(|(id, _)| is_live(*id));
        *known = stay;
        for (id, old) in gone {
            let Some(id) = templates.live_id(id) else { continue };
            grown.insert(id);
            match known.get_mut(&id) {
                Some(into) => {
                    into.first = into.first.min(old.first);
                    into.earlier += old.earlier;
                    into.newest.extend(old.newest);
                    into.newest.sort_unstable();
                }
                None => drop(known.insert(id, old)),
            }
        }
    }

    /// The new templates among those seen in a step that came often enough at once. Templates of
    /// the first 30 s of the log are not new.
    fn new_errors(&mut self, at: Timestamp, since: Timestamp, seen: &Seen) -> NewErrors {
        let mut found = NewErrors::default();
        for (id, (lines, times)) in seen {
            // the last resort has lines of many kinds
            let Some(known) = self.known.get_mut(id).filter(|_| *id != 0) else { continue };
            if known.first.since(since) < BURST || at.since(known.first) > NEW_FOR {
                known.newest = Vec::new();
                continue;
            }
            let mut all = std::mem::take(&mut known.newest);
            all.extend(times);
            let most = (0..all.len()).map(|first| {
                let from = all.get(first..).unwrap_or_default();
                let within = |time: &&Timestamp| {
                    from.first().is_some_and(|first| time.since(*first) <= BURST)
                };
                from.iter().take_while(within).count()
            });
            let most = most.max().unwrap_or(0);
            if most >= BURST_LINES {
                found.lines += lines;
                found.burst = found.burst.max(most as u64);
            }
            known.newest = all.split_off(all.len().saturating_sub(BURST_LINES - 1));
        }
        found
    }

    /// The lines of each template in the recent steps. The template of all other lines is left out.
    fn recent(&self) -> BTreeMap<u32, Recent> {
        let mut out: BTreeMap<u32, Recent> = BTreeMap::new();
        let older = self.steps.len().saturating_sub(NEWEST);
        for (place, step) in self.steps.iter().enumerate() {
            for (id, lines) in &step.lines {
                let id = self.templates.live_id(*id).unwrap_or_default();
                let of = out.entry(id).or_default();
                of.lines += lines;
                of.steps += 1;
                of.newest += if place < older { 0 } else { *lines };
            }
        }
        out.remove(&0);
        out
    }

    /// The mean number of lines of a template in the recent steps.
    fn mean(&self, id: u32) -> f64 {
        let of = |step: &StepLines| -> u64 {
            let same = |one: &&(u32, u64)| self.templates.live_id(one.0) == Some(id);
            step.lines.iter().filter(same).map(|(_, lines)| lines).sum()
        };
        let lines: u64 = self.steps.iter().map(of).sum();
        lines as f64 / self.steps.len().max(1) as f64
    }

    /// The lines of each template from `from` to `to`, and before.
    fn split(&self, from: Timestamp, to: Timestamp) -> BTreeMap<u32, (u64, u64)> {
        let mut out: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for (id, known) in &self.known {
            out.insert(*id, (0, known.earlier));
        }
        for step in self.steps.iter().filter(|step| step.at < to) {
            for (id, lines) in &step.lines {
                let id = self.templates.live_id(*id).unwrap_or_default();
                let Some((within, before)) = out.get_mut(&id) else { continue };
                *if step.at >= from { within } else { before } += lines;
            }
        }
        out
    }
}

/// The log templates of one service, those of errors and those of all other lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServiceLogs {
    /// Time of the first line of any service when the first one of this service came.
    since: Timestamp,
    /// Start and length of its first step with lines.
    first_step: Timestamp,
    step: i64,
    errors: TemplateCounts,
    others: TemplateCounts,
    /// The templates whose lines are counted as signals.
    #[serde(default)]
    rates: LogRates,
}

impl ServiceLogs {
    /// No lines yet. `since` is the time of the first line of any service.
    pub fn new(since: Timestamp, first_step: Timestamp, step: i64, max_templates: usize) -> Self {
        let counts = || TemplateCounts::new(max_templates);
        Self {
            since,
            first_step,
            step,
            errors: counts(),
            others: counts(),
            rates: LogRates::default(),
        }
    }

    /// The templates of a service that learnt forms elsewhere.
    pub fn of_learnt(learnt: &LearntForms, max_templates: usize) -> Self {
        Self::new(learnt.since, learnt.at, learnt.step, max_templates)
    }

    /// Learns what others learnt in a step.
    pub fn learn_forms(&mut self, learnt: LearntForms) {
        self.learn(learnt.at, learnt.forms, None);
    }

    /// Learns the forms of a step; returns the lines of new error templates, and those of the templates
    /// that are counted as signals, by the name of the signal. Without `rules` none are.
    pub(super) fn learn(
        &mut self,
        at: Timestamp,
        [errors, others]: [Vec<Form>; 2],
        rules: Option<RateRules>,
    ) -> (NewErrors, Vec<(Box<str>, u64)>) {
        // an error whose text other levels have had is no new one
        let templates = &mut self.others.templates;
        let known: Vec<bool> =
            errors.iter().map(|form| templates.has_form_of(form.least.as_bytes())).collect();
        let other_lines = self.others.learn(at, others, &[], self.since);
        let seen = self.errors.learn(at, errors, &known, self.since);
        let new = self.errors.new_errors(at, self.since, &seen);
        let rates = rules.map(|rules| self.count_rates(at, (&seen, &other_lines), rules));
        (new, rates.unwrap_or_default())
    }

    /// Chooses the templates whose lines are counted, if it is time, and counts those of a step.
    fn count_rates(
        &mut self,
        at: Timestamp,
        (errors, others): (&Seen, &Seen),
        rules: RateRules,
    ) -> Vec<(Box<str>, u64)> {
        let Self { since, errors: of_errors, others: of_others, rates, .. } = self;
        let of = |is_error: bool| if is_error { &*of_errors } else { &*of_others };
        if !(rates.is_empty() || of_errors.grown.is_empty() && of_others.grown.is_empty()) {
            let grown = [true, false]
                .into_iter()
                .flat_map(|is_error| of(is_error).grown.iter().map(move |id| (is_error, *id)));
            let live =
                |(is_error, id): TemplateKey| Some((is_error, of(is_error).templates.live_id(id)?));
            rates.follow_merges(live, &grown.collect(), |(is_error, id)| of(is_error).mean(id));
        }
        let steps = of_others.steps.len();
        if rates.is_due(steps) {
            let recent = [true, false].into_iter().flat_map(|is_error| {
                of(is_error).recent().into_iter().map(move |(id, one)| ((is_error, id), one))
            });
            let text = |(is_error, id): TemplateKey| of(is_error).templates.text(id);
            rates.choose(&recent.collect(), (steps, rules.most), text);
        }
        let mut seen: BTreeMap<TemplateKey, u64> = BTreeMap::new();
        for (is_error, lines) in [(true, errors), (false, others)] {
            seen.extend(lines.iter().map(|(id, (lines, _))| ((is_error, *id), *lines)));
        }
        let is_young = |id: &u32| {
            let first = of_others.known.get(id).map(|known| known.first);
            first
                .is_some_and(|first| at.since(first) < YOUNG_FOR && first.since(*since) > YOUNG_FOR)
        };
        let young = others.iter().filter(|(id, _)| is_young(id) && !rates.has((false, **id)));
        let young: u64 = young.map(|(_, (lines, _))| lines).sum();
        rates.count(&StepFacts { seen: &seen, young, left_out: rules.left_out })
    }

    /// The template whose lines changed most from `from` to `to` against the time before: an error
    /// template if one became more frequent, else another one. `None` without a clear change.
    pub fn change(&self, from: Timestamp, to: Timestamp) -> Option<LogChange> {
        let kept = |counts: &TemplateCounts| counts.steps.front().map(|step| step.at);
        let oldest = kept(&self.errors).min(kept(&self.others))?;
        // of a long incident the newest steps are known
        let start = from.floor(self.step);
        let from = if oldest > self.first_step { start.max(oldest) } else { start };
        let to = to.plus(self.step - 1).floor(self.step);
        if from >= to {
            return None;
        }
        let [errors, others] = [(&self.errors, LogLevel::Error), (&self.others, LogLevel::Other)]
            .map(|(counts, level)| {
                let changes = counts.split(from, to).into_iter().filter_map(|(id, lines)| {
                    let (lines, before) = lines;
                    let span = (from, to, self.first_step.min(from));
                    let change = LogChange::new(level, lines, before, span)?;
                    Some((change, id))
                });
                let (change, id) = changes.max_by(|(a, a_id), (b, b_id)| {
                    a.evidence().total_cmp(&b.evidence()).then(b_id.cmp(a_id))
                })?;
                Some(LogChange { template: counts.templates.text(id)?, ..change })
            });
        match (errors, others) {
            (Some(error), Some(other)) if error.ratio() < 1.0 && other.ratio() > 1.0 => Some(other),
            (error, other) => error.or(other),
        }
    }
}
