//! Callees that became anomalous before their callers.

use std::collections::{BTreeMap, BTreeSet};

use super::call_graph::CallGraph;

/// Rows by which a cause moves before its symptom. A single row is no lead, because the first clear move
/// of a noisy series is uncertain by one.
const LEAD: std::ops::RangeInclusive<i64> = 2..=30;
/// Smallest effect with a certain time of its first move, in scales. Half of a smaller one is within
/// reach of a stray row.
const MIN_EFFECT: f64 = 5.0;

/// A change of one series for the worse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    /// Time of its first clear move, ns.
    pub onset: i64,
    /// Its effect, in scales.
    pub size: f64,
}

/// The move of a callee, direct or further down, that best explains each caller by its time.
///
/// A service that was anomalous before all that calls it is their cause, whatever each of them
/// measures: the processor time of a database makes calls slow, and retries make the caller's latency
/// rise by more than the callee's. The callee must have moved two to thirty rows
/// before the first clear move of the caller, and so must it have before every service on the path from
/// it to the caller. `target` explains no caller, because it shows the symptom.
pub(super) fn earlier_callees<'a>(
    moves: &BTreeMap<&'a str, Vec<Move>>,
    graph: &CallGraph<'a>,
    step: i64,
    target: Option<&str>,
) -> BTreeMap<&'a str, Move> {
    let clear = |moves: &[Move]| -> Vec<Move> {
        moves.iter().filter(|one| one.size >= MIN_EFFECT).copied().collect()
    };
    let clear: BTreeMap<&str, Vec<Move>> =
        moves.iter().map(|(service, all)| (*service, clear(all))).collect();
    let first_move = |service: &str| clear.get(service)?.iter().map(|one| one.onset).min();
    let mut found: BTreeMap<&str, Move> = BTreeMap::new();
    for (service, moves) in clear.iter().filter(|(service, _)| Some(**service) != target) {
        let Some(begin) = moves.iter().map(|one| one.onset).min() else { continue };
        let mut seen = BTreeSet::from([*service]);
        let mut open = vec![*service];
        while let Some(at) = open.pop() {
            for caller in graph.callers(at) {
                let Some(later) = first_move(caller) else { continue };
                let lead = |one: &&Move| {
                    let rows = later.saturating_sub(one.onset) / step.max(1);
                    LEAD.contains(&rows)
                };
                let size = |a: &&Move, b: &&Move| a.size.total_cmp(&b.size);
                let Some(best) = moves.iter().filter(lead).max_by(size) else { continue };
                if begin < later && seen.insert(caller) {
                    let known = found.entry(caller).or_insert(*best);
                    if best.size > known.size {
                        *known = *best;
                    }
                    open.push(caller);
                }
            }
        }
    }
    found
}
