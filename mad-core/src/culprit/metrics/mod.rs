//! Ranks services by what their metrics, spans and log lines did in an incident.
//!
//! Each series is held against its own normal level in scales ([`MetricRanker`] says how), the
//! effects are charged to services, and a service whose callee explains its effect steps back.

mod answer;
mod blame;
mod calls;
mod correlate;
mod effect;
mod kind;
mod lines;
mod onset;
mod timeline;
mod types;
mod window;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;
use answer::{CHANGE_REACH, chain, culprit};
use blame::{Graph, Suspect, suspects};
use effect::{Effect, bad_rows, effect, levels};
use timeline::Timeline;
use window::Series;

pub use kind::MetricKind;
pub use types::{Correlated, MetricCulprit, MetricEvidence, MetricRankerConfig, MetricRanking};
pub use window::MetricWindow;

/// Points of a series, on either side, that are looked at while the begin is searched.
const SEARCH_POINTS: usize = 100;
/// By how much another begin has to stand out more than the told one: e times the effect.
const TOLD_LEAD: f64 = 1.0;
/// How much a change before the onset adds: half as much effect again.
const CHANGED: f64 = 1.5;

/// Ranks services by how far their metrics left their normal levels.
///
/// 1. **Scale.** A series' effect is its distance from its normal median in scales: the largest of
///    1.4826 MAD, the width of its percentiles, 5 % of its level, and a tenth of what its peers
///    (the same metric elsewhere) scatter. Without these floors the quietest service wins.
/// 2. **Direction.** Latencies, errors, cpu and memory are bad when they rise, availability when it
///    falls, others both ways ([`MetricKind`]).
/// 3. **Alignment.** With a target, a series counts in the rows in which the target is bad, against
///    normal time and against the rows just before, whichever is closer.
/// 4. **Begin.** It is found again where normal time runs into the incident, and may be older than was
///    told, and where there is no normal time. With a target: from where on it is bad. Without: of
///    the rows at which most series step up, the one from which on one service stands out most; the
///    answer for a wrong begin has many suspects or none. Metrics, spans and lines are then all cut there.
/// 5. **Blame.** A service weighs `ln(1 + effect)` of its strongest series; half for a kind other
///    than the target's. What a callee's change of the same metric makes up of a caller's, in the
///    metric's own unit, is taken off the caller. The client's view of a call is about its peer.
/// 6. **Spans and log lines**, where there are some: calls whose caller waited longer than the callee
///    worked, charged to where slow calls meet; errors that became more than the usual lines let
///    expect; places in the code that fell silent.
/// 7. **Changes.** The last change of a service in the half hour before its onset counts as half as
///    much effect again, if the service is bad enough to be named anyway.
/// 8. **Abstaining.** Nobody is named when the first suspect or the target moved too little.
///
/// The order of points and the names of services do not matter, but for two endings (`_remote`,
/// `_client`) by which X-Ray marks inferred peers.
///
/// # Examples
///
/// ```
/// use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
/// use mad_core::{MetricPoint, Timestamp};
///
/// let mut window = MetricWindow::new();
/// for minute in 0..40_i64 {
///     let at = Timestamp::from_seconds(60 * minute);
///     for (service, slow) in [("front", 0.3), ("cart", 0.3), ("mail", 0.0)] {
///         let usual = 0.1 + 0.001 * (minute % 5) as f64;
///         if minute < 30 {
///             window.normal(&MetricPoint::new(at, service, "latency", usual), 1);
///         } else {
///             window.incident(&MetricPoint::new(at, service, "latency", usual + slow), 1);
///         }
///     }
/// }
/// let ranker = MetricRanker::new(MetricRankerConfig::default())?;
/// let ranking = ranker.rank(&window, [("front", "cart"), ("front", "mail")], None);
/// assert_eq!(&*ranking.culprits[0].entity.service, "cart");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRanker {
    config: MetricRankerConfig,
}

