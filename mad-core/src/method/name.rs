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
    /// A one-class support vector machine over the signals of a row.
    OneClassSvm,
    /// An LSTM autoencoder over the signals of the last ten rows; needs the feature `lstm`.
    LstmAutoencoder,
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
    pub const MEMBERS: [Self; 8] = [
        Self::Default,
        Self::Ewma,
        Self::Zscore,
        Self::IsolationForest,
        Self::OneClassSvm,
        Self::LstmAutoencoder,
        Self::LogLevel,
        Self::EventKind,
    ];

    /// All methods and ensembles, in the order of tables.
    pub const ALL: [Self; 10] = [
        Self::Default,
        Self::Ewma,
        Self::Zscore,
        Self::IsolationForest,
        Self::OneClassSvm,
        Self::LstmAutoencoder,
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
            Self::OneClassSvm => "one_class_svm",
            Self::LstmAutoencoder => "lstm_autoencoder",
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
    /// A name that none of [`MethodName::MEMBERS`] has, or a method that this build lacks.
    ///
    /// ```
    /// use mad_core::method::MethodName;
    ///
    /// assert_eq!(MethodName::parse("ewma")?, MethodName::Ewma);
    /// assert!(MethodName::parse("vote").is_err());
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn parse(name: &str) -> Result<Self> {
        match Self::MEMBERS.into_iter().find(|method| method.as_str() == name) {
            Some(method) if method.is_built() => Ok(method),
            Some(_) => Err(Error::argument("scorer", name, "a build with the feature `lstm`")),
            None => Err(Error::argument("scorer", name, &Self::names())),
        }
    }

    /// Whether this build has the method.
    pub const fn is_built(self) -> bool {
        !matches!(self, Self::LstmAutoencoder) || cfg!(feature = "lstm")
    }

    /// The names of the methods that can be chosen.
    pub(super) fn names() -> String {
        let built = Self::MEMBERS.into_iter().filter(|method| method.is_built());
        built.map(Self::as_str).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use super::MethodName;

    #[test]
    fn a_method_that_the_build_lacks_is_refused_by_its_feature() {
        let found = MethodName::parse("lstm_autoencoder");
        if cfg!(feature = "lstm") {
            assert_eq!(found.ok(), Some(MethodName::LstmAutoencoder));
        } else {
            let message = found.unwrap_err().to_string();
            assert!(message.contains("the feature `lstm`"), "{message}");
            assert!(!MethodName::names().contains("lstm"));
        }
    }

    #[test]
    fn places_are_those_of_the_list() {
        for (place, method) in MethodName::ALL.into_iter().enumerate() {
            assert_eq!(method.index(), place);
        }
    }
}
