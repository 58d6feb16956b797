//! Runs the whole pipeline on simulated shops and evaluates it with their truth.

pub mod fleet;
pub mod situations;
pub mod slow;
pub mod traffic;

use mad_core::evaluate::{EvaluatedIncident, Evaluation, Evaluator};
use mad_core::simulate::{IncidentSpec, Shop, ShopConfig, TruthIncident};
use mad_core::{Entity, Pipeline, PipelineConfig, Result, RowKind, Source, Update};

/// One evaluated run.
#[derive(Debug, Clone)]
pub struct ShopRun {
    /// Evaluation of rows and incidents.
    pub evaluation: Evaluation,
    /// True incidents whose endpoint ranks first in the detected incident. If n true incidents share a
    /// detected one, the first n ranks count.
    pub blamed: u64,
}

/// Simulates a shop, runs the pipeline with its defaults, and evaluates the result.
///
/// # Errors
///
/// A shop outside its range.
pub fn run_shop(seed: u64, rows: u64, hours: f64, incidents: Vec<IncidentSpec>) -> Result<ShopRun> {
    run_shop_with(PipelineConfig::default(), seed, rows, hours, incidents)
}

/// [`run_shop`] with another configuration.
///
/// # Errors
///
/// A shop or configuration outside its range.
pub fn run_shop_with(
    config: PipelineConfig,
    seed: u64,
    rows: u64,
    hours: f64,
    incidents: Vec<IncidentSpec>,
) -> Result<ShopRun> {
    let shop = Shop::new(ShopConfig {
        rows,
        duration_seconds: hours * 3600.0,
        seed,
        incidents,
        ..ShopConfig::default()
    })?;
    let truth = shop.truth();
    let (step, lateness) = (config.features.step(), config.features.lateness());
    let mut pipeline = Pipeline::new(config)?;
    let mut evaluator = Evaluator::new(step, lateness, &truth);
    let mut update = Update::default();
    for (position, request) in (1..).zip(shop.requests()) {
        pipeline.push(request.request(), &Source::at(position), &mut update);
        if update.rows.len() > 1_000 {
            score_rows(&mut evaluator, &pipeline, &mut update);
        }
    }
    score_rows(&mut evaluator, &pipeline, &mut update);
    score_rows(&mut evaluator, &pipeline, &mut pipeline.clone().finish());
    let mut ended = pipeline;
    ended.finish();
    let found: Vec<EvaluatedIncident> = ended
        .incidents()
        .into_iter()
        .map(|incident| EvaluatedIncident {
            service: incident.entity.service.to_string(),
            endpoint: incident.entity.endpoint.to_string(),
            start: incident.start,
            end: incident.end,
            opened_at: incident.opened_at,
            members: incident
                .members
                .iter()
                .map(|member| {
                    let entity = &member.entity;
                    (entity.service.to_string(), entity.endpoint.to_string(), member.joined_at)
                })
                .collect(),
            rank_of_culprits: ended
                .ranking_of(incident)
                .culprits
                .iter()
                .map(|culprit| {
                    (culprit.entity.service.to_string(), culprit.entity.endpoint.to_string())
                })
                .collect(),
        })
        .collect();
    let shares = |found: &EvaluatedIncident, own: &TruthIncident| {
        let named = |one: &Entity| (one.service.to_string(), one.endpoint.to_string());
        let has = |one: &Entity| {
            let (service, endpoint) = named(one);
            (&found.service, &found.endpoint) == (&service, &endpoint)
                || found
                    .members
                    .iter()
                    .any(|member| (&member.0, &member.1) == (&service, &endpoint))
        };
        let overlaps = |one: &TruthIncident| found.start < one.end && one.start < found.end;
        let truths = truth.incidents.iter();
        let most = truths.filter(|one| overlaps(one) && has(&one.entity())).count();
        overlaps(own)
            && has(&own.entity())
            && found.rank_of_culprits.iter().take(most).any(|one| *one == named(&own.entity()))
    };
    let blamed = truth.incidents.iter().filter(|own| found.iter().any(|one| shares(one, own)));
    let blamed = blamed.count() as u64;
    Ok(ShopRun { evaluation: evaluator.finish(&found), blamed })
}

/// Moves the rows of an update into the evaluator.
fn score_rows(evaluator: &mut Evaluator<'_>, pipeline: &Pipeline, update: &mut Update) {
    for judged in update.rows.iter().filter(|row| row.head.kind == RowKind::Requests) {
        if let Some(entity) = pipeline.entities().get(judged.head.entity) {
            let flag = judged.verdict.is_anomaly;
            evaluator.push_row(judged.head.at, &entity.service, &entity.endpoint, flag);
        }
    }
    *update = Update::default();
}