impl MetricRanker {
    /// A ranker.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: MetricRankerConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Ranks the services of a window. `edges` are (caller, callee), as many as are known;
    /// `target` is the service and metric that showed the symptom, of any resource. A target that
    /// has no points is as none.
    pub fn rank<'a>(
        &self,
        window: &MetricWindow,
        edges: impl IntoIterator<Item = (&'a str, &'a str)>,
        target: Option<(&str, &str)>,
    ) -> MetricRanking {
        let mut series = window.sorted();
        if !self.config.kinds {
            for series in &mut series {
                series.kind = MetricKind::Other;
            }
        } else if !self.config.metric_kinds.is_empty() {
            for series in &mut series {
                let told = self.config.kind_of(&series.metric);
                series.kind = told.unwrap_or(series.kind);
            }
        }
        let target = target.and_then(|(service, metric)| {
            let is_target = |one: &Series| {
                (&*one.service, &*one.metric) == (service, metric) && !one.incident().is_empty()
            };
            series.iter().position(is_target)
        });
        let graph = Graph::new(edges.into_iter());
        let Some(timeline) = Timeline::told(&series) else {
            return MetricRanking { culprits: Vec::new(), abstained: true, start: None };
        };
        let case = Case { window, graph: &graph, target };
        let timeline = self.find_begin(case, &mut series, timeline);
        let culprits = self.judge(case, &series, &timeline, usize::MAX).culprits;
        MetricRanking {
            abstained: culprits.is_empty(),
            culprits,
            start: Some(Timestamp::from_nanos(timeline.start)),
        }
    }

    /// The incident from where it begins: of the rows at which it may, the one from which on the
    /// first suspect stands out most, or from an earlier one if it was bad already. The told one has a
    /// lead if it names anybody.
    fn find_begin(&self, case: Case<'_>, series: &mut [Series], told: Timeline) -> Timeline {
        if !told.contiguous || told.told && !self.config.find_begin {
            return told;
        }
        if !self.config.find_begin {
            return told.begun_at(told.row(told.end) / 2, series);
        }
        let begins = onset::begins(series, case.target.and_then(|at| series.get(at)), &told);
        let mut best = (f64::NEG_INFINITY, begins.first().copied().unwrap_or(0));
        for row in begins.iter().copied().filter(|_| begins.len() > 1) {
            let timeline = told.begun_at(row, series);
            let Judgement { stands_out, culprits } =
                self.judge(case, series, &timeline, SEARCH_POINTS);
            let leads = told.told && row == 0 && !culprits.is_empty();
            let lead = if leads { TOLD_LEAD } else { 0.0 };
            // of equal ones the one that steps up more
            if stands_out + lead > best.0 {
                best = (stands_out + lead, row);
            }
        }
        let timeline = told.begun_at(best.1, series);
        let first = self.judge(case, series, &timeline, SEARCH_POINTS).culprits.into_iter().next();
        let first = first.and_then(|first| first.evidence.into_iter().next());
        let row = first.and_then(|evidence| onset::older(series, &evidence, &told));
        row.map_or(timeline, |row| told.begun_at(row, series))
    }

    /// What the incident of this timeline says, by at most `points` of a series' normal time and incident.
    fn judge(
        &self,
        case: Case<'_>,
        series: &[Series],
        timeline: &Timeline,
        points: usize,
    ) -> Judgement {
        let levels = levels(series, points, self.config.floors);
        let aligned = case.target.and_then(|index| {
            let (target, level) = (series.get(index)?, levels.get(index)?.as_ref()?);
            Some((target, bad_rows(target, level, timeline)?))
        });
        let bad = aligned.as_ref().map(|(_, bad)| bad).filter(|_| self.config.align);
        let metrics = series.iter().zip(&levels).filter_map(|(series, level)| {
            Some((series, effect(series, level.as_ref()?, timeline, bad, points)?))
        });
        let told = told(case.window, timeline);
        let told = told.iter().map(|(series, effect)| (series, *effect));
        let effects: Vec<(&Series, Effect)> = metrics.chain(told).collect();
        let target = aligned.as_ref().map(|(target, _)| *target);
        let target_moved = target.is_none_or(|target| {
            let own = effects.iter().find(|(series, _)| series.name() == target.name());
            own.map_or(0.0, |(_, effect)| effect.size) >= self.config.min_target_effect
        });
        let mut suspects =
            suspects(&effects, target, case.graph, !case.window.calls.is_empty(), &self.config);
        let least = match target {
            Some(_) => self.config.min_effect.ln_1p(),
            None => self.config.min_lasting_effect.ln_1p(),
        };
        weigh_changes(&mut suspects, case.window, least);
        let first = suspects.first().map_or(0.0, |first| first.weight);
        let others = suspects.iter().skip(1).map(|other| (other.weight - least).max(0.0));
        let named = if first >= least && target_moved { self.config.top_k } else { 0 };
        let target = target.map(|series| &*series.service);
        let told = suspects.iter().take(named).filter_map(|one| {
            let change = change_of(one, case.window).cloned();
            culprit(one, least, change, chain(one, &suspects, target, case.graph))
        });
        let mut culprits: Vec<MetricCulprit> = told.collect();
        if let Some(first) = culprits.first_mut().filter(|_| points == usize::MAX) {
            first.correlated = correlate::correlated(&suspects, timeline, self.config.min_effect);
        }
        Judgement { stands_out: first - others.sum::<f64>(), culprits }
    }
}

