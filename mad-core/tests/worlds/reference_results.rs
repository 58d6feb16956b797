//! The original's published results, reproduced on twenty simulated files.

use std::time::Duration;

use mad_core::evaluate::{EvaluatedIncident, Evaluation, Evaluator};
use mad_core::reference::{ReferenceConfig, detect};
use mad_core::simulate::{Shop, ShopConfig, SimulatedRequest};
use mad_core::time::MINUTE;

/// Twenty seeds through the original's own evaluation.
fn twenty(rows: u64, config: &ReferenceConfig) -> Evaluation {
    let mut pooled = Evaluation::default();
    for seed in 0..20 {
        let shop = Shop::new(ShopConfig { rows, seed, ..ShopConfig::default() }).unwrap();
        let requests: Vec<_> = shop.requests().collect();
        let report = detect(requests.iter().map(SimulatedRequest::request), config).unwrap();
        let truth = shop.truth();
        let mut evaluator = Evaluator::new(Duration::from_secs(60), Duration::ZERO, &truth);
        for row in &report.rows {
            evaluator.push_row(row.bucket, &row.service, &row.endpoint, row.is_anomaly);
        }
        let ranking = report.culprit(15, Some(truth.incidents[0].end), 3);
        let ranks: Vec<_> =
            ranking.top.iter().map(|c| (c.service.to_string(), c.endpoint.to_string())).collect();
        let incidents: Vec<_> = report
            .incidents
            .iter()
            .map(|incident| EvaluatedIncident {
                service: incident.service.to_string(),
                endpoint: incident.endpoint.to_string(),
                start: incident.start,
                end: incident.end.plus(MINUTE),
                opened_at: incident.start.plus(MINUTE),
                rank_of_culprits: ranks.clone(),
                members: Vec::new(),
            })
            .collect();
        pooled.merge(evaluator.finish(&incidents));
    }
    pooled
}

/// Figures of the original over its twenty files: incidents found, false rows and
/// recall by settings. The files here have the same distribution and other random numbers.
#[test]
fn the_originals_results_are_reproduced() {
    let eager = ReferenceConfig { min_requests: 0, ..ReferenceConfig::default() };
    let strict = ReferenceConfig { min_requests: 3, threshold: 8.0, ..ReferenceConfig::default() };
    for (rows, config, found, false_rows, recall) in [
        (10_000, ReferenceConfig::default(), 0..=0, 0.0, 0.0),
        (10_000, ReferenceConfig::live(), 0..=4, 226.0, 0.013),
        (10_000, eager, 20..=20, 1_279.0, 0.994),
        (10_000, strict.clone(), 20..=20, 89.0, 0.716),
        (100_000, ReferenceConfig::default(), 20..=20, 364.0, 1.0),
        (100_000, strict, 20..=20, 69.0, 1.0),
    ] {
        let evaluation = twenty(rows, &config);
        let counts = evaluation.rows;
        assert!(found.contains(&evaluation.incidents.found), "{config:?} {evaluation:?}");
        // three standard deviations of a Poisson count on both sides
        let margin = 3.0 * (2.0_f64 * false_rows).sqrt();
        assert!((counts.fp as f64 - false_rows).abs() <= margin, "{config:?} {counts:?}");
        assert!((counts.scores.recall.unwrap() - recall).abs() < 0.1, "{config:?} {counts:?}");
        assert_eq!(evaluation.culprits.first, evaluation.incidents.found, "{config:?}");
    }
}
