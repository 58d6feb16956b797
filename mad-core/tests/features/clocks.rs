//! Sources with a wrong clock among right ones: the right ones lose nothing, and the wrong one is named.

use mad_core::telemetry::{RejectReason, Request};
use mad_core::time::{SECOND, Timestamp};
use proptest::prelude::*;

use super::features::Run;

/// 2026-01-06T10:00:00Z
const START: i64 = 1_767_693_600 * SECOND;
/// Longest run, seconds.
const LONGEST: i64 = 7_200;
/// Offset from which a clock has to be named, seconds. The clock of the stream lags behind by the
/// lateness and half of what its votes span; and sources that send in batches are ahead by a batch.
const NAMED_FROM: f64 = 180.0;

/// How a clock is wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// It is right.
    Not,
    /// Each second of it is shorter by this share.
    Fast(f64),
    /// It jumps ahead by this number of seconds each minute.
    Jumps(f64),
}

impl Wrong {
    /// Seconds by which it is ahead after `elapsed` seconds.
    fn ahead(self, elapsed: f64) -> f64 {
        match self {
            Self::Not => 0.0,
            Self::Fast(share) => share * elapsed,
            Self::Jumps(seconds) => seconds * (elapsed / 60.0).floor(),
        }
    }
}

/// How many records of each source were lost, and the sources that are named.
///
/// Each source has a record every `every` seconds, and sends `batch` of them at once; the sources
/// send in turn.
fn run(clocks: &[Wrong], every: i64, batch: i64) -> (Vec<i64>, Vec<usize>) {
    let mut run = Run::default();
    let hosts: Vec<String> = (0..clocks.len()).map(|place| format!("host-{place}")).collect();
    let between = every * batch;
    let rounds = LONGEST / between;
    for round in 0..rounds {
        for (place, (clock, host)) in clocks.iter().zip(&hosts).enumerate() {
            // the sources are spread over the time between two batches
            let phase = between as f64 * place as f64 / clocks.len() as f64;
            for record in 0..batch {
                let elapsed = (round * between + record * every) as f64 + phase;
                let read = elapsed + clock.ahead(elapsed);
                let at = Timestamp::from_nanos(START + (read * 1e9) as i64);
                run.push(&Request { host, ..Request::new(at, host, "/add", 200, 9.0) });
            }
        }
    }
    let place = |host: &str| hosts.iter().position(|name| name == host);
    let named = run.builder.clock_faults();
    let named = named.filter_map(|fault| place(fault.host.as_deref()?)).collect();
    run.finish();
    let mut lost = vec![rounds * batch; clocks.len()];
    for row in &run.rows {
        let source = run.entities.get(row.entity).and_then(|entity| place(&entity.service));
        lost[source.unwrap()] -= row.count as i64;
    }
    (lost, named)
}

fn wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        (0.01..1.0).prop_map(Wrong::Fast),
        Just(Wrong::Jumps(45.0)),
        (5.0..60.0).prop_map(Wrong::Jumps)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_clock_that_runs_ahead_is_named_and_costs_the_others_nothing(
        wrong in wrong(),
        others in prop_oneof![Just(1_usize), Just(2), Just(5), Just(20)],
        place in 0_usize..21,
        batch in 1_i64..8,
    ) {
        let mut clocks = vec![Wrong::Not; others + 1];
        let place = place % clocks.len();
        clocks[place] = wrong;
        let (lost, named) = run(&clocks, 5, batch);
        let of_others = lost.iter().enumerate().filter(|(other, _)| *other != place);
        prop_assert_eq!(of_others.map(|one| one.1).sum::<i64>(), 0, "{:?}", lost);
        prop_assert!(named.iter().all(|named| *named == place), "{:?}", named);
        // of two that disagree nothing says which is right
        if others > 1 && wrong.ahead(LONGEST as f64) > 2.0 * NAMED_FROM {
            prop_assert_eq!(named, [place], "lost {:?}", lost);
        }
    }

    #[test]
    fn one_wrong_clock_does_not_hide_another(
        share in 0.01..0.2,
        others in 3_usize..12,
        batch in 1_i64..8,
    ) {
        // a clock that runs ahead slowly, and one that jumps each minute
        let mut clocks = vec![Wrong::Not; others + 2];
        clocks[0] = Wrong::Fast(share);
        clocks[1] = Wrong::Jumps(40.0);
        let (lost, named) = run(&clocks, 5, batch);
        prop_assert_eq!(lost.iter().skip(2).sum::<i64>(), 0, "{:?}", lost);
        prop_assert!(named.contains(&1), "{:?}", named);
        prop_assert!(share * LONGEST as f64 <= 2.0 * NAMED_FROM || named.contains(&0), "{:?}", named);
    }
}

/// Sources of logs often answer with the newest record first. Their batches step back and forth, and
/// no source stands still.
#[test]
fn batches_that_begin_with_the_newest_record_are_taken() {
    for (services, spread) in [(3_i64, 20_i64), (2, 40), (5, 20), (3, 90)] {
        let mut run = Run::default();
        for batch in 0..400_i64 {
            let newest = START + batch * SECOND / 2;
            for k in 0..20 {
                let at = Timestamp::from_nanos(newest - k * spread * SECOND / 200);
                let service = format!("s{}", k % services);
                run.push(&Request::new(at, &service, "/pay", 200, 5.0));
            }
        }
        assert_eq!(run.rejected(RejectReason::WrongClock), 0, "{services} {spread}");
        assert_eq!(run.rejected(RejectReason::Late), 0, "{services} {spread}");
    }
}
