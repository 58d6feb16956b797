//! The forms of the log lines of one service in one step: how many lines of each, and examples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::telemetry::{LevelNumbers, LogLevel, WrittenLevel};
use crate::time::Timestamp;

/// Most forms of one service and step that are kept for each of errors, numeric levels and other
/// lines. A service rarely writes more than 50 kinds of lines a minute.
const MOST_FORMS: usize = 64;
/// Times of lines that are kept for each form. Of nine lines within a minute five are within 30 s.
const MOST_TIMES: usize = 16;
/// Bytes of a line that are read for its form.
const MOST_BYTES: usize = 1024;

/// A line on its way into its step: its level, its form and its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadLine {
    pub level: WrittenLevel,
    /// A hash of what the line has in common with others of its kind.
    pub form: u64,
    /// The bytes from which the form was read.
    pub text: Box<str>,
}

/// The part of a line that is read for its form.
pub(super) fn read_part(body: &str) -> &str {
    let mut end = body.len().min(MOST_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    body.get(..end).unwrap_or_default()
}

/// The lines of one form in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Form {
    pub lines: u64,
    /// The level, if it is a number.
    number: Option<i32>,
    /// The first and the last of its texts in the order of their bytes. Two that differ show what
    /// varies.
    pub least: Box<str>,
    pub greatest: Option<Box<str>>,
    /// The earliest times of its lines, in order.
    pub times: Vec<Timestamp>,
}

impl Form {
    fn new(text: Box<str>, number: Option<i32>) -> Self {
        Self { lines: 0, number, least: text, greatest: None, times: Vec::new() }
    }

    fn add(&mut self, text: &str, at: Timestamp) {
        self.lines += 1;
        if *text < *self.least {
            let before = std::mem::replace(&mut self.least, text.into());
            self.greatest.get_or_insert(before);
        } else if *text > *self.least && self.greatest.as_deref().is_none_or(|last| text > last) {
            self.greatest = Some(text.into());
        }
        let place = self.times.partition_point(|known| *known <= at);
        if place < MOST_TIMES {
            self.times.insert(place, at);
            self.times.truncate(MOST_TIMES);
        }
    }
}

/// Forms by hash. Of too many, those with the smallest hashes are kept: this choice does not depend
/// on the order of the lines, and kept forms are counted in full.
type Forms = BTreeMap<u64, Form>;

///
/// Returns whether lines are left out by now.
fn add(forms: &mut Forms, key: u64, line: &ReadLine, number: Option<i32>, at: Timestamp) -> bool {
    if let Some(known) = forms.get_mut(&key) {
        known.add(&line.text, at);
        return false;
    }
    let is_full = forms.len() >= MOST_FORMS;
    if is_full {
        if forms.last_key_value().is_none_or(|(last, _)| *last < key) {
            return true;
        }
        forms.pop_last();
    }
    let form = forms.entry(key).or_insert_with(|| Form::new(line.text.clone(), number));
    form.add(&line.text, at);
    is_full
}

/// The forms of the lines of one service in one step, by level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepForms {
    errors: Forms,
    numbers: Forms,
    others: Forms,
    /// Whether lines were left out: of errors, of numeric levels and of other levels.
    #[serde(default)]
    left_out: [bool; 3],
}

impl StepForms {
    /// Counts a line.
    pub fn add(&mut self, line: &ReadLine, at: Timestamp) {
        let [errors, numbers, others] = &mut self.left_out;
        match line.level {
            WrittenLevel::Named(LogLevel::Error) => {
                *errors |= add(&mut self.errors, line.form, line, None, at);
            }
            WrittenLevel::Number(number) => {
                // lines of one form and several levels stay separate until the scale is known
                let key = line.form ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                *numbers |= add(&mut self.numbers, key, line, Some(number), at);
            }
            WrittenLevel::Named(_) | WrittenLevel::Unknown => {
                *others |= add(&mut self.others, line.form, line, None, at);
            }
        }
    }

    /// Whether error lines, and whether other lines, were left out.
    pub const fn left_out(&self) -> [bool; 2] {
        let [errors, numbers, others] = self.left_out;
        [errors || numbers, others || numbers]
    }

    /// The forms of error lines and those of all other lines, in the order of their hashes. Numbers
    /// are read on the scale of all numbers of the service.
    pub fn by_level(self, scale: &LevelNumbers) -> [Vec<Form>; 2] {
        let is_error =
            |form: &Form| form.number.is_some_and(|number| scale.level(number) == LogLevel::Error);
        let (numbers, rest): (Vec<_>, Vec<_>) = self.numbers.into_values().partition(is_error);
        let errors = self.errors.into_values().chain(numbers).collect();
        [errors, self.others.into_values().chain(rest).collect()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(form: u64, text: &str) -> ReadLine {
        ReadLine { level: WrittenLevel::Named(LogLevel::Error), form, text: text.into() }
    }

    #[test]
    fn the_order_of_lines_changes_nothing() {
        let lines: Vec<(ReadLine, Timestamp)> = (0..2_000_u64)
            .map(|i| {
                let form = (i % 300).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let at = Timestamp::from_seconds((i * 7 % 60) as i64);
                (line(form, &format!("user {} left", i % 11)), at)
            })
            .collect();
        let (mut here, mut there) = (StepForms::default(), StepForms::default());
        for (line, at) in &lines {
            here.add(line, *at);
        }
        for (line, at) in lines.iter().rev() {
            there.add(line, *at);
        }
        assert_eq!(here, there);
        assert_eq!(here.errors.len(), MOST_FORMS);
        let [errors, others] = here.by_level(&LevelNumbers::default());
        assert!(errors.iter().all(|form| matches!(form.lines, 6 | 7)) && others.is_empty());
        assert!(errors.iter().all(|form| form.times.is_sorted()));
    }

    #[test]
    fn the_read_part_ends_between_characters() {
        assert_eq!(read_part("short"), "short");
        assert_eq!(read_part(&"ä".repeat(2_000)).len(), MOST_BYTES);
        assert_eq!(read_part(&format!("x{}", "ä".repeat(2_000))).len(), MOST_BYTES - 1);
    }
}