/// Who is bad enough to be named and was changed shortly before weighs more.
fn weigh_changes(suspects: &mut [Suspect<'_>], window: &MetricWindow, least: f64) {
    for suspect in suspects.iter_mut().filter(|suspect| suspect.weight >= least) {
        if change_of(suspect, window).is_some() {
            suspect.weight += CHANGED.ln();
        }
    }
    suspects.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.service.cmp(b.service)));
}

/// The last change of a suspect in the half hour before its onset.
fn change_of<'a>(suspect: &Suspect<'_>, window: &'a MetricWindow) -> Option<&'a ChangeEvent> {
    let onset = suspect.charges.first()?.effect.onset;
    let before = |change: &&ChangeEvent| {
        let at = change.at.nanos();
        at <= onset && at >= onset.saturating_sub(CHANGE_REACH)
    };
    let all = window.changes.get(suspect.service)?;
    let key = |change: &&ChangeEvent| {
        (change.at, change.kind.clone(), change.name.clone(), change.version.clone())
    };
    all.iter().filter(before).max_by_key(key)
}

/// What is known beside the series.
#[derive(Clone, Copy)]
struct Case<'a> {
    window: &'a MetricWindow,
    graph: &'a Graph<'a>,
    /// Place of the target among the series.
    target: Option<usize>,
}

/// What an incident says if it begins where it is said to.
struct Judgement {
    /// The first suspect's weight less what the others' are above the least that names anybody: a
    /// wrong begin makes many suspects or none.
    stands_out: f64,
    culprits: Vec<MetricCulprit>,
}

/// What spans and log lines tell.
fn told(window: &MetricWindow, timeline: &Timeline) -> Vec<(Series, Effect)> {
    let holds = |at: i64| timeline.holds(at);
    let gaps = window.calls.effects(holds).into_iter();
    let gaps =
        gaps.map(|(service, gap)| (Series::told(service, "call gap", MetricKind::Calls), gap));
    let lines = window.lines.effects(holds).into_iter().flat_map(|(service, lines)| {
        let series = |metric| Series::told(Arc::clone(&service), metric, MetricKind::Logs);
        let errors = lines.errors.map(|effect| (series("log errors"), effect));
        let missing = lines.missing.map(|effect| (series("missing log lines"), effect));
        [errors, missing].into_iter().flatten()
    });
    gaps.chain(lines).collect()
}
