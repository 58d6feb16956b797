//! The wait between a client and a server: what a call took longer for the client than for the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kind::MetricKind;
use super::series::{Point, Series};
use crate::robust::median;

/// Smallest scale of a wait, as a share of the client's usual latency.
const FLOOR: f64 = 0.05;

/// A call of one service to another, measured at both ends.
#[derive(Debug)]
pub(super) struct Wait {
    pub caller: Arc<str>,
    pub callee: Arc<str>,
    /// What the client waited and the server did not work, by row.
    pub series: Series,
}

/// The waits of all calls that have a latency of the client and one of the server.
///
/// The client's is a metric of the caller named `X->CALLEE`, with `client` in its name; the server's is
/// one of the callee, `Y->CALLER`, of the same name with `server` in place of `client`. Rows that only
/// one of both has are left out.
pub(super) fn waits(series: &[Series]) -> Vec<Wait> {
    // the server's side by caller, callee and name without the word
    let mut servers: BTreeMap<(&str, &str, String), &Series> = BTreeMap::new();
    for one in series.iter().filter(|one| one.kind == MetricKind::Latency) {
        if let (base, Some(caller)) = one.base()
            && let Some(name) = without(base, "server")
        {
            servers.entry((caller, &one.service, name)).or_insert(one);
        }
    }
    let clients = series.iter().filter(|one| one.kind == MetricKind::Latency);
    clients
        .filter_map(|client| {
            let (base, callee) = client.base();
            let callee = callee?;
            let name = without(base, "client")?;
            let server = servers.get(&(&*client.service, callee, name))?;
            let name = Series::of_service(
                Arc::clone(&client.service),
                &format!("wait->{callee}"),
                MetricKind::Calls,
            );
            let floor = FLOOR * median(client.points().iter().map(|point| &point.1)).abs();
            let normal = differences(client.normal(), server.normal());
            let incident = differences(client.incident(), server.incident());
            let mut series = Series::with_points(&name, normal, incident);
            series.floor = floor.max(0.0);
            Some(Wait { caller: Arc::clone(&client.service), callee: callee.into(), series })
        })
        .collect()
}

/// A name in lower case without a word; `None` if it does not hold the word.
fn without(name: &str, word: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    name.contains(word).then(|| name.replacen(word, "", 1))
}

/// The differences of two series at the moments that both have; what overflows is left out.
fn differences(client: &[Point], server: &[Point]) -> Vec<Point> {
    let mut server = server.iter().peekable();
    client
        .iter()
        .filter_map(|(at, value)| {
            while server.next_if(|point| point.0 < *at).is_some() {}
            let there = server.next_if(|point| point.0 == *at)?;
            Some((*at, value - there.1)).filter(|point| point.1.is_finite())
        })
        .collect()
}
