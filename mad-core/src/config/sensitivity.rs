//! Names for thresholds of scores.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// How rare a row has to be until it is anomalous: a threshold of the score by name.
///
/// | sensitivity | normal rows that reach it | threshold |
/// |---|---|---|
/// | low | one in 100,000 | 5/9 |
/// | medium, the default | one in 10,000 | 1/2 |
/// | high | one in 1,000 | 3/7 |
///
/// `score.threshold` and the `threshold` of an override take these names in place of a number, and
/// `sensitivity` is another name of the field.
///
/// # Examples
///
/// ```
/// use mad_core::PipelineConfig;
/// use mad_core::config::Sensitivity;
///
/// let config: PipelineConfig = serde_json::from_str(r#"{"score": {"sensitivity": "high"}}"#)?;
/// assert_eq!(config.score.threshold, Sensitivity::High.threshold());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Few alarms: one normal row in 100,000.
    Low,
    /// One normal row in 10,000.
    #[default]
    Medium,
    /// Small faults too: one normal row in 1,000.
    High,
}

impl Sensitivity {
    /// All of them, the least sensitive one first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The name in a configuration file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The threshold of the score, 0 to 1: `e / (e + 4)` for one normal row in `10^e`.
    pub const fn threshold(self) -> f64 {
        match self {
            Self::Low => 5.0 / 9.0,
            Self::Medium => 0.5,
            Self::High => 3.0 / 7.0,
        }
    }
}

struct Threshold;

impl Visitor<'_> for Threshold {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number above 0 and below 1, or \"low\", \"medium\" or \"high\"")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<f64, E> {
        let found = Sensitivity::ALL.into_iter().find(|one| one.as_str() == name);
        let unknown = || E::invalid_value(serde::de::Unexpected::Str(name), &self);
        found.map(Sensitivity::threshold).ok_or_else(unknown)
    }
}

/// Reads a threshold: a number or the name of a sensitivity.
pub(super) fn threshold<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    input.deserialize_any(Threshold)
}

/// The same where it is optional.
pub(super) fn optional_threshold<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<f64>, D::Error> {
    struct Given(f64);
    impl<'de> Deserialize<'de> for Given {
        fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
            threshold(input).map(Self)
        }
    }
    let given: Option<Given> = Option::deserialize(input)?;
    Ok(given.map(|Given(threshold)| threshold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PipelineConfig, problems};

    #[test]
    fn a_name_is_a_threshold() {
        let read = |json: &str| serde_json::from_str::<PipelineConfig>(json);
        for one in Sensitivity::ALL {
            for field in ["threshold", "sensitivity"] {
                let json = format!(r#"{{"score": {{"{field}": "{}"}}}}"#, one.as_str());
                assert_eq!(read(&json).unwrap().score.threshold, one.threshold());
            }
        }
        let config = read(r#"{"override": [{"service": "pay", "sensitivity": "low"}]}"#).unwrap();
        assert_eq!(config.overrides[0].threshold, Some(Sensitivity::Low.threshold()));
        assert_eq!(read(r#"{"score": {"threshold": 0.7}}"#).unwrap().score.threshold, 0.7);
        assert_eq!(Sensitivity::default().threshold(), PipelineConfig::default().score.threshold);
    }

    #[test]
    fn another_name_is_refused_with_those_that_exist() {
        let found = problems(r#"{"score": {"sensitivity": "huge"}}"#);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains(r#""low", "medium" or "high""#), "{}", found[0].message);
        let both = problems(r#"{"score": {"sensitivity": "low", "threshold": 0.6}}"#);
        assert!(both[0].message.contains("duplicate"), "{both:?}");
    }
}
