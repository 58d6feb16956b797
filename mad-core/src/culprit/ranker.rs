//! Ranks entities by the evidence in their flagged rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::context::RankingContext;
use super::ranking::{Culprit, Ranking};
use super::suspect::Suspect;
use super::weights::weigh;
use crate::config::CulpritConfig;
use crate::error::Result;
use crate::history::FlaggedRow;
use crate::series::{EntityId, EntityTable};
use crate::time::{MINUTE, Timestamp};

/// Ranks entities by the evidence in their flagged rows of a look-back window.
///
/// # Method
///
/// 1. **Weight.** A row weighs its anomaly score (0.5 to 1), so that a lasting fault outweighs a
///    single extreme row. An entity weighs the sum of its rows. Rows that [persist without a
///    flag](RankingContext::persisting_rows) right after its evidence count like the flagged ones.
/// 2. **Metrics.** Entities of services that a [`MetricRanker`](super::MetricRanker) ranked take
///    their weight from that ranking, because it already considers calls.
/// 3. **Calls.** The weight is multiplied by 0.25 in each of these cases, because the anomaly of a
///    callee also shows in its callers:
///    - The entity calls a service whose anomalies began no later.
///    - Its calls to another service spent longer in the network, no later.
///    - It got more requests, and so did one of its callers no later: a surge goes from caller to
///      callee. For the same reason a callee that got more requests does not explain such a caller.
///    - Only missing requests or missing spans speak against it, and one of its callers failed
///      because of another callee. A service that was never called is not a cause.
/// 4. **Other incidents.** The weight of an entity in [another
///    incident](RankingContext::in_other_incident) is multiplied by 0.25.
/// 5. **Failing since first seen.** The weight of an entity that fails since its first row is
///    multiplied by 0.25 if another entity departed from its level more than ten steps later. Such an
///    entity, as a route that always times out, had failed without that effect.
/// 6. **Changes.** The weight is multiplied by 1.5 if the service was changed in the half hour before
///    its first flagged row.
///
/// The score of an entity is its share of the total weight, 0 to 1. Ties go to the worse severity,
/// then the stronger single row, the earlier onset, and the name.
///
/// # Small samples
///
/// One flagged row is enough to be ranked. Without any flagged row in the window the ranking is empty
/// and [`abstained`](Ranking::abstained) is set.
///
/// # Limits
///
/// The order of onsets decides between caller and callee. If both are flagged in the same step, the
/// callee is preferred even if the caller failed first. Without a [`RankingContext`] only step 1
/// applies.
///
/// # Examples
///
/// ```
/// use mad_core::{
///     CulpritConfig, CulpritRanker, EntityTable, FlaggedRow, FlaggedSignal, Signal, Timestamp,
/// };
///
/// let mut entities = EntityTable::new(100);
/// let pay = entities.id("payments", "/pay");
/// let cart = entities.id("cart", "/add");
/// let minute = |n: i64| Timestamp::from_seconds(60 * n);
/// let flagged = |entity, at| {
///     FlaggedRow::new(entity, at).signal(FlaggedSignal::new(Signal::P95Latency, 900.0, 6.0))
/// };
/// let rows = [flagged(pay, minute(10)), flagged(pay, minute(11)), flagged(cart, minute(11))];
///
/// let ranker = CulpritRanker::new(CulpritConfig::default())?;
/// let ranking = ranker.rank(&rows, &entities, minute(12));
/// assert_eq!(&*ranking.culprits[0].entity.service, "payments");
/// assert_eq!(ranking.culprits[0].rows, 2);
/// assert!((ranking.culprits[0].score - 2.0 / 3.0).abs() < 1e-9);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CulpritRanker {
    config: CulpritConfig,
}

impl CulpritRanker {
    /// A ranker.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: CulpritConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// The start of the look-back window that ends at `at`.
    pub fn from(&self, at: Timestamp) -> Timestamp {
        at.plus(-((self.config.minutes * MINUTE as f64) as i64))
    }

    /// Ranks the entities of the rows that start in the look-back window `[at - minutes, at]`. Without
    /// such rows the ranking is empty and has abstained.
    pub fn rank<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a FlaggedRow>,
        entities: &EntityTable,
        at: Timestamp,
    ) -> Ranking {
        self.rank_with(rows, entities, at, &())
    }

    /// Ranks with a context: calls, changes and rankings over metrics.
    pub fn rank_with<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a FlaggedRow>,
        entities: &EntityTable,
        at: Timestamp,
        context: &impl RankingContext,
    ) -> Ranking {
        let from = self.from(at);
        let mut suspects: BTreeMap<EntityId, Suspect> = BTreeMap::new();
        let mut total_rows = 0;
        for row in rows {
            if row.bucket >= from && row.bucket <= at {
                total_rows += 1;
                suspects.entry(row.entity).or_default().add(row);
            }
        }
        weigh(&mut suspects, entities, at, context);
        let total: f64 = suspects.values().map(|suspect| suspect.weight).sum();
        let mut ranked: Vec<(f64, Culprit)> = suspects
            .into_iter()
            .filter_map(|(id, suspect)| {
                let strongest = suspect.strongest;
                Some((strongest, suspect.into_culprit(id, entities, total)?))
            })
            .collect();
        ranked.sort_by(|(a_row, a), (b_row, b)| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| b.severity.cmp(&a.severity))
                .then_with(|| b_row.total_cmp(a_row))
                .then_with(|| a.onset.cmp(&b.onset))
                .then_with(|| a.entity.cmp(&b.entity))
        });
        ranked.truncate(self.config.top_k);
        let culprits: Vec<Culprit> = ranked.into_iter().map(|(_, culprit)| culprit).collect();
        Ranking { from, at, rows: total_rows, abstained: culprits.is_empty(), culprits }
    }
}
