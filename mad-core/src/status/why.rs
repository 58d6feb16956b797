//! Why a row or a point was flagged or not, in sentences.

use crate::error::{Error, Result};
use crate::explain::{TemplateExplainer, Why};
use crate::guard::{EntityMaturity, JudgedRow, JudgedSignal};
use crate::history::Decision;
use crate::pipeline::Pipeline;
use crate::series::Entity;
use crate::time::Timestamp;

/// Why a row of requests was flagged or not, in sentences.
///
/// # Examples
///
/// ```
/// use mad_core::status::why;
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let at = |minute: i64| Timestamp::from_seconds(60 * minute);
/// pipeline.ingest((0..17).map(|minute| Request::new(at(minute), "pay", "/", 200, 80.0)));
/// let update = pipeline.finish();
/// assert!(why(&pipeline, &update.rows[0]).contains("guard.min_points"));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn why(pipeline: &Pipeline, judged: &JudgedRow) -> String {
    let points = judged.signals.iter().map(|signal| signal.score.points).max().unwrap_or(0);
    let first = pipeline.newest_row(judged.head.entity).map(|(known, _)| known.first);
    answer(pipeline, &judged.entity, None, &Decision::of_row(judged), first, points)
}

/// Why a value of a series of an entity was flagged or not, in sentences.
pub fn why_signal(
    pipeline: &Pipeline,
    entity: &Entity,
    at: Timestamp,
    judged: &JudgedSignal,
) -> String {
    let newest = judged.id.series().and_then(|series| pipeline.newest_point(series));
    let kind = newest.map_or(crate::SignalKind::Gauge, |(_, newest)| newest.kind);
    let decision = Decision::of_series(at, kind, judged);
    let first = newest.map(|(known, _)| known.first);
    let metric = Some(judged.name.as_str());
    answer(pipeline, entity, metric, &decision, first, judged.score.points)
}

fn answer(
    pipeline: &Pipeline,
    name: &Entity,
    metric: Option<&str>,
    decision: &Decision,
    first: Option<Timestamp>,
    points: u32,
) -> String {
    let settings = pipeline.config().resolve(name);
    let maturity = first.map(|first| EntityMaturity { first, points: points as usize });
    let why = Why {
        decision,
        metric,
        settings: Some(&settings),
        maturity,
        muted_until: pipeline.muted_until(name, decision.bucket),
        step: pipeline.config().features.step(),
    };
    let sentences = TemplateExplainer.answer(name, &why);
    if !decision.is_anomaly {
        return sentences;
    }
    let at = decision.bucket;
    let holds = |incident: &&crate::Incident| {
        incident.is_about(name) && incident.start <= at && at < incident.end
    };
    let incident = pipeline.incidents().into_iter().find(holds);
    let part = incident.map_or_else(
        || "no incident that is kept".to_owned(),
        |incident| format!("incident {}", incident.id),
    );
    format!("{sentences} Part of {part}.")
}

/// Names that an error lists at most.
const NAMED: usize = 10;

/// The entity, and where wanted the metric and the time, that a person asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// The entity.
    pub entity: Entity,
    /// The metric; `None` for the row of requests, or for any metric of an entity without requests.
    pub metric: Option<&'a str>,
    /// Later rows do not count; `None` for the newest row.
    pub at: Option<Timestamp>,
}

impl Question<'_> {
    fn covers(&self, bucket: Timestamp) -> bool {
        self.at.is_none_or(|at| bucket <= at)
    }

    fn nothing_yet(&self, first: Timestamp) -> String {
        let at = self.at.unwrap_or_default();
        let name = self.entity.to_string();
        format!("{name:?}: nothing was seen by {at}; the first row is of {first}.")
    }

    fn unknown(&self, pipeline: &Pipeline) -> Error {
        let Self { entity, metric, .. } = self;
        let names = |same: bool| {
            let entities = pipeline.entities().iter().map(|(_, known)| known);
            let found = entities.filter(move |known| same == (known.service == entity.service));
            found.map(|known| format!("{:?}", (&*known.service, &*known.endpoint)))
        };
        let known: Vec<String> = names(true).chain(names(false)).take(NAMED).collect();
        let metric = metric.map(|name| format!(" with the metric {name:?}")).unwrap_or_default();
        Error::input(format!(
            "no rows of {:?}{metric}; there are: {}",
            (&*entity.service, &*entity.endpoint),
            known.join(", ")
        ))
    }
}

/// Why the newest row that a question covers was flagged or not, in sentences.
///
/// `rows` are judged rows of requests, `points` judged values of series, both in order of time. The
/// row of requests answers unless the question names a metric or the entity has no requests. Of
/// several values at one time, the least likely one answers.
///
/// # Errors
///
/// There are no rows of the entity. The error lists the known entities, those of the service first.
///
/// # Examples
///
/// ```
/// use mad_core::status::{Question, why_at};
/// use mad_core::{Entity, Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let at = |minute: i64| Timestamp::from_seconds(60 * minute);
/// pipeline.ingest((0..17).map(|minute| Request::new(at(minute), "pay", "/", 200, 80.0)));
/// let rows = pipeline.finish().rows;
/// let mut question = Question { entity: Entity::new("pay", "/"), metric: None, at: None };
/// let why = why_at(&pipeline, &question, rows.iter().cloned(), std::iter::empty())?;
/// assert!(why.contains("guard.min_points"));
/// question.entity = Entity::new("cart", "/");
/// let error = why_at(&pipeline, &question, rows.into_iter(), std::iter::empty()).unwrap_err();
/// assert!(error.to_string().contains(r#"there are: ("pay", "/")"#));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn why_at<'a>(
    pipeline: &Pipeline,
    question: &Question<'_>,
    rows: impl Iterator<Item = JudgedRow>,
    points: impl Iterator<Item = (&'a Entity, Timestamp, &'a JudgedSignal)>,
) -> Result<String> {
    if question.metric.is_none() {
        let mut rows = rows.filter(|judged| *judged.entity == question.entity).peekable();
        let first = rows.peek().map(|judged| judged.head.at);
        if let Some(row) = rows.take_while(|judged| question.covers(judged.head.at)).last() {
            let end = row.head.at + pipeline.config().features.step();
            let reason = why(pipeline, &row);
            return Ok(match question.at {
                Some(at) if at >= end => format!("No requests at {at}; the row before: {reason}"),
                _ => reason,
            });
        }
        if let Some(first) = first {
            return Ok(question.nothing_yet(first));
        }
    }
    let (mut first, mut newest) = (None, None);
    for (entity, at, signal) in points {
        let is_metric = question.metric.is_none_or(|metric| metric == signal.name.as_str());
        if *entity != question.entity || !is_metric {
            continue;
        }
        first = first.or(Some(at));
        let is_better = |(known, other): (Timestamp, &JudgedSignal)| {
            let evidence = signal.score.neg_log10_p;
            at.cmp(&known).then(evidence.total_cmp(&other.score.neg_log10_p)).is_ge()
        };
        if question.covers(at) && newest.is_none_or(is_better) {
            newest = Some((at, signal));
        }
    }
    match (newest, first) {
        (Some((at, signal)), _) => Ok(why_signal(pipeline, &question.entity, at, signal)),
        (None, Some(first)) => Ok(question.nothing_yet(first)),
        (None, None) => Err(question.unknown(pipeline)),
    }
}
