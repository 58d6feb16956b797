//! Why a row or a point was flagged or not, in sentences.

use crate::explain::{TemplateExplainer, Why};
use crate::guard::EntityMaturity;
use crate::history::Decision;
use crate::pipeline::{JudgedPoint, JudgedRow, Pipeline};
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
    let JudgedRow { entity, row, scores, verdict } = judged;
    let points = scores.iter().map(|signal| signal.score.points).max().unwrap_or(0);
    let decision = Decision::of_row(row, scores, verdict);
    let first = pipeline.newest_row(row.entity).map(|(known, _)| known.first);
    answer(pipeline, entity, None, &decision, first, points)
}

/// Why a point of a metric was flagged or not, in sentences.
pub fn why_point(pipeline: &Pipeline, judged: &JudgedPoint) -> String {
    let JudgedPoint { entity, metric, point, score, verdict, .. } = judged;
    let newest = pipeline.newest_point(point.series);
    let kind = newest.map_or(crate::SignalKind::Gauge, |(_, newest)| newest.kind);
    let decision = Decision::of_point(point, kind, score, verdict);
    let first = newest.map(|(known, _)| known.first);
    answer(pipeline, entity, Some(metric), &decision, first, score.points)
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
