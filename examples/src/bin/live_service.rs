//! A service with `mad-core` inside: requests go in one by one as they happen, and what becomes of
//! incidents is acted on as soon as it is known.
//!
//! ```text
//! cargo run -p mad-examples --bin live_service
//! ```
//!
//! The traffic is two hours of a simulated shop with an outage of payments `/pay` at 10:45. In a
//! service the loop's body is what the handler of a request calls at its end, and [`tick`] what a
//! timer calls, so that steps close and incidents end when nothing comes in any more.

use std::error::Error;
use std::io::{self, Write};

use mad_core::simulate::{Shop, ShopConfig};
use mad_core::time::MINUTE;
use mad_core::{
    Command, IncidentChange, Pipeline, PipelineConfig, Severity, Source, Timestamp, Update,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let shop = Shop::new(ShopConfig::default())?;
    let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    let mut update = Update::default();
    let mut now = Timestamp::MIN;
    for (position, request) in (1..).zip(shop.requests()) {
        let request = request.request();
        now = now.max(request.timestamp);
        pipeline.push(request, &Source::at(position), &mut update);
        // nearly every call closes no step: there is nothing to see then
        if !update.changes.is_empty() {
            react(&mut pipeline, &update, &mut out)?;
        }
        pipeline.note_rejections(std::mem::take(&mut update.rejected));
        update.rows.clear();
        update.changes.clear();
    }
    tick(&mut pipeline, now.plus(10 * MINUTE), &mut out)?;

    let counters = pipeline.counters();
    writeln!(
        out,
        "{} requests, {} rows judged, {} flagged; {} rejected",
        counters.requests,
        counters.rows,
        counters.flagged,
        pipeline.rejected().total()
    )?;
    for incident in pipeline.incidents() {
        let ranking = pipeline.ranking_of(incident);
        let first = ranking.culprits.first().map_or_else(String::new, |it| it.entity.to_string());
        writeln!(out, "{}: {} to {}, culprit {first}", incident.id, incident.start, incident.end)?;
    }
    Ok(())
}

/// Time has come to `at` by the service's own clock, whether or not there were requests.
fn tick(pipeline: &mut Pipeline, at: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let update = pipeline.advance(at);
    react(pipeline, &update, out)
}

/// Says what happened to incidents, and takes the critical ones as an engineer on call would.
fn react(pipeline: &mut Pipeline, update: &Update, out: &mut impl Write) -> io::Result<()> {
    for change in &update.changes {
        match change {
            IncidentChange::Opened(incident) | IncidentChange::Reopened(incident) => {
                writeln!(
                    out,
                    "{} opened  {}",
                    incident.opened_at,
                    pipeline.explain(incident).line
                )?;
                let (id, at) = (incident.id.clone(), incident.opened_at);
                if incident.severity == Severity::Critical
                    && pipeline.apply(&Command::Acknowledge { id, at }).is_ok()
                {
                    writeln!(out, "{at} acknowledged {}", incident.id)?;
                }
            }
            IncidentChange::Closed(incident) => {
                let at = incident.closed_at.unwrap_or(incident.end);
                let explanation = pipeline.explain(incident);
                writeln!(out, "{at} closed  {}", explanation.line)?;
                for cause in &explanation.likely_causes {
                    writeln!(out, "    {cause}")?;
                }
            }
            // grew, or was taken by somebody: a dashboard would redraw it
            IncidentChange::Updated(_) | IncidentChange::Acknowledged(_) => {}
        }
    }
    Ok(())
}
