//! Hosts that are cut off alone: the watermark waits for them, for a bounded time.

use mad_core::telemetry::{RejectReason, Request};
use mad_core::time::{SECOND, Timestamp};
use mad_core::{FeatureConfig, Limits};
use proptest::prelude::*;

use super::features::Run;

/// 2026-01-06T10:00:00Z
const START: i64 = 1_767_693_600 * SECOND;

/// Hosts that each have three requests a second and send them every few seconds. Each has its service,
/// or all have the same.
struct Fleet {
    run: Run,
    hosts: Vec<String>,
    kept: Vec<Vec<i64>>,
    every: i64,
    is_shared: bool,
    names_hosts: bool,
    second: i64,
    sent: u64,
}

impl Fleet {
    fn new(wait: f64, hosts: usize, every: i64, is_shared: bool) -> Self {
        let config = FeatureConfig { wait_for_source_seconds: wait, ..FeatureConfig::default() };
        Self {
            run: Run::new(config, &Limits::default()),
            hosts: (0..hosts).map(|host| format!("host-{host}")).collect(),
            kept: vec![Vec::new(); hosts],
            every,
            is_shared,
            names_hosts: true,
            second: 0,
            sent: 0,
        }
    }

    /// Lets time pass while some hosts keep their records; `returns` sends at most this many records
    /// of a host each second.
    fn seconds(&mut self, seconds: i64, is_cut: impl Fn(usize) -> bool, returns: usize) {
        for _ in 0..seconds {
            self.second += 1;
            for host in 0..self.hosts.len() {
                let first = START + (self.second - 1) * SECOND;
                self.kept[host].extend((0..3).map(|third| first + third * SECOND / 3));
                if !is_cut(host) && (self.second + host as i64) % self.every == 0 {
                    self.send(host, returns.saturating_mul(self.every as usize));
                }
            }
        }
    }

    fn send(&mut self, host: usize, most: usize) {
        let name = self.hosts[host].clone();
        let service = if self.is_shared { "shop" } else { name.as_str() };
        let count = self.kept[host].len().min(most);
        for at in self.kept[host].drain(..count).collect::<Vec<_>>() {
            let request = Request::new(Timestamp::from_nanos(at), service, "/pay", 200, 9.0);
            let host = if self.names_hosts { name.as_str() } else { "" };
            self.run.push(&Request { host, ..request });
            self.sent += 1;
        }
    }

    /// Seconds by which the watermark is behind the newest record.
    fn lag(&self) -> i64 {
        (START + self.second * SECOND - self.run.builder.watermark().nanos()) / SECOND
    }

