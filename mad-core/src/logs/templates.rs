//! The templates of a stream of log lines.

use serde::Serialize;

use super::evidence::Evidence;
use super::key_map::{KeyMap, sorted};
use super::template::{Alignment, Template};
use super::token::{Token, key, key_with_wild};
use super::tokenize::Tokenizer;
use super::variation::{can_open, constants, needed, outline};

/// The id of the last resort.
const LAST_RESORT: u32 = 0;
/// Forms of lines that are remembered for each template of the limit.
pub(super) const FORMS_PER_TEMPLATE: usize = 4;
/// Merged ids that are remembered for each template of the limit.
pub(super) const MERGES_PER_TEMPLATE: usize = 8;
/// Lines, for each template of the limit, after which a template without a line may be forgotten.
const IDLE_LINES_PER_TEMPLATE: u64 = 4;
/// Templates with the same first and last tokens that are compared with a line.
pub(super) const MOST_CANDIDATES: usize = 8;

/// A form of lines: the classes of their tokens in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct Form {
    pub template: u32,
    /// Number of the newest line of this form.
    pub last: u64,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTemplate {
    /// Its number. 0 is the last resort.
    pub id: u32,
    /// Its text, with `<*>` for each variable part.
    pub text: String,
    /// Its lines so far.
    pub count: u64,
}

/// Finds the templates of log lines while they come in.
///
/// The id of a line depends on the lines before it alone. Later lines may show that two templates are
/// one: the younger id is merged into the older one, see [`merged`](Self::merged).
///
/// # Method
///
/// 1. A line is split at spaces and punctuation. Parts that are variable by their form become `<*>`:
///    numbers, hexadecimal numbers, addresses, host names, paths, URLs, dates and clock times, UUIDs,
///    keys and tokens, identifiers with numbers, and the words true, false, null, root and admin. The
///    spelling follows Khan and others, "Guidelines for Assessing the Accuracy of Log Message
///    Template Identification Techniques" (ICSE 2022). Lists and records inside of brackets become
///    one `<*>`.
/// 2. Values by their place (behind `=`, behind the name of a parameter and a colon, behind
///    words such as `user`, units behind a number) are shown until a second value is seen.
/// 3. Lines with the same tokens have the same template. A hash finds it.
/// 4. A word becomes variable when several words were seen in its place while all else was the
///    same: two for identifiers, three behind a preposition or inside of brackets, five otherwise, more
///    for states in capitals and for the first word. Lines with a variable part where others have up
///    to five tokens join them.
///
/// # Limits
///
/// At most `max_templates` templates are kept, one of them the last resort `<*>` with the id 0. When
/// the limit is reached, templates that have had no line for 4 lines of each template of
/// the limit are forgotten, oldest first. If there are none, lines of new kinds count
/// as the last resort. The first 64 KiB and 160 tokens of a line are read; what follows counts as one
/// variable part. 4,096 templates take at most about 45 MB, typically 3 MB.
///
/// # Unusual lines
///
/// Control characters and line ends count as spaces, escape sequences of terminals are left out, a
/// literal `<*>` counts as a variable part, and bytes that are not UTF-8 are shown as U+FFFD. An empty line has
/// an empty template. Lines cut inside of a list or record count as whole ones.
///
/// # Examples
///
/// ```
/// use mad_core::LogTemplates;
///
/// let mut templates = LogTemplates::new(1000);
/// let ids: Vec<u32> = ["tea", "rice", "milk", "salt", "oil"]
///     .map(|item| templates.learn(format!("stock of {item} is low again").as_bytes()))
///     .into();
/// // The fifth word shows that the place varies: the other ids are merged into the first.
/// assert_eq!(ids, [1, 2, 3, 4, 1]);
/// assert_eq!(templates.merged(), [(2, 1), (3, 1), (4, 1), (5, 1)]);
/// assert_eq!(templates.text(4).as_deref(), Some("stock of <*> is low again"));
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct LogTemplates {
    pub(super) max_templates: usize,
    /// Whether a full memory forgets the template without a line for longest, however short that is.
    pub(super) forgets_oldest: bool,
    /// Lines so far.
    pub(super) lines: u64,
    /// The id of the next template.
    pub(super) next: u32,
    #[serde(serialize_with = "sorted")]
    pub(super) forms: KeyMap<u64, Form>,
    #[serde(serialize_with = "sorted")]
    pub(super) live: KeyMap<u32, Template>,
    /// Ids with the id that each was merged into.
    #[serde(serialize_with = "sorted")]
    pub(super) merged: KeyMap<u32, u32>,
    pub(super) evidence: Evidence,
    /// Recent templates by their first and last tokens.
    #[serde(serialize_with = "sorted")]
    pub(super) outlines: KeyMap<u64, Vec<u32>>,
    /// Number of the line before which no template is old enough to be forgotten.
    pub(super) full_until: u64,
    #[serde(skip)]
    pub(super) tokenizer: Tokenizer,
}

