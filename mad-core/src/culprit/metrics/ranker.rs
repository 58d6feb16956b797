//! The ranker over metrics.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::call_gaps::{CallGap, by_service};
use super::call_graph::CallGraph;
use super::case::{Case, Judgement, direct_effects};
use super::charges::{Calls, Candidate, candidates};
use super::config::{MetricRankerConfig, RankerPart};
use super::correlate::correlated;
use super::effect::{Effect, anomalous_rows, effect};
use super::kind::MetricKind;
use super::level::{Level, count_floor, levels};
use super::metric_culprit::{chain, culprit, evidence_of, was_changed};
use super::ranking::{MetricCulprit, MetricRanking};
use super::series::Series;
use super::shared_move::without_shared_moves;
use super::timeline::Timeline;
use super::waits::{Wait, waits};
use super::window::MetricWindow;
use super::{onset, quiet};
use crate::error::Result;
use crate::time::Timestamp;

/// Largest number of points of a series, in normal time and in the incident, while the onset is
/// searched.
const SEARCH_POINTS: usize = 100;
/// By how much another onset has to stand out more than the declared one: e times the effect.
const DECLARED_LEAD: f64 = 1.0;
/// By how much a culprit has to stand out more than in normal time if the target hardly changed: twice
/// the effect. The declared symptom does not support it then.
const CALM_TARGET_LEAD: f64 = std::f64::consts::LN_2;
/// Rows of the incident from which on such a culprit is named. In fewer rows one of a hundred series is
/// far from its level by chance, as in normal time.
const CALM_TARGET_ROWS: usize = 6;
/// Largest number of services whose anomalies are given when none is named.
const MAX_UNNAMED: usize = 3;
/// Factor of the effect for a change before the onset.
const CHANGED: f64 = 1.5;