    fn late(&self) -> u64 {
        self.run.rejected(RejectReason::Late)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// All its records count, and the steps of all hosts have all their requests.
    #[test]
    fn nothing_is_late_because_one_host_was_cut_off(
        seconds in 20_i64..165,
        before in 90_i64..200,
        every in prop_oneof![Just(1_i64), Just(2), Just(5)],
        hosts in 3_usize..7,
        is_shared in any::<bool>(),
        returns in prop_oneof![Just(usize::MAX), Just(60), Just(30), Just(20)],
    ) {
        let mut fleet = Fleet::new(180.0, hosts, every, is_shared);
        fleet.seconds(before, |_| false, usize::MAX);
        fleet.seconds(seconds, |host| host == 0, usize::MAX);
        prop_assert!(fleet.lag() <= 180 + 60);
        // one that needs five batches and more has caught up before it is cut off again
        fleet.seconds(if returns < 60 { 80 } else { 50 }, |_| false, returns);
        fleet.seconds(seconds, |host| host == 0 && seconds > 60, usize::MAX);
        fleet.seconds(240, |_| false, returns);
        prop_assert_eq!(fleet.late(), 0);
        // the watermark follows the clock again: it is a step, the lateness and a batch behind at most
        prop_assert!(fleet.lag() <= 60 + 10 + every, "{}", fleet.lag());
        fleet.run.finish();
        let counted: u64 = fleet.run.rows.iter().map(|row| row.count).sum();
        prop_assert_eq!(counted, fleet.sent);
    }
}

#[test]
fn a_host_that_does_not_return_delays_for_the_configured_time_only() {
    for wait in [0.0, 60.0, 180.0] {
        let mut fleet = Fleet::new(wait, 4, 1, false);
        fleet.seconds(120, |_| false, usize::MAX);
        let usual = fleet.lag();
        let mut longest = 0;
        for _ in 0..400 {
            fleet.seconds(1, |host| host == 0, usize::MAX);
            longest = longest.max(fleet.lag());
        }
        assert!(longest as f64 <= wait + 60.0, "{wait}: {longest}");
        assert!(longest as f64 >= wait, "{wait}: {longest}");
        assert!(fleet.lag() <= usual + 2, "{wait}: {} {usual}", fleet.lag());
        assert_eq!(fleet.late(), 0);
    }
}

#[test]
fn hosts_that_are_replaced_are_waited_for_three_times() {
    let mut fleet = Fleet::new(180.0, 12, 1, true);
    let mut lags = Vec::new();
    fleet.seconds(120, |_| false, usize::MAX);
    for gone in 1..8 {
        fleet.seconds(200, |host| host < gone, usize::MAX);
        let mut longest = 0;
        for _ in 0..100 {
            fleet.seconds(1, |host| host < gone, usize::MAX);
            longest = longest.max(fleet.lag());
        }
        fleet.seconds(100, |host| host < gone, usize::MAX);
        lags.push(fleet.lag());
        assert!(longest <= 240, "{gone}: {longest}");
    }
    let before = fleet.lag();
    fleet.seconds(100, |host| host < 8, usize::MAX);
    assert!(fleet.lag() <= before + 2, "{lags:?} {}", fleet.lag());
    // one that returns with what it kept is waited for the next time
    fleet.seconds(30, |host| host < 7, usize::MAX);
    assert!(fleet.late() > 0);
    fleet.seconds(100, |host| host < 7, usize::MAX);
    let late = fleet.late();
    fleet.seconds(120, |host| host < 8, usize::MAX);
    assert!(fleet.lag() > 100, "{}", fleet.lag());
    fleet.seconds(60, |host| host < 7, usize::MAX);
    assert_eq!(fleet.late(), late);
}

#[test]
fn records_without_a_host_are_not_waited_for() {
    let mut fleet = Fleet::new(180.0, 4, 1, false);
    fleet.names_hosts = false;
    fleet.seconds(120, |_| false, usize::MAX);
    let usual = fleet.lag();
    fleet.seconds(100, |host| host == 0, usize::MAX);
    assert!(fleet.lag() <= usual + 2);
}

#[test]
fn a_host_that_lags_all_the_time_delays_nothing() {
    let mut fleet = Fleet::new(180.0, 5, 1, false);
    fleet.seconds(120, |_| false, usize::MAX);
    let usual = fleet.lag();
    // from now on host-0 is 40 s behind
    fleet.seconds(40, |host| host == 0, usize::MAX);
    let mut delayed = 0;
    for _ in 0..600 {
        fleet.seconds(1, |host| host == 0, usize::MAX);
        fleet.send(0, 3);
        delayed += i64::from(fleet.lag() > usual + 5);
    }
    assert!(delayed < 60, "{delayed}");
    assert!(fleet.late() > 0);
}

#[test]
fn records_of_an_outage_are_late_without_the_wait() {
    let mut fleet = Fleet::new(0.0, 5, 1, false);
    fleet.seconds(120, |_| false, usize::MAX);
    fleet.seconds(150, |host| host == 0, usize::MAX);
    fleet.seconds(60, |_| false, usize::MAX);
    assert!(fleet.late() > 300, "{}", fleet.late());
}
