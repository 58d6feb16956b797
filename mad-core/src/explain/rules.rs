//! Likely causes and actions by rules: those of the configuration, then the shipped ones.

use std::sync::LazyLock;

use super::message::Message;
use super::messages;
use super::phrase::Phrase;
use super::words::{named, one_line, quoted};
use crate::config::{CauseRule, Symptom};
use crate::series::{Entity, Glob};

/// Rules that are said of an incident, at most.
const MOST_SAID: usize = 2;

/// A shipped rule: the name of its messages in the groups `rule_cause` and `rule_action`, and its
/// conditions (symptoms, metrics, log templates).
type Shipped = (&'static str, &'static [Symptom], &'static [&'static str], &'static [&'static str]);

const SHIPPED: [Shipped; 15] = [
    ("certificate", &[], &[], &["*certificate*", "*x509*", "*ssl*handshake*", "*tls*handshake*"]),
    (
        "pool",
        &[],
        &[],
        &[
            "*pool*exhaust*",
            "*pool*timed out*",
            "*pool*timeout*",
            "*pool*full*",
            "*too many connections*",
        ],
    ),
    (
        "database",
        &[],
        &[],
        &["*db timeout*", "*database*time*out*", "*query*time*out*", "*lock wait*", "*deadlock*"],
    ),
    (
        "memory",
        &[],
        &[],
        &["*out of memory*", "*outofmemory*", "*oom*kill*", "*cannot allocate memory*"],
    ),
    ("disk", &[], &[], &["*no space left*", "*disk*full*", "*disk quota*"]),
    (
        "names",
        &[],
        &[],
        &[
            "*no such host*",
            "*name resolution*",
            "*enotfound*",
            "*getaddrinfo*",
            "*could not resolve*",
        ],
    ),
    (
        "credentials",
        &[],
        &[],
        &[
            "*unauthori*",
            "*access denied*",
            "*permission denied*",
            "*authentication failed*",
            "*invalid*credential*",
            "*invalid*token*",
        ],
    ),
    ("rate_limit", &[], &[], &["*rate limit*", "*too many requests*", "*throttl*"]),
    (
        "refused",
        &[],
        &[],
        &[
            "*connection refused*",
            "*econnrefused*",
            "*connection reset*",
            "*econnreset*",
            "*broken pipe*",
        ],
    ),
    ("retries", &[Symptom::Surge, Symptom::Errors], &[], &[]),
    ("memory_metric", &[], &["*rss*", "*heap*", "*mem*"], &[]),
    ("saturation", &[], &["*cpu*", "*load_avg*", "*saturation*"], &[]),
    ("queue", &[], &["*queue*", "*backlog*", "*consumer_lag*"], &[]),
    ("pool_metric", &[], &["*pool*", "*connections*", "*threads*", "*open_files*"], &[]),
    ("disk_metric", &[], &["*disk*", "*inode*"], &[]),
];

/// A rule, and where its sentences come from.
struct Rule {
    conditions: CauseRule,
    cause: &'static Message,
    action: &'static Message,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let globs = |patterns: &[&str]| patterns.iter().map(|one| Glob::new(*one)).collect();
    let rule = |(name, when, metric, log): Shipped| {
        let conditions = CauseRule {
            when: when.to_vec(),
            metric: globs(metric),
            log: globs(log),
            ..CauseRule::default()
        };
        let message = |group| messages::find(&format!("{group}.{name}"));
        let (cause, action) = (message("rule_cause")?, message("rule_action")?);
        Some(Rule { conditions, cause, action })
    };
    SHIPPED.into_iter().filter_map(rule).collect()
});

/// What rules are compared with.
pub(super) struct Facts<'a> {
    pub entity: &'a Entity,
    /// Start of its anomalies.
    pub since: &'a str,
    pub symptoms: Vec<Symptom>,
    /// Names of its flagged metrics that rose, the strongest first.
    pub metrics: Vec<&'a str>,
    /// The template of its log whose lines rose most.
    pub template: Option<&'a str>,
}

