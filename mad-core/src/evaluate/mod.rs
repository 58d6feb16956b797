//! Precision, recall, delay and ranking against a known truth.
