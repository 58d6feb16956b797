//! Likely causes and actions by rules: those of the configuration, then the shipped ones.

use std::sync::LazyLock;

use super::words::{named, one_line, quoted};
use crate::config::{CauseRule, Symptom};
use crate::series::{Entity, Glob};

/// Rules that are said of an incident, at most.
const MOST_SAID: usize = 2;

/// The shipped rules as conditions (symptoms, metrics, log templates), cause and action.
type Shipped = (
    &'static [Symptom],
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
    &'static str,
);

const SHIPPED: [Shipped; 15] = [
    (
        &[],
        &[],
        &["*certificate*", "*x509*", "*ssl*handshake*", "*tls*handshake*"],
        "A certificate that expired or is not trusted: {service} logs `{template}`.",
        "Check when the certificates between {service} and its peers expire, and who signed them.",
    ),
    (
        &[],
        &[],
        &[
            "*pool*exhaust*",
            "*pool*timed out*",
            "*pool*timeout*",
            "*pool*full*",
            "*too many connections*",
        ],
        "A connection pool that is used up: {service} logs `{template}`.",
        "Check the size of the pool of {service}, connections that are not given back, and slow queries.",
    ),
    (
        &[],
        &[],
        &["*db timeout*", "*database*time*out*", "*query*time*out*", "*lock wait*", "*deadlock*"],
        "A database that is slow, locked or saturated: {service} logs `{template}`.",
        "Check slow queries, locks and the load of the database that {service} uses.",
    ),
    (
        &[],
        &[],
        &["*out of memory*", "*outofmemory*", "*oom*kill*", "*cannot allocate memory*"],
        "Memory that is used up: {service} logs `{template}`.",
        "Check the memory limit of {service}, its heap, and the releases before it grew.",
    ),
    (
        &[],
        &[],
        &["*no space left*", "*disk*full*", "*disk quota*"],
        "A disk that is full: {service} logs `{template}`.",
        "Free space on the disk of {service}, and find out what fills it.",
    ),
    (
        &[],
        &[],
        &[
            "*no such host*",
            "*name resolution*",
            "*enotfound*",
            "*getaddrinfo*",
            "*could not resolve*",
        ],
        "Names that cannot be resolved: {service} logs `{template}`.",
        "Check the DNS that {service} uses, and the names of its dependencies.",
    ),
    (
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
        "A key, password or permission that expired or was changed: {service} logs `{template}`.",
        "Check the credentials of {service}, and when they were changed.",
    ),
    (
        &[],
        &[],
        &["*rate limit*", "*too many requests*", "*throttl*"],
        "A rate limit of a dependency that {service} reaches: it logs `{template}`.",
        "Check the limits of the dependencies of {service}, and how it repeats calls.",
    ),
    (
        &[],
        &[],
        &[
            "*connection refused*",
            "*econnrefused*",
            "*connection reset*",
            "*econnreset*",
            "*broken pipe*",
        ],
        "A dependency of {service} that is down or restarts: it logs `{template}`.",
        "Check whether the dependencies of {service} run and can be reached.",
    ),
    (
        &[Symptom::Surge, Symptom::Errors],
        &[],
        &[],
        "Retries of callers that add to the load of {service}: requests and failures rose together.",
        "Check whether the callers of {entity} repeat failed requests without waiting.",
    ),
    (
        &[],
        &["*rss*", "*heap*", "*mem*"],
        &[],
        "A memory leak or a memory limit that is too small: {metric} of {service} rose.",
        "Check what {service} keeps in memory, its limit, and the releases before it grew.",
    ),
    (
        &[],
        &["*cpu*", "*load_avg*", "*saturation*"],
        &[],
        "Saturation of {service}: its {metric} rose.",
        "Check what uses the processor of {service}: traffic, a loop, garbage collection, a neighbour.",
    ),
    (
        &[],
        &["*queue*", "*backlog*", "*consumer_lag*"],
        &[],
        "Work that arrives faster than {service} finishes it: its {metric} rose.",
        "Check how many consumers {service} has, how long one takes, and what sends more.",
    ),
    (
        &[],
        &["*pool*", "*connections*", "*threads*", "*open_files*"],
        &[],
        "A pool or limit of {service} that is being used up: its {metric} rose.",
        "Check what {service} opens and does not give back, and the limit.",
    ),
    (
        &[],
        &["*disk*", "*inode*"],
        &[],
        "A disk of {service} that fills or is busy: its {metric} rose.",
        "Check the space and the load of the disk of {service}.",
    ),
];

static RULES: LazyLock<Vec<CauseRule>> = LazyLock::new(|| {
    let globs = |patterns: &[&str]| patterns.iter().map(|one| Glob::new(*one)).collect();
    let rule = |(when, metric, log, cause, action): Shipped| CauseRule {
        when: when.to_vec(),
        metric: globs(metric),
        log: globs(log),
        cause: cause.to_owned(),
        action: action.to_owned(),
        ..CauseRule::default()
    };
    SHIPPED.into_iter().map(rule).collect()
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
pub(super) fn said(own: &[CauseRule], facts: &Facts<'_>) -> (Vec<String>, Vec<String>) {
    let holding = own.iter().chain(RULES.iter()).filter_map(|rule| {
        let metric = facts.metrics.iter().copied().find(|name| any(&rule.metric, name));
        let template = facts.template.filter(|template| any(&rule.log, template));
        let holds = rule.is_for(facts.entity)
            && rule.when.iter().all(|symptom| facts.symptoms.contains(symptom))
            && (rule.metric.is_empty() || metric.is_some())
            && (rule.log.is_empty() || template.is_some());
        holds.then(|| {
            let fill = |text: &str| fill(text, facts, metric, template);
            (fill(&rule.cause), fill(&rule.action))
        })
    });
    let (causes, actions): (Vec<_>, Vec<_>) = holding.take(MOST_SAID).unzip();
    (causes, actions.into_iter().filter(|action| !action.is_empty()).collect())
}

/// Whether a text matches one of some patterns; upper and lower case are equal.
fn any(patterns: &[Glob], text: &str) -> bool {
    let text = text.to_lowercase();
    patterns.iter().any(|one| Glob::new(one.as_str().to_lowercase()).matches(&text))
}

/// A sentence with its placeholders filled, in one pass: names cannot hold placeholders.
fn fill(text: &str, facts: &Facts<'_>, metric: Option<&str>, template: Option<&str>) -> String {
    let mut parts = text.split('{');
    let mut out = one_line(parts.next().unwrap_or_default());
    for part in parts {
        let known = part.split_once('}').and_then(|(name, rest)| {
            let value = match name {
                "service" => one_line(&facts.entity.service),
                "entity" => named(facts.entity),
                "since" => facts.since.to_owned(),
                "metric" => one_line(metric?),
                "template" => quoted(template?),
                _ => return None,
            };
            Some((value, rest))
        });
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
        for rule in RULES.iter() {
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
        let text = fill("{service} {template} {other} {", &facts, None, facts.template);
        assert_eq!(text, "{since} a 'b' {service} {other} {");
    }
}
