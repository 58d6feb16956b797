//! The original system's numbers, kept exact.
