//! Rules that name a likely cause by its symptoms.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::series::{Entity, Glob};

/// Characters of a sentence, at most.
const MOST_CHARACTERS: usize = 1_000;
/// Patterns of a list, at most.
const MOST_PATTERNS: usize = 100;

/// What an incident shows of its culprit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// Its latency rose.
    Latency,
    /// More of its requests failed.
    Errors,
    /// More of its requests were refused or sent elsewhere.
    Refused,
    /// It got more requests.
    Surge,
    /// It got fewer requests.
    Drop,
    /// It got none.
    Silence,
    /// Spans of its calls are missing.
    MissingSpans,
    /// Calls spent longer in the network.
    Network,
    /// It was changed shortly before.
    Change,
}

/// A rule that names a likely cause and an action where its symptoms hold, `cause` in files.
///
/// All given conditions have to hold for the first culprit. `metric` has to match the name of one of
/// its flagged metrics that rose, `log` one of the patterns the template of its log whose lines rose
/// most. Both ignore case.
///
/// The sentences may name `{service}`, `{entity}`, `{since}`, and, with the condition, `{metric}` (the
/// name of the metric) and `{template}` (the template of the log).
///
/// # Examples
///
/// ```
/// use mad_core::config::CauseRule;
///
/// let rule: CauseRule = serde_json::from_str(
///     r#"{"log": ["*circuit breaker*open*"], "cause": "A breaker of {service} is open: {template}."}"#,
/// )?;
/// assert!(rule.validate("cause[0]").is_ok());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CauseRule {
    /// Pattern of services. Default `*`.
    pub service: Glob,
    /// Pattern of endpoints, or of resources of metrics. Default `*`.
    pub endpoint: Glob,
    /// Symptoms that have to be there, all of them. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Symptom>,
    /// Patterns of names of metrics. Default none: metrics do not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric: Vec<Glob>,
    /// Patterns of log templates. Default none: the log does not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Glob>,
    /// The likely cause, a sentence.
    pub cause: String,
    /// What to do about it, a sentence. Default empty: nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
}

impl CauseRule {
    /// Whether the patterns of names match this entity.
    pub fn is_for(&self, entity: &Entity) -> bool {
        self.service.matches(&entity.service) && self.endpoint.matches(&entity.endpoint)
    }

    /// Checks every field; `at` is its place in the configuration, such as `cause[0]`.
    ///
    /// # Errors
    ///
    /// A rule without a condition or a cause, a sentence that is too long, a placeholder that does not
    /// exist or lacks its condition, too many patterns.
    pub fn validate(&self, at: &str) -> Result<()> {
        if self.when.is_empty() && self.metric.is_empty() && self.log.is_empty() {
            return Err(Error::config(at, "without a condition", "when, metric or log"));
        }
        for (field, patterns) in [("metric", &self.metric), ("log", &self.log)] {
            if patterns.len() > MOST_PATTERNS {
                let found = format!("{} patterns", patterns.len());
                return Err(Error::config(&format!("{at}.{field}"), found, "100 at most"));
            }
        }
        if self.cause.trim().is_empty() {
            return Err(Error::config(&format!("{at}.cause"), "empty", "a sentence"));
        }
        for (field, text) in [("cause", &self.cause), ("action", &self.action)] {
            let field = format!("{at}.{field}");
            if text.chars().count() > MOST_CHARACTERS {
                return Err(Error::config(&field, "too long", "1,000 characters at most"));
            }
            for name in placeholders(text) {
                let is_known = match name {
                    "service" | "entity" | "since" => true,
                    "metric" => !self.metric.is_empty(),
                    "template" => !self.log.is_empty(),
                    _ => false,
                };
                if !is_known {
                    let expected = "{service}, {entity}, {since}, {metric} beside `metric`, or \
                                    {template} beside `log`";
                    return Err(Error::config(&field, format!("{{{name}}}"), expected));
                }
            }
        }
        Ok(())
    }
}

/// The names in braces of a sentence.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use crate::config::problems;

    #[test]
    fn a_rule_that_cannot_apply_is_refused() {
        for (rule, wanted) in [
            (r#"{"cause": "It is so."}"#, "without a condition"),
            (r#"{"when": ["errors"]}"#, "cause[0].cause"),
            (r#"{"when": ["errors"], "cause": "See {template}."}"#, "{template}"),
            (r#"{"log": ["*"], "cause": "See {metric}."}"#, "{metric}"),
            (r#"{"when": ["errrors"], "cause": "It is so."}"#, "errrors"),
            (r#"{"when": ["errors"], "cause": "It is so.", "then": 1}"#, "then"),
        ] {
            let found = problems(&format!(r#"{{"cause": [{rule}]}}"#));
            assert!(found.iter().any(|one| one.message.contains(wanted)), "{rule}: {found:?}");
        }
        let good = r#"{"cause": [{"log": ["*{*"], "cause": "{service} wrote {template} {"}]}"#;
        assert_eq!(problems(good), []);
    }
}
