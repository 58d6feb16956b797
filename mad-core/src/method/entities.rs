//! Methods that judge each entity by itself, and the division of entities among threads.

use super::Judgement;
use super::bounded::Bounded;
use crate::error::Result;
use crate::feature::RowKind;
use crate::guard::JudgedRow;

/// A method whose judgement of a row depends on the rows of its entity only.
pub(super) trait EntityRule: Sync {
    /// What it knows of an entity.
    type State: Send;

    /// The state of an entity without a row.
    fn make(&self) -> Result<Self::State>;

    /// Judges a row of requests or metrics, and learns it.
    fn judge(&self, state: &mut Self::State, row: &JudgedRow) -> Option<Judgement>;
}

/// A method with the states of its entities.
#[derive(Debug)]
pub(super) struct ByEntity<R: EntityRule> {
    pub rule: R,
    states: Bounded<Held<R::State>>,
}

/// The state of an entity, and the places of the rows that wait for a thread.
#[derive(Debug)]
struct Held<S> {
    state: S,
    #[cfg(feature = "parallel")]
    waiting: Vec<usize>,
}

impl<R: EntityRule> ByEntity<R> {
    pub fn new(rule: R, most: usize) -> Self {
        Self { rule, states: Bounded::new(most) }
    }

    /// The judgements of some rows, with `None` for those that are not judged. The answer does not
    /// depend on `workers`.
    pub fn judge_all(&mut self, rows: &[JudgedRow], workers: usize) -> Vec<Option<Judgement>> {
        #[cfg(feature = "parallel")]
        if workers > 1 && rows.len() > 1 {
            return self.judge_in_parallel(rows, workers);
        }
        let _ = workers;
        let Self { rule, states } = self;
        let judge = |row: &JudgedRow| {
            if !is_judged(row) {
                return None;
            }
            let held = states.of(row, || rule.hold(), drop)?;
            rule.judge(&mut held.state, row)
        };
        rows.iter().map(judge).collect()
    }

    /// The places of states are decided first, row by row. Then each thread takes one entity after
    /// another, with all its rows.
    #[cfg(feature = "parallel")]
    fn judge_in_parallel(&mut self, rows: &[JudgedRow], workers: usize) -> Vec<Option<Judgement>> {
        let Self { rule, states } = self;
        let mut evicted = Vec::new();
        for (place, row) in rows.iter().enumerate().filter(|(_, row)| is_judged(row)) {
            if let Some(held) = states.of(row, || rule.hold(), |old| evicted.push(old)) {
                held.waiting.push(place);
            }
        }
        let held = states.iter_mut().map(|(_, held)| held).chain(&mut evicted);
        let held: Vec<_> = held.filter(|held| !held.waiting.is_empty()).collect();
        let mut out = vec![None; rows.len()];
        let judged = super::parallel::map(held, workers, |held| {
            let places = std::mem::take(&mut held.waiting);
            let judge = |place: usize| Some((place, rule.judge(&mut held.state, rows.get(place)?)));
            places.into_iter().filter_map(judge).collect::<Vec<_>>()
        });
        for (place, judged) in judged.into_iter().flatten() {
            if let Some(known) = out.get_mut(place) {
                *known = judged;
            }
        }
        out
    }
}

/// A rule makes its states.
trait Hold: EntityRule {
    fn hold(&self) -> Result<Held<Self::State>> {
        Ok(Held {
            state: self.make()?,
            #[cfg(feature = "parallel")]
            waiting: Vec::new(),
        })
    }
}

impl<R: EntityRule> Hold for R {}

fn is_judged(row: &JudgedRow) -> bool {
    matches!(row.head.kind, RowKind::Requests | RowKind::Metrics)
}