/// Causes and actions of the rules that hold, those of `own` first: at most two of each.
pub(super) fn said(own: &[CauseRule], facts: &Facts<'_>) -> (Vec<Phrase>, Vec<Phrase>) {
    let own = own.iter().filter_map(|rule| {
        let found = found(rule, facts)?;
        let fill = |text: &str| Phrase::Text(fill(text, facts, found));
        let action = Some(&rule.action).filter(|action| !action.is_empty());
        Some((fill(&rule.cause), action.map(|action| fill(action))))
    });
    let shipped = RULES.iter().filter_map(|rule| {
        let found = found(&rule.conditions, facts)?;
        let fill = |message| filled(message, facts, found);
        Some((fill(rule.cause), Some(fill(rule.action))))
    });
    let (causes, actions): (Vec<_>, Vec<_>) = own.chain(shipped).take(MOST_SAID).unzip();
    (causes, actions.into_iter().flatten().collect())
}

/// The metric and the template that fulfil the conditions of a rule.
type Found<'a> = (Option<&'a str>, Option<&'a str>);

/// What fulfils the conditions of a rule; `None` if it does not hold.
fn found<'a>(rule: &CauseRule, facts: &Facts<'a>) -> Option<Found<'a>> {
    let metric = facts.metrics.iter().copied().find(|name| any(&rule.metric, name));
    let template = facts.template.filter(|template| any(&rule.log, template));
    let holds = rule.is_for(facts.entity)
        && rule.when.iter().all(|symptom| facts.symptoms.contains(symptom))
        && (rule.metric.is_empty() || metric.is_some())
        && (rule.log.is_empty() || template.is_some());
    holds.then_some((metric, template))
}

/// Whether a text matches one of some patterns; upper and lower case are equal.
fn any(patterns: &[Glob], text: &str) -> bool {
    let text = text.to_lowercase();
    patterns.iter().any(|one| Glob::new(one.as_str().to_lowercase()).matches(&text))
}

/// The value of a placeholder of a rule.
fn value(name: &str, facts: &Facts<'_>, (metric, template): Found<'_>) -> Option<String> {
    match name {
        "service" => Some(one_line(&facts.entity.service)),
        "entity" => Some(named(facts.entity)),
        "since" => Some(facts.since.to_owned()),
        "metric" => metric.map(one_line),
        "template" => template.map(quoted),
        _ => None,
    }
}

/// A message of a shipped rule with its values.
fn filled(message: &'static Message, facts: &Facts<'_>, found: Found<'_>) -> Phrase {
    let value = |name: &&str| value(name, facts, found).unwrap_or_default().into();
    Phrase::Message(message, message.placeholders.iter().map(value).collect())
}

/// A sentence with its placeholders filled, in one pass: names cannot hold placeholders.
fn fill(text: &str, facts: &Facts<'_>, found: Found<'_>) -> String {
    let mut parts = text.split('{');
    let mut out = one_line(parts.next().unwrap_or_default());
    for part in parts {
        let known =
            part.split_once('}').and_then(|(name, rest)| Some((value(name, facts, found)?, rest)));
        if let Some((value, rest)) = known {
            out.push_str(&value);
            out.push_str(&one_line(rest));
        } else {
            out.push('{');
            out.push_str(&one_line(part));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_rules_are_valid() {
        assert_eq!(RULES.len(), SHIPPED.len());
        for Rule { conditions, cause, action } in RULES.iter() {
            let rule = CauseRule {
                cause: cause.text.to_owned(),
                action: action.text.to_owned(),
                ..conditions.clone()
            };
            rule.validate("cause[0]").unwrap();
        }
    }

    #[test]
    fn names_are_no_placeholders() {
        let entity = Entity::new("{since}", "/x");
        let facts = Facts {
            entity: &entity,
            since: "noon",
            symptoms: Vec::new(),
            metrics: Vec::new(),
            template: Some("a `b` {service}"),
        };
        let text = fill("{service} {template} {other} {", &facts, (None, facts.template));
        assert_eq!(text, "{since} a 'b' {service} {other} {");
    }
}