/// Ranks services by the effect of an incident on their metrics, spans and log lines.
///
/// # Method
///
/// 1. **Scale.** The effect of a series is its distance from its normal median in scales. The scale
///    is the largest of 1.4826 MAD, the width of its percentiles, 5 % of its level, and a tenth of
///    the median scale of its peers (the same metric elsewhere). Without these floors the service
///    with the least variation would rank first.
/// 2. **Direction.** Latencies, errors, cpu and memory are bad when they rise, availability when it
///    falls, other metrics in both directions ([`MetricKind`]).
///    Small counts have the scale of a Poisson count. Where normal time has a trend, the closer of its
///    median and the value at which the trend arrives is expected. A resource that is new, such as a
///    pod, is compared with the others of its service, at present and before.
/// 3. **Alignment.** With a target, a series is evaluated in the target's anomalous rows, relative to
///    normal time or to the rows just before, whichever is closer. Rows in which the series had moved
///    already, at most thirty, do not count as rows before: a cause moves before its symptom.
/// 4. **Onset.** If normal time is contiguous with the incident, or is not given, the onset is
///    searched. With a target it is where the target became anomalous. Without, it is the one of the
///    largest common level steps from which on a single service stands out most, because a wrong
///    onset gives many suspects or none.
///    Without a target, what most services of a resource metric share, such as a higher load, is
///    expected.
/// 5. **Charges.** A service weighs `ln(1 + effect)` of its strongest series, and half of it for
///    another kind than the target's. The part of a caller's change that a callee's change of the
///    same metric explains is subtracted. So is what a callee explains by its time: a fault of at
///    least five scales, two to thirty rows before the caller's first move, explains slow and failed
///    calls whatever it was measured by. A client's view of a call is charged to the called peer.
/// 6. **Spans and log lines.** Call gaps (the time a caller waited and the callee did not work) are
///    charged to the service where slow calls meet. More error lines than expected, and statements
///    that stopped logging, are charged to their service. So are requests that ended early: a
///    statement that belongs to another statement or span of its trace is missing there. Error lines
///    and requests that ended early of a service explain the log lines of all that call it. A service
///    without spans weighs half if others have spans.
/// 7. **Changes.** A change in the half hour before the onset adds `ln 1.5` to the weight of a service
///    that is large enough to be reported without it.
/// 8. **Waits.** Where a call has a latency of the client (`X_client->CALLEE`) and one of the server
///    (`X_server->CALLER`), the difference counts as call gaps do.
/// 9. **Naming.** A culprit is named by its memory, else its cpu, if their effect is nearly as large as
///    the largest: they cause slow calls, and rarely the other way round. Its onset is the first clear
///    move of its series.
/// 10. **Calm targets.** If the effect of the target or of the first service is too small, the services
///     that the target calls, directly or through others, are ranked as without a target. The first is
///     named if its effect is twice as large as in windows of normal time.
/// 11. **Abstaining.** Otherwise the ranking is empty. So it is without a target if windows of normal
///     time of the same length have a service that stands out as much. [`MetricRanking::summary`] then
///     states the anomaly of the target, the best-supported candidate and the next largest changes.
///
/// # Small samples
///
/// A series needs four normal values. The comparison with windows of normal time needs at least four
/// windows and twenty rows before them. An edge needs three calls in normal time and three in the
/// incident.
///
/// # Limits
///
/// The order of the points and the names of services do not matter, except for the endings `_remote`
/// and `_client`, by which AWS X-Ray marks inferred peers. Services that only share a resource with
/// the culprit cannot be distinguished from it.
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

    /// Ranks the services of a window.
    ///
    /// `edges` are the known calls as (caller, callee); those of spans are added. `target` is the service and metric that showed
    /// the symptom, of any resource. A target without points is ignored.
    pub fn rank<'a>(
        &self,
        window: &MetricWindow,
        edges: impl IntoIterator<Item = (&'a str, &'a str)>,
        target: Option<(&str, &str)>,
    ) -> MetricRanking {
        let mut series = window.sorted();
        // kinds of metrics: none in an ablation, else the configured kind or the guess from the name
        if !self.config.applies(RankerPart::Kinds) {
            for series in &mut series {
                series.kind = MetricKind::Other;
            }
        } else if !self.config.metric_kinds.is_empty() {
            for series in &mut series {
                series.kind = self.config.kind_of(&series.metric).unwrap_or(series.kind);
            }
        }
        // small counts have a floor; calls that both ends measure give the wait between them
        for series in &mut series {
            series.floor = count_floor(series);
        }
        let waits =
            if self.config.applies(RankerPart::ClientViews) { waits(&series) } else { Vec::new() };
        let first_wait = series.len();
        let mut ends = Vec::new();
        for Wait { caller, callee, series: wait } in waits {
            series.push(wait);
            ends.push((caller, callee));
        }
        let symptom = target;
        let target = target.and_then(|(service, metric)| {
            // a target counts only if it has points in the incident
            let is_target = |one: &Series| {
                (&*one.service, &*one.metric) == (service, metric) && !one.incident().is_empty()
            };
            series.iter().position(is_target)
        });
        let mut calls: Vec<(&str, &str)> = edges.into_iter().collect();
        calls.extend(window.calls.edges());
        let graph = CallGraph::new(calls.into_iter());
        let Some(given) = Timeline::declared(&series) else {
            return MetricRanking::unknown();
        };
        let symptom = symptom.filter(|_| target.is_some()).map(|(service, _)| service);
        let waits = (first_wait, &*ends);
        let case = Case { window, graph: &graph, target, symptom, reach: None, waits };
        // the onset splits all series, spans and lines; the final ranking uses all points
        let mut timeline = self.find_onset(case, &mut series, given);
        let mut judged = self.judge(case, &series, &timeline, usize::MAX);
        let mut calm_target = false;
        if let Some(symptom) = symptom {
            if judged.culprits.is_empty() && timeline.rows >= CALM_TARGET_ROWS {
                // it hardly shows in the target, so what the target calls is ranked by itself
                let reach = graph.reached(symptom);
                let case = Case { target: None, reach: reach.as_ref(), ..case };
                let found = self.find_onset(case, &mut series, given);
                let own = self.judge(case, &series, &found, usize::MAX);
                let usual = self.usual_weight(case, &series, &found);
                let stands_out = usual > 0.0 && own.first >= usual + CALM_TARGET_LEAD;
                judged.strongest = own.strongest;
                if stands_out {
                    (judged.culprits, timeline) = (own.culprits, found);
                    calm_target = true;
                }
            }
        } else if judged.is_metric() && judged.first < self.usual_weight(case, &series, &timeline) {
            judged.culprits.clear();
        }
        if !judged.culprits.is_empty() {
            judged.strongest.clear();
        }
        MetricRanking {
            abstained: judged.culprits.is_empty(),
            culprits: judged.culprits,
            target: judged.target,
            calm_target,
            unnamed: judged.strongest,
            start: Some(Timestamp::from_nanos(timeline.start)),
        }
    }

    /// The incident with its onset.
    ///
    /// Of the candidate rows, the one from which on the first service stands out most, moved to an
    /// earlier row if that service was already anomalous then. The declared onset has a lead if it
    /// gives any culprit.
    fn find_onset(&self, case: Case<'_>, series: &mut [Series], given: Timeline) -> Timeline {
        if !given.contiguous || given.declared && !self.config.find_onset {
            return given;
        }
        if !self.config.find_onset {
            return given.with_onset(given.row(given.end) / 2, series);
        }
        // rank once for each candidate row with a sample of the points
        let rows = onset::candidates(series, case.target.and_then(|at| series.get(at)), &given);
        let mut best = (f64::NEG_INFINITY, rows.first().copied().unwrap_or(0));
        for row in rows.iter().copied().filter(|_| rows.len() > 1) {
            let timeline = given.with_onset(row, series);
            let Judgement { stands_out, culprits, .. } =
                self.judge(case, series, &timeline, SEARCH_POINTS);
            let leads = given.declared && row == 0 && !culprits.is_empty();
            let lead = if leads { DECLARED_LEAD } else { 0.0 };
            // the first of equal ones, which has the larger level step
            if stands_out + lead > best.0 {
                best = (stands_out + lead, row);
            }
        }
        // the first service may have been anomalous before the best row
        let timeline = given.with_onset(best.1, series);
        let first = self.judge(case, series, &timeline, SEARCH_POINTS).culprits.into_iter().next();
        let first = first.and_then(|first| first.evidence.into_iter().next());
        let row = first.and_then(|evidence| onset::earlier(series, &evidence, &given));
        row.map_or(timeline, |row| given.with_onset(row, series))
    }

    /// The weight from which a culprit stands out from what normal time shows: see
    /// [`usual_weight`](quiet::usual_weight).
    fn usual_weight(&self, case: Case<'_>, series: &[Series], timeline: &Timeline) -> f64 {
        let windows = quiet::windows(series, timeline);
        let judged = windows
            .map(|(series, timeline)| self.judge(case, &series, &timeline, SEARCH_POINTS).first);
        quiet::usual_weight(judged.collect())
    }

    /// Ranks for a given onset, with at most `points` points of a series in normal time and incident.
    fn judge(
        &self,
        case: Case<'_>,
        series: &[Series],
        timeline: &Timeline,
        points: usize,
    ) -> Judgement {
        let floors = self.config.applies(RankerPart::Floors);
        let levels = levels(series, points, floors, timeline.contiguous);
        // the anomalous rows of the target, in which all series are compared
        let aligned = case.target.and_then(|index| {
            let (target, level) = (series.get(index)?, levels.get(index)?.as_ref()?);
            Some((target, anomalous_rows(target, level, timeline)?))
        });
        let bad = aligned
            .as_ref()
            .map(|(_, bad)| bad)
            .filter(|_| self.config.applies(RankerPart::Alignment));
        let (first_wait, ends) = case.waits;
        let found = |(series, level): (&Series, &Option<Level>)| {
            effect(series, level.as_ref()?, timeline, bad, points)
        };
        let metrics = series.iter().zip(&levels).take(first_wait);
        let metrics = metrics.filter_map(|one| Some((one.0, found(one)?)));
        // the gaps of calls, from spans or else from the latencies at both ends
        let mut gaps = if timeline.quiet {
            Vec::new()
        } else {
            case.window.calls.gaps(|at| timeline.holds(at))
        };
        let has_spans = !case.window.calls.is_empty();
        let waits = series.iter().zip(&levels).skip(first_wait).zip(ends);
        gaps.extend(waits.filter(|_| !has_spans).filter_map(|(one, (caller, callee))| {
            let Level { center, scale, .. } = (*one.1)?;
            let onset = one.0.incident().first()?.0;
            let still = Effect { size: 0.0, value: center, expected: center, scale, onset };
            let effect = found(one).unwrap_or(still);
            Some(CallGap { caller: Arc::clone(caller), callee: Arc::clone(callee), effect })
        }));
        let by_service = by_service(&gaps);
        let calls = Calls::new(&gaps, &by_service, case.window.calls.services());
        let direct = direct_effects(case.window, &by_service, timeline);
        let direct = direct.iter().map(|(series, effect)| (series, *effect));
        let mut effects: Vec<(&Series, Effect)> = metrics.collect();
        if case.target.is_none() {
            without_shared_moves(&mut effects, series);
        }
        effects.extend(direct);
        let target = aligned.as_ref().map(|(target, _)| *target);
        // with a target the ranking abstains unless the target itself is anomalous
        let own = target.and_then(|target| {
            effects.iter().find(|(series, _)| series.name() == target.name()).copied()
        });
        let target_effect = own.map_or(0.0, |(_, effect)| effect.size);
        let target_moved = target.is_none() || target_effect >= self.config.min_target_effect;
        let mut candidates =
            candidates(&effects, target, case.graph, &calls, timeline.step, &self.config);
        // smallest reported weight: the logarithm of the smallest effect
        let least = match target {
            Some(_) => self.config.min_effect.ln_1p(),
            None => self.config.min_lasting_effect.ln_1p(),
        };
        if let (Some(symptom), Some(reach)) = (case.symptom, case.reach) {
            candidates.retain(|one| one.service == symptom || reach.contains(one.service));
        }
        weigh_changes(&mut candidates, case.window, least);
        let first = candidates.first().map_or(0.0, |first| first.weight);
        // excess of all other candidates over the smallest reported weight
        let others = candidates.iter().skip(1).map(|other| (other.weight - least).max(0.0));
        let named = if first >= least && target_moved { self.config.top_k } else { 0 };
        let reported = candidates.iter().take(named).filter_map(|one| {
            culprit(one, least, case.window, chain(one, &candidates, case.symptom, case.graph))
        });
        let culprits: Vec<MetricCulprit> = reported.collect();
        let stands_out = first - others.sum::<f64>();
        let mut judged =
            Judgement { first, stands_out, culprits, target: None, strongest: Vec::new() };
        // correlations and unnamed anomalies only for the final ranking, which uses all points
        if points == usize::MAX {
            if let Some(first) = judged.culprits.first_mut() {
                first.correlated = correlated(&candidates, timeline, self.config.min_effect);
            }
            judged.target = own.map(|(series, effect)| evidence_of(series, &effect));
            let strongest =
                candidates.iter().take(MAX_UNNAMED).filter_map(|one| one.charges.first());
            judged.strongest =
                strongest.map(|charge| evidence_of(charge.series, &charge.effect)).collect();
        }
        judged
    }
}

/// Adds weight to candidates of at least the weight `least` whose service was changed shortly before.
fn weigh_changes(candidates: &mut [Candidate<'_>], window: &MetricWindow, least: f64) {
    for candidate in candidates.iter_mut().filter(|candidate| candidate.weight >= least) {
        if was_changed(candidate, least, window) {
            candidate.weight += CHANGED.ln();
        }
    }
    candidates.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.service.cmp(b.service)));
}