impl LogTemplates {
    /// No templates yet; at most `max_templates` of them, two at least.
    pub fn new(max_templates: usize) -> Self {
        Self {
            max_templates: max_templates.max(2),
            forgets_oldest: false,
            lines: 0,
            next: LAST_RESORT + 1,
            forms: KeyMap::default(),
            live: KeyMap::default(),
            merged: KeyMap::default(),
            evidence: Evidence::default(),
            outlines: KeyMap::default(),
            full_until: 0,
            tokenizer: Tokenizer::default(),
        }
    }

    /// Forgets the templates without a line for longest when the limit is reached, so that new kinds of
    /// lines always have a template.
    #[must_use]
    pub(crate) fn forgetting_oldest(mut self) -> Self {
        self.forgets_oldest = true;
        self
    }

    /// Learns a line; returns the id of its template.
    pub fn learn(&mut self, line: &[u8]) -> u32 {
        self.lines += 1;
        let mut tokenizer = std::mem::take(&mut self.tokenizer);
        let tokens = tokenizer.read(line);
        let whole = key(tokens);
        let id = self.seen(whole).unwrap_or_else(|| self.place(line, tokens, whole));
        if let Some(template) = self.live.get_mut(&id) {
            template.count += 1;
            template.last = self.lines;
            template.see(line, tokens);
        }
        self.tokenizer = tokenizer;
        id
    }

    /// All templates by id, with their lines so far. Forgotten and merged ones are left out.
    pub fn templates(&self) -> Vec<LogTemplate> {
        let template = |(&id, known): (&u32, &Template)| LogTemplate {
            id,
            text: known.render(),
            count: known.count,
        };
        let mut all: Vec<_> = self.live.iter().map(template).collect();
        all.sort_unstable_by_key(|template| template.id);
        all
    }

    /// The text of one template; `None` when it was forgotten or never given.
    pub fn text(&self, id: u32) -> Option<String> {
        self.live.get(&self.live_id(id)?).map(Template::render)
    }

    /// Ids that were merged, each with the id that it belongs to by now. The oldest are forgotten
    /// beyond eight times `max_templates`.
    pub fn merged(&self) -> Vec<(u32, u32)> {
        let mut all: Vec<_> = self.merged.iter().map(|(&from, &into)| (from, into)).collect();
        all.sort_unstable();
        all
    }

    /// Whether lines of the form of this one were seen before.
    pub(crate) fn has_form_of(&mut self, line: &[u8]) -> bool {
        let whole = key(self.tokenizer.read(line));
        self.known(whole).is_some()
    }

    /// The most templates that are kept at a time.
    pub fn max_templates(&self) -> usize {
        self.max_templates
    }

    /// The template of a form that was seen before.
    fn seen(&mut self, whole: u64) -> Option<u32> {
        let form = self.forms.get_mut(&whole)?;
        form.last = self.lines;
        if self.live.contains_key(&form.template) {
            return Some(form.template);
        }
        form.template = *self.merged.get(&form.template)?;
        self.live.contains_key(&form.template).then_some(form.template)
    }

    /// The id that an id belongs to by now, if its template is still known.
    pub(crate) fn live_id(&self, id: u32) -> Option<u32> {
        let mut id = id;
        while let Some(&into) = self.merged.get(&id) {
            id = into;
        }
        self.live.contains_key(&id).then_some(id)
    }

    fn known(&self, key: u64) -> Option<u32> {
        self.live_id(self.forms.get(&key)?.template)
    }

    /// Finds or makes the template of a form that was not seen before.
    fn place(&mut self, line: &[u8], tokens: &[Token], whole: u64) -> u32 {
        let (open, opened) = self.open_places(tokens, whole);
        // A word may stand where lines of another form have a variable part.
        let beside = || self.evidence.members(whole).first().and_then(|&id| self.live_id(id));
        if let Some(id) = self.known(open).or_else(beside) {
            self.vary(id, &opened);
            self.remember(whole, id);
            return id;
        }
        if let Some(id) = self.align(line, tokens) {
            self.remember(whole, id);
            return id;
        }
        let Some(mut id) = self.create(line, tokens) else { return LAST_RESORT };
        self.vary(id, &opened);
        self.remember(whole, id);
        self.remember(open, id);
        let words = constants(tokens).saturating_sub(opened.len());
        for (place, token) in tokens.iter().enumerate() {
            if !can_open(token) || opened.contains(&place) {
                continue;
            }
            let Some(needed) = needed(line, tokens, place, words) else { continue };
            let without = key_with_wild(open, token, place);
            if let Some(members) = self.evidence.add(without, id, needed) {
                id = self.merge(&members, id);
                self.vary(id, &[place]);
                self.remember(without, id);
            }
        }
        id
    }

    /// The form of a line with its words in places that are variable by now left out, and these
    /// places.
    fn open_places(&self, tokens: &[Token], whole: u64) -> (u64, Vec<usize>) {
        let words = constants(tokens);
        let (mut open, mut opened) = (whole, Vec::new());
        loop {
            let others = words.saturating_sub(opened.len() + 1);
            let next = tokens.iter().enumerate().find(|(place, token)| {
                can_open(token)
                    && others >= if *place > 0 { 2 } else { 3 }
                    && !opened.contains(place)
                    && self.known(key_with_wild(open, token, *place)).is_some()
            });
            let Some((place, token)) = next else { return (open, opened) };
            open = key_with_wild(open, token, place);
            opened.push(place);
        }
    }

