//! Why a row or a point was flagged or not, in sentences.

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
