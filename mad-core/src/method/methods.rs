//! The chosen methods over the rows of a run, their summaries and ensembles.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entities::ByEntity;
use super::ewma::EwmaRules;
use super::rules::{EventKindRule, LogLevelRule};
use super::vector::{ForestRule, ModelRule, ZRule};
use super::{Judgement, MemberSet, MethodName, MethodSummary, Opinion};
use crate::error::{Error, Result};
use crate::feature::RowKind;
use crate::guard::JudgedRow;
#[cfg(feature = "lstm")]
use crate::lstm::{AutoencoderConfig, LstmAutoencoder};
use crate::series::Entity;
use crate::svm::{OneClassSvm, SvmConfig};
use crate::telemetry::Change;
use crate::time::Timestamp;

/// Largest weight. The sum of larger ones could be infinite, and their mean no number.
const MOST_WEIGHT: f64 = 1e9;

/// A chosen method with its weight in the weighted ensemble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The method.
    pub method: MethodName,
    /// Its weight: a number above 0, 1e9 at most.
    pub weight: f64,
}

/// Most entities for which a method that fits a model has one.
const MOST_MODELS: usize = 1_000;

/// The chosen methods over the rows of a run.
///
/// Rows come in the order in which a pipeline judges them. A row is judged by earlier rows only. With two
/// methods or more, each row that two of them judge also has the opinions of two ensembles: `vote`
/// flags it if more than half of its members do, `weighted` if the weighted mean of their scores is 0.5
/// or more.
///
/// # Bounds
///
/// Each method holds state for at most `entities` entities, those that fit a model for at most 1,000. A
/// further entity takes the place of one without a row for an hour; if there is none, the method does
/// not judge it. An entity takes 640 kB for the Isolation Forest, 100 kB for each of the other models
/// (more for a resource with many metrics), up to 40 kB for `zscore` and up to 150 kB for `ewma`.
///
/// # Examples
///
/// ```
/// use mad_core::method::{MethodName, Methods};
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let requests = (0..3600_i64).map(|second| {
///     let latency = if second >= 3000 { 2000.0 } else { 100.0 + (second * 37 % 50) as f64 };
///     Request::new(Timestamp::from_seconds(second), "payments", "/pay", 200, latency)
/// });
/// let update = pipeline.ingest(requests);
///
/// let mut methods = Methods::new(&["ewma", "zscore"], 10_000)?;
/// let mut opinions = Vec::new();
/// for row in &update.rows {
///     methods.push(row, &mut opinions);
/// }
/// let flagged = |method| opinions.iter().find(|one| one.method == method && one.judgement.is_anomaly);
/// assert_eq!(flagged(MethodName::Ewma).map(|one| one.at), Some(Timestamp::from_seconds(3000)));
/// assert!(flagged(MethodName::Vote).is_some());
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Methods {
    members: Vec<Member>,
    entities: usize,
    ewma: EwmaRules,
    zscore: ByEntity<ZRule>,
    forest: ByEntity<ForestRule>,
    svm: ByEntity<ModelRule<OneClassSvm>>,
    #[cfg(feature = "lstm")]
    lstm: ByEntity<ModelRule<LstmAutoencoder>>,
    log_level: LogLevelRule,
    event_kind: EventKindRule,
    tallies: Vec<Tally>,
    of_row: Vec<(MethodName, Judgement)>,
}

#[derive(Debug, Default, Clone)]
struct Tally {
    rows: u64,
    flagged: u64,
    entities: BTreeSet<Arc<Entity>>,
    first: Option<(Timestamp, Arc<Entity>)>,
}

impl Methods {
    /// The methods of some names. A name may carry a weight, such as `ewma=2`; `all` stands for all
    /// methods but `default`. A method that is named twice counts once, with its last weight.
    ///
    /// # Errors
    ///
    /// No name, a name that no method has, or a weight that is not above 0 and at most 1e9.
    pub fn new<S: AsRef<str>>(names: &[S], entities: usize) -> Result<Self> {
        let mut members: Vec<Member> = Vec::new();
        for name in names {
            for member in Member::parse(name.as_ref())? {
                match members.iter_mut().find(|known| known.method == member.method) {
                    Some(known) => *known = member,
                    None => members.push(member),
                }
            }
        }
        if members.is_empty() {
            let expected = format!("all, or some of {}", MethodName::names());
            return Err(Error::argument("scorers", "empty", &expected));
        }
        let models = entities.min(MOST_MODELS);
        members.sort_by_key(|member| member.method);
        Ok(Self {
            members,
            entities,
            ewma: EwmaRules::new(entities)?,
            zscore: ByEntity::new(ZRule, entities),
            forest: ByEntity::new(ForestRule::new()?, models),
            svm: ByEntity::new(ModelRule::new(SvmConfig::default()), models),
            #[cfg(feature = "lstm")]
            lstm: ByEntity::new(ModelRule::new(AutoencoderConfig::default()), models),
            log_level: LogLevelRule::new()?,
            event_kind: EventKindRule::new()?,
            tallies: vec![Tally::default(); MethodName::ALL.len()],
            of_row: Vec::new(),
        })
    }

    /// The chosen methods with their weights.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Judges a row and appends the opinions about it. Rows of whole services are not judged, because
    /// their requests are those of their endpoints.
    pub fn push(&mut self, row: &JudgedRow, out: &mut Vec<Opinion>) {
        self.push_all(std::slice::from_ref(row), 1, out);
    }

    /// Judges some rows, as [`Methods::push`] does one after another. With the feature `parallel`, up
    /// to `workers` threads share the entities of the methods that judge each entity by itself; the
    /// opinions are the same for any number.
    pub fn push_all(&mut self, rows: &[JudgedRow], workers: usize, out: &mut Vec<Opinion>) {
        let members = self.members.clone();
        let by_entity = members.iter().map(|one| self.judge_all(one.method, rows, workers));
        let mut by_entity: Vec<_> = by_entity.collect();
        for (place, row) in rows.iter().enumerate() {
            if row.head.kind == RowKind::Services {
                continue;
            }
            self.advance(row.head.at, out);
            // The default stands in the summaries for comparison, also if it was not chosen.
            if !self.has(MethodName::Default) {
                self.tally(row.head.at, &row.entity, MethodName::Default, is_flagged(row));
            }
            let mut of_row = std::mem::take(&mut self.of_row);
            for (member, judged) in members.iter().zip(&mut by_entity) {
                let judged = match (member.method, judged) {
                    (_, Some(judged)) => judged.get_mut(place).and_then(Option::take),
                    (MethodName::Default, None) => Some(of_default(row)),
                    (MethodName::Ewma, None) => self.ewma.judge(row),
                    (MethodName::LogLevel, None) => self.log_level.judge(row),
                    (_, None) => None,
                };
                of_row.extend(judged.map(|judged| (member.method, judged)));
            }
            self.note_row(row, &mut of_row, out);
            self.of_row = of_row;
        }
    }

    /// The judgements of a method that judges each entity by itself.
    fn judge_all(
        &mut self,
        method: MethodName,
        rows: &[JudgedRow],
        workers: usize,
    ) -> Option<Vec<Option<Judgement>>> {
        match method {
            MethodName::Zscore => Some(self.zscore.judge_all(rows, workers)),
            MethodName::IsolationForest => Some(self.forest.judge_all(rows, workers)),
            MethodName::OneClassSvm => Some(self.svm.judge_all(rows, workers)),
            #[cfg(feature = "lstm")]
            MethodName::LstmAutoencoder => Some(self.lstm.judge_all(rows, workers)),
            _ => None,
        }
    }

    /// Notes the judgements of a row, and those of the ensembles if there are two or more.
    fn note_row(
        &mut self,
        row: &JudgedRow,
        of_row: &mut Vec<(MethodName, Judgement)>,
        out: &mut Vec<Opinion>,
    ) {
        let ensembles = (of_row.len() > 1).then(|| self.ensembles(of_row));
        for of in of_row.drain(..) {
            self.note(row.head.at, &row.entity, Some(row.head.kind), of, out);
        }
        let Some(((vote, members, votes), weighted)) = ensembles else { return };
        for of in [(MethodName::Vote, vote), (MethodName::Weighted, weighted)] {
            self.note(row.head.at, &row.entity, Some(row.head.kind), of, out);
            if let Some(last) = out.last_mut() {
                (last.members, last.votes) = (members, votes);
            }
        }
    }

    /// Judges a change and appends the opinion about it.
    pub fn push_change(&mut self, change: &Change<'_>, out: &mut Vec<Opinion>) {
        if self.has(MethodName::EventKind) && change.check().is_ok() {
            let entity = Arc::new(Entity::new(change.service, change.name));
            let judged = self.event_kind.judge(change);
            self.note(change.timestamp, &entity, None, (MethodName::EventKind, judged), out);
        }
    }

    /// Takes note that event time has reached `now`, and appends the endpoints that have become silent.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Opinion>) {
        if self.has(MethodName::Ewma) {
            for (at, entity, judged) in self.ewma.silent(now) {
                let of = (MethodName::Ewma, judged);
                self.note(at, &entity, Some(RowKind::Requests), of, out);
            }
        }
    }

    /// What the default and each method and ensemble flagged so far, in the order of
    /// [`MethodName::ALL`].
    pub fn summaries(&self) -> Vec<MethodSummary> {
        let is_used = |method: MethodName| {
            method == MethodName::Default
                || self.has(method)
                || method.is_ensemble() && self.members.len() > 1
        };
        let used = MethodName::ALL.into_iter().zip(&self.tallies).filter(|(one, _)| is_used(*one));
        let summary = |(method, tally): (MethodName, &Tally)| MethodSummary {
            method,
            weight: self.weight(method),
            rows: tally.rows,
            flagged: tally.flagged,
            entities: tally.entities.len() as u64,
            first: tally.first.as_ref().map(|(at, _)| *at),
            first_entity: tally.first.as_ref().map(|(_, entity)| Arc::clone(entity)),
            drifts: if method == MethodName::IsolationForest {
                self.forest.rule.drifts()
            } else {
                0
            },
        };
        used.map(summary).collect()
    }

    fn has(&self, method: MethodName) -> bool {
        self.members.iter().any(|member| member.method == method)
    }

    fn weight(&self, method: MethodName) -> f64 {
        let member = self.members.iter().find(|member| member.method == method);
        member.map_or(0.0, |member| member.weight)
    }

    /// The judgements of the ensembles about a row, the members that judged it, and those that flagged
    /// it.
    fn ensembles(
        &self,
        of_row: &[(MethodName, Judgement)],
    ) -> ((Judgement, MemberSet, MemberSet), Judgement) {
        let (mut members, mut votes) = (MemberSet::default(), MemberSet::default());
        let (mut sum, mut weights) = (0.0, 0.0);
        for (method, judged) in of_row {
            members.insert(*method);
            if judged.is_anomaly {
                votes.insert(*method);
            }
            let weight = self.weight(*method);
            sum += weight * judged.score;
            weights += weight;
        }
        let severity = of_row.iter().map(|(_, judged)| judged.severity).max().unwrap_or_default();
        let of = |score: f64, is_anomaly: bool| Judgement {
            severity: if is_anomaly { severity } else { crate::guard::Severity::Info },
            ..Judgement::of_row(score, is_anomaly)
        };
        let share = votes.len() as f64 / members.len() as f64;
        let mean = sum / weights;
        ((of(share, share > 0.5), members, votes), of(mean, mean >= 0.5))
    }

    fn tally(&mut self, at: Timestamp, entity: &Arc<Entity>, method: MethodName, flagged: bool) {
        let Some(tally) = self.tallies.get_mut(method.index()) else { return };
        tally.rows += 1;
        if !flagged {
            return;
        }
        tally.flagged += 1;
        if tally.entities.len() < self.entities {
            tally.entities.insert(Arc::clone(entity));
        }
        if tally.first.as_ref().is_none_or(|(first, _)| at < *first) {
            tally.first = Some((at, Arc::clone(entity)));
        }
    }

    fn note(
        &mut self,
        at: Timestamp,
        entity: &Arc<Entity>,
        row_kind: Option<RowKind>,
        (method, judgement): (MethodName, Judgement),
        out: &mut Vec<Opinion>,
    ) {
        self.tally(at, entity, method, judgement.is_anomaly);
        out.push(Opinion {
            at,
            entity: Arc::clone(entity),
            method,
            judgement,
            members: MemberSet::default(),
            votes: MemberSet::default(),
            row_kind,
        });
    }
}

impl Member {
    /// The methods of a name with an optional weight.
    fn parse(text: &str) -> Result<Vec<Self>> {
        let (name, weight) = match text.split_once('=') {
            Some((name, weight)) => (name, weight.trim().parse().unwrap_or(f64::NAN)),
            None => (text, 1.0),
        };
        if !(weight > 0.0 && weight <= MOST_WEIGHT) {
            let expected = "NAME, or NAME=WEIGHT with a weight above 0, 1e9 at most";
            return Err(Error::argument("scorer", text, expected));
        }
        let methods = match name.trim() {
            "all" => {
                let built = MethodName::MEMBERS.into_iter().filter(|method| method.is_built());
                built.filter(|method| *method != MethodName::Default).collect()
            }
            name => vec![MethodName::parse(name)?],
        };
        Ok(methods.into_iter().map(|method| Self { method, weight }).collect())
    }
}

/// Whether the pipeline flags a signal of the row.
fn is_flagged(row: &JudgedRow) -> bool {
    row.signals.iter().any(|signal| signal.is_anomaly)
}

/// The verdict of the pipeline as a judgement.
fn of_default(row: &JudgedRow) -> Judgement {
    let mut judged = Judgement::of_row(row.verdict.score(), is_flagged(row));
    judged.severity = row.verdict.severity;
    if let Some(leading) = row.leading() {
        judged.signal = Arc::from(leading.name.as_str());
        judged.value = leading.sample.value;
        judged.expected = leading.score.expected;
        (judged.low, judged.high) = (leading.score.low, leading.score.high);
    }
    judged
}
