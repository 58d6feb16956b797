//! The document of a report with the original's numbers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use mad_core::export::{
    CulpritDocument, Document, EntityDocument, EntitySummary, IncidentDocument, RankingDocument,
    RejectedDocument, SCHEMA_VERSION,
};
use mad_core::pipeline::Counters;
use mad_core::reference::{ReferenceIncident, ReferenceReport};
use mad_core::time::MINUTE;
use mad_core::{Explanation, Rejections};

/// The document of a report with the original's numbers.
pub fn document(report: &ReferenceReport, rejections: &Rejections) -> Document {
    let rows = &report.rows;
    let summaries = summaries(report);
    let counters = Counters {
        requests: rows.iter().map(|row| row.req_count).sum(),
        errors: rows.iter().map(|row| row.error_count).sum(),
        rows: rows.len() as u64,
        flagged: rows.iter().filter(|row| row.is_anomaly).count() as u64,
        first: rows.first().map(|row| row.bucket),
        last: rows.last().map(|row| row.bucket.plus(MINUTE)),
        ..Counters::default()
    };
    Document {
        schema_version: SCHEMA_VERSION,
        generator: concat!("mad ", env!("CARGO_PKG_VERSION")).to_owned(),
        mode: "reference",
        first: counters.first.map(|time| time.to_string()),
        last: counters.last.map(|time| time.to_string()),
        step_seconds: 60.0,
        requests: counters.requests,
        errors: counters.errors,
        rows: counters.rows,
        flagged: counters.flagged,
        points: 0,
        flagged_points: 0,
        series: 0,
        entities: summaries.len() as u64,
        suppressed: BTreeMap::new(),
        rejected: RejectedDocument::new(rejections),
        clock_faults: Vec::new(),
        incidents: report.incidents.iter().map(|one| incident(report, one)).collect(),
        ranking: ranking(report, None),
        timeline: summaries,
        services: Vec::new(),
        overview: None,
        learnt_routes: BTreeMap::new(),
        state_counts: BTreeMap::new(),
        states: Vec::new(),
        counters,
        graph: None,
    }
}

/// The ranking of the original, which has no evidence per signal and scores by the peak of |z|.
fn ranking(report: &ReferenceReport, now: Option<mad_core::Timestamp>) -> RankingDocument {
    let reference = report.culprit(15, now, 3);
    let at = reference.window_end.unwrap_or_default();
    RankingDocument {
        at: at.to_string(),
        from: reference.window_start.unwrap_or_default().to_string(),
        minutes: reference.window_minutes as f64,
        rows: reference.total_anomalies,
        abstained: reference.culprit.is_none(),
        culprits: reference
            .top
            .iter()
            .map(|culprit| CulpritDocument {
                service: culprit.service.to_string(),
                endpoint: culprit.endpoint.to_string(),
                metric: "p95_latency_ms".to_owned(),
                score: culprit.peak_abs_mad,
                onset: culprit.first_anomaly.to_string(),
                last: culprit.last_anomaly.to_string(),
                rows: culprit.points,
                severity: culprit.peak_severity.as_str(),
                evidence: Vec::new(),
                log: None,
            })
            .collect(),
    }
}

fn incident(report: &ReferenceReport, one: &ReferenceIncident) -> IncidentDocument {
    let reference = report.explain(&one.service, &one.endpoint, one.start, one.end).ok();
    let ranking = ranking(report, Some(one.end));
    let id = format!("{} {} {}", one.service, one.endpoint, one.start);
    let summary = format!(
        "{} {}: {} flagged minutes, p95 latency up to {:.1} ms, error rate up to {:.1} %.",
        one.service,
        one.endpoint,
        one.count_points,
        one.max_p95_latency_ms,
        100.0 * one.max_error_rate,
    );
    let confidence =
        reference.as_ref().map_or(mad_core::Confidence::Low, |reference| reference.confidence);
    let (requests, errors) = report
        .rows
        .iter()
        .filter(|row| row.service == one.service && row.endpoint == one.endpoint)
        .filter(|row| row.is_anomaly && (one.start..=one.end).contains(&row.bucket))
        .fold((0, 0), |(n, e), row| (n + row.req_count, e + row.error_count));
    IncidentDocument {
        fingerprint: id.clone(),
        id,
        service: one.service.to_string(),
        endpoint: one.endpoint.to_string(),
        start: one.start.to_string(),
        end: one.end.plus(MINUTE).to_string(),
        opened_at: one.start.plus(MINUTE).to_string(),
        closed_at: None,
        close_reason: None,
        merged_into: None,
        reopened: 0,
        flapping: false,
        grouped_by_time: false,
        severity: one.peak_severity.as_str(),
        status: "resolved",
        signals: vec!["p95_latency_ms".to_owned()],
        rows: one.count_points,
        neg_log10_p: None,
        requests,
        errors,
        no_response: 0,
        subsets: Vec::new(),
        peaks: BTreeMap::new(),
        affected: vec![format!("{} {}", one.service, one.endpoint)],
        members: Vec::new(),
        reached: 0,
        slo: None,
        front_door: None,
        chain: Vec::new(),
        similar: Vec::new(),
        culprit: ranking.culprits.first().map(|culprit| EntityDocument {
            service: culprit.service.clone(),
            endpoint: culprit.endpoint.clone(),
        }),
        explanation: Explanation {
            line: summary.clone(),
            root_cause: String::new(),
            first_failure: String::new(),
            checks: Vec::new(),
            summary,
            why_flagged: Vec::new(),
            log_evidence: Vec::new(),
            impact: Vec::new(),
            likely_causes: Vec::new(),
            recommended_actions: Vec::new(),
            confidence,
            chain: Vec::new(),
            severity_evidence: Vec::new(),
            confidence_rule:
                "the original's: High with 5 flagged rows and z above 5, Medium with 3 \
                              and z above 3.5"
                    .to_owned(),
        },
        messages: None,
        ranking,
        series: None,
    }
}

/// Rows, flagged rows and incidents of each endpoint, those with most incidents first.
fn summaries(report: &ReferenceReport) -> Vec<EntitySummary> {
    let mut summaries: BTreeMap<(&str, &str), EntitySummary> = BTreeMap::new();
    for row in &report.rows {
        let summary =
            summaries.entry((&row.service, &row.endpoint)).or_insert_with(|| EntitySummary {
                service: row.service.to_string(),
                endpoint: row.endpoint.to_string(),
                rows: 0,
                flagged: 0,
                incidents: 0,
            });
        summary.rows += 1;
        summary.flagged += u64::from(row.is_anomaly);
    }
    for incident in &report.incidents {
        if let Some(summary) = summaries.get_mut(&(&*incident.service, &*incident.endpoint)) {
            summary.incidents += 1;
        }
    }
    let mut summaries: Vec<EntitySummary> = summaries.into_values().collect();
    summaries.sort_by_key(|summary| Reverse((summary.incidents, summary.flagged)));
    summaries
}
