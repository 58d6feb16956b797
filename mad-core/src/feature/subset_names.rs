//! Names of versions and hosts by number.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::series::NameHash;

/// Names by number. A number is given once, so that it never means another name.
///
/// Pods get new names with each deploy. Where the table is full, the half of the names that was not
/// used for longest is forgotten. Their requests in open steps then have no name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(super) struct SubsetNames {
    cap: usize,
    /// The number of the next new name.
    next: u32,
    /// Looked-up names so far.
    uses: u64,
    names: BTreeMap<u32, Arc<str>>,
    /// The number of a name, and when it was used last.
    known: HashMap<Arc<str>, (u32, u64), NameHash>,
}

/// The saved form: number, last use and name.
#[derive(Serialize, Deserialize)]
#[serde(rename = "SubsetNames", deny_unknown_fields)]
struct Saved {
    cap: usize,
    next: u32,
    uses: u64,
    names: Vec<(u32, u64, Arc<str>)>,
}

impl SubsetNames {
    /// A table of at most `cap` names.
    pub fn new(cap: usize) -> Self {
        Self { cap, next: 0, uses: 0, names: BTreeMap::new(), known: HashMap::default() }
    }

    /// The number of a name; `None` for an empty one.
    pub fn number(&mut self, name: &str) -> Option<u32> {
        if name.is_empty() || self.cap == 0 {
            return None;
        }
        self.uses += 1;
        if let Some((number, used)) = self.known.get_mut(name) {
            *used = self.uses;
            return Some(*number);
        }
        if self.known.len() >= self.cap {
            self.forget_half();
        }
        let (name, number) = (Arc::<str>::from(name), self.next);
        self.next = self.next.checked_add(1)?;
        self.names.insert(number, Arc::clone(&name));
        self.known.insert(name, (number, self.uses));
        Some(number)
    }

    /// The name with a number; `None` if it was forgotten.
    pub fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(&number)
    }

    fn forget_half(&mut self) {
        let mut uses: Vec<u64> = self.known.values().map(|(_, used)| *used).collect();
        let middle = uses.len() / 2;
        let (_, oldest_kept, _) = uses.select_nth_unstable(middle);
        let oldest_kept = *oldest_kept;
        self.known.retain(|_, (_, used)| *used > oldest_kept);
        let known = &self.known;
        self.names.retain(|_, name| known.contains_key(name));
    }
}

impl From<Saved> for SubsetNames {
    fn from(Saved { cap, next, uses, names }: Saved) -> Self {
        let by_number = names.iter().map(|(number, _, name)| (*number, name.clone())).collect();
        let known = names.into_iter().map(|(number, used, name)| (name, (number, used))).collect();
        Self { cap, next, uses, names: by_number, known }
    }
}

impl From<SubsetNames> for Saved {
    fn from(SubsetNames { cap, next, uses, names, known }: SubsetNames) -> Self {
        let saved = |(number, name): (u32, Arc<str>)| {
            let (_, used) = known.get(&name).copied().unwrap_or_default();
            (number, used, name)
        };
        Self { cap, next, uses, names: names.into_iter().map(saved).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_used_survive_any_number_of_others() {
        let mut names = SubsetNames::new(10);
        let kept = names.number("kept").unwrap();
        for pod in 0..1_000 {
            assert_eq!(names.number(&format!("pod-{pod}")), Some(pod + 1));
            assert_eq!(names.number("kept"), Some(kept));
            assert!(names.known.len() <= 10 && names.names.len() == names.known.len());
        }
        assert_eq!(names.name(kept).map(|name| &**name), Some("kept"));
        assert_eq!(names.name(1), None);
        assert_eq!(names.number(""), None);
    }

    #[test]
    fn a_saved_table_is_the_same() {
        let mut names = SubsetNames::new(3);
        for name in ["a", "b", "c", "a", "d"] {
            names.number(name);
        }
        let saved = serde_json::to_string(&names).unwrap();
        let mut read: SubsetNames = serde_json::from_str(&saved).unwrap();
        assert_eq!(read, names);
        assert_eq!(read.number("e"), names.number("e"));
    }
}