    fn vary(&mut self, id: u32, places: &[usize]) {
        if let Some(template) = self.live.get_mut(&id) {
            for &place in places {
                template.vary(place);
            }
        }
    }

    /// Finds a template that has one variable part in the place of several tokens, or the reverse.
    fn align(&mut self, line: &[u8], tokens: &[Token]) -> Option<u32> {
        let candidates = self.outlines.get(&outline(tokens)?)?.clone();
        for candidate in candidates {
            let Some(id) = self.live_id(candidate) else { continue };
            let Some(template) = self.live.get_mut(&id) else { continue };
            match template.align(tokens) {
                Some(Alignment::Wider) => return Some(id),
                Some(Alignment::Narrower) => {
                    template.replace(line, tokens);
                    return Some(id);
                }
                None => {}
            }
        }
        None
    }

    /// Remembers the template of a form. A full memory forgets the eighth that was seen least recently.
    fn remember(&mut self, key: u64, template: u32) {
        let most = self.max_templates.saturating_mul(FORMS_PER_TEMPLATE);
        if self.forms.len() >= most && !self.forms.contains_key(&key) {
            let mut lasts: Vec<u64> = self.forms.values().map(|form| form.last).collect();
            let (_, &mut limit, _) = lasts.select_nth_unstable(most / 8);
            self.forms.retain(|_, form| form.last > limit);
        }
        self.forms.insert(key, Form { template, last: self.lines });
    }

    /// Makes the template of a line; `None` when there is no room.
    fn create(&mut self, line: &[u8], tokens: &[Token]) -> Option<u32> {
        // one place is kept for the last resort
        let most = self.max_templates - 1;
        let used = self.live.len() - usize::from(self.live.contains_key(&LAST_RESORT));
        if used >= most && !self.make_room(most) {
            self.live.entry(LAST_RESORT).or_insert_with(Template::of_all);
            return None;
        }
        let id = self.next;
        self.next = self.next.checked_add(1)?;
        self.live.insert(id, Template::new(line, tokens));
        if let Some(outline) = outline(tokens) {
            if self.outlines.len() >= self.max_templates.saturating_mul(2) {
                self.outlines.clear();
            }
            let recent = self.outlines.entry(outline).or_default();
            if recent.len() >= MOST_CANDIDATES {
                recent.remove(0);
            }
            recent.push(id);
        }
        Some(id)
    }

    /// Forgets templates without a recent line, at most an eighth; returns whether there were any.
    fn make_room(&mut self, most: usize) -> bool {
        if self.lines < self.full_until {
            return false;
        }
        let idle = if self.forgets_oldest {
            0
        } else {
            IDLE_LINES_PER_TEMPLATE.saturating_mul(most as u64)
        };
        let recent = self.lines.saturating_sub(idle);
        let old = |(&id, template): (&u32, &Template)| {
            (id != LAST_RESORT && template.last < recent).then_some((template.last, id))
        };
        let mut ages: Vec<(u64, u32)> = self.live.iter().filter_map(old).collect();
        ages.sort_unstable();
        ages.truncate(most / 8 + 1);
        for (_, id) in &ages {
            self.live.remove(id);
        }
        if ages.is_empty() {
            self.full_until = self.lines + most as u64 / 8;
            return false;
        }
        let (live, merged) = (&self.live, &self.merged);
        self.forms.retain(|_, form| {
            live.contains_key(merged.get(&form.template).unwrap_or(&form.template))
        });
        true
    }

    /// Merges templates of as many tokens into the oldest one; returns its id.
    fn merge(&mut self, members: &[u32], id: u32) -> u32 {
        let mut ids: Vec<u32> = members.iter().filter_map(|&member| self.live_id(member)).collect();
        ids.push(id);
        ids.sort_unstable();
        ids.dedup();
        let Some((&first, others)) = ids.split_first() else { return id };
        for other in others {
            let length = |id: &u32| self.live.get(id).map(Template::len);
            if length(&first) != length(other) {
                continue;
            }
            let Some(gone) = self.live.remove(other) else { continue };
            if let Some(template) = self.live.get_mut(&first) {
                template.merge(&gone);
            }
            // ids merged into the one that is gone follow it, so that one step finds the last
            for into in self.merged.values_mut().filter(|into| *into == other) {
                *into = first;
            }
            self.merged.insert(*other, first);
        }
        let most = self.max_templates.saturating_mul(MERGES_PER_TEMPLATE);
        if self.merged.len() > most {
            let mut ids: Vec<u32> = self.merged.keys().copied().collect();
            let (_, &mut limit, _) = ids.select_nth_unstable(most / 8);
            self.merged.retain(|&id, _| id > limit);
        }
        first
    }
}
