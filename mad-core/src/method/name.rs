//! The names of the methods.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A method, or an ensemble of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// The verdict of the pipeline.
    Default,
    /// Ratio to an exponentially weighted mean, share of failed requests, silence.
    Ewma,
    /// Distance from the mean in standard deviations.
    Zscore,
    /// An Isolation Forest over the signals of a row.
    IsolationForest,
    /// Error lines of logs.
    LogLevel,
    /// Changes that are restarts.
    EventKind,
    /// Ensemble: more than half of the members flag the row.
    Vote,
    /// Ensemble: the weighted mean of the members' scores reaches 0.5.
    Weighted,
}

impl MethodName {
    /// The methods that can be chosen.
    pub const MEMBERS: [Self; 6] = [
        Self::Default,
        Self::Ewma,
        Self::Zscore,
        Self::IsolationForest,
        Self::LogLevel,
        Self::EventKind,
    ];

    /// All methods and ensembles, in the order of tables.
    pub const ALL: [Self; 8] = [
        Self::Default,
        Self::Ewma,
        Self::Zscore,
        Self::IsolationForest,
        Self::LogLevel,
        Self::EventKind,
        Self::Vote,
        Self::Weighted,
    ];

    /// The name in files, answers and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Ewma => "ewma",
            Self::Zscore => "zscore",
            Self::IsolationForest => "isolation_forest",
            Self::LogLevel => "log_level",
            Self::EventKind => "event_kind",
            Self::Vote => "vote",
            Self::Weighted => "weighted",
        }
    }

    /// The method of a name.
    ///
    /// # Errors
    ///
    /// A name that none of [`MethodName::MEMBERS`] has.
    ///
    /// ```
    /// use mad_core::method::MethodName;
    ///
    /// assert_eq!(MethodName::parse("ewma")?, MethodName::Ewma);
    /// assert!(MethodName::parse("vote").is_err());
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::MEMBERS.into_iter().find(|method| method.as_str() == name);
        found.ok_or_else(|| {
            let names = Self::MEMBERS.map(Self::as_str).join(", ");
            Error::argument("scorer", name, &names)
        })
    }

    /// Whether it is an ensemble.
    pub const fn is_ensemble(self) -> bool {
        matches!(self, Self::Vote | Self::Weighted)
    }

    /// The place in [`MethodName::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}
