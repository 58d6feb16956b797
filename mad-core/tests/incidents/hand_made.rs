//! Messages that are written of incidents and rankings made by hand, because telemetry leads to them
//! seldom or never.

use std::collections::BTreeSet;

use mad_core::culprit::{NotCalled, Ranking};
use mad_core::explain::{Catalogue, CatalogueText, TemplateExplainer, all_messages};
use mad_core::feature::StatusCounts;
use mad_core::guard::Severity;
use mad_core::incident::Incident;
use mad_core::series::{Entity, Signal, SignalName};
use mad_core::telemetry::Status;

use super::words::{incident, peak, ranking};

/// The messages of these tests. `test_catalogue_entries.py` reads the list and makes all others.
const BY_HAND: [&str; 15] = [
    "against.fallen",
    "change.flagged",
    "change.had_fallen",
    "change.has_fallen",
    "action.start_network",
    "cause.not_called",
    "first.entity",
    "root.entity",
    "root.unknown",
    "severity.info",
    "status.success",
    "status.unknown",
    "summary.errors",
    "summary.first",
    "why.fallen",
];

/// The keys of the messages in an explanation: this catalogue writes them before the placeholders.
fn keys(incident: &Incident, ranking: Option<&Ranking>) -> BTreeSet<String> {
    let texts = all_messages().map(|message| {
        let mut places = String::new();
        for name in message.placeholders {
            places.extend([" {", name, "}"]);
        }
        (message.key.to_owned(), CatalogueText::Whole(format!("<{}>{places}", message.key)))
    });
    let catalogue = Catalogue::new("xx", texts).unwrap();
    let said = TemplateExplainer.explain_in(incident, ranking, &catalogue);
    let text = serde_json::to_string(&said).unwrap();
    let found = text.split('<').filter_map(|part| Some(part.split_once('>')?.0.to_owned()));
    found.collect()
}

fn pay() -> Entity {
    Entity::new("payments", "/pay")
}

/// A slow change of a gauge by a factor.
fn drifting(factor: f64) -> Incident {
    let mut slow = peak(Signal::P50Latency, 100.0 * factor, 100.0, factor - 1.0, 9.0);
    slow.signal.signal = SignalName::Metric("heap".into());
    slow.signal.drifting_for = Some(std::time::Duration::from_secs(3_600));
    Incident { peaks: vec![slow.clone()], onset: Some(slow), ..incident() }
}

#[test]
fn every_message_of_the_list_is_written() {
    let mut found = keys(&Incident { severity: Severity::Info, ..incident() }, None);
    let mut own = ranking(pay(), 0.5);
    let [caller, because_of] = ["portal".into(), "bank".into()];
    own.culprits[0].not_called = Some(NotCalled { caller, because_of });
    found.extend(keys(&incident(), Some(&own)));
    found.extend(keys(&drifting(0.5), None));
    found.extend(keys(&drifting(1.5), None));
    let failing = Incident { errors_rose: true, errors: 100, ..incident() };
    found.extend(keys(&failing, None));
    let mut other = ranking(Entity::new("store", "/get"), 0.9);
    other.culprits[0].metric = SignalName::Metric("network_gap_ms".into());
    found.extend(keys(&failing, Some(&other)));
    let statuses = StatusCounts::of([(Status::Success, 3), (Status::Unknown, 2)]);
    found.extend(keys(&Incident { statuses, ..failing }, None));
    let missing: Vec<&str> = BY_HAND.into_iter().filter(|key| !found.contains(*key)).collect();
    assert!(missing.is_empty(), "{missing:?}, only {found:?}");
}
