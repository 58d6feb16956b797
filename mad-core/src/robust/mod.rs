//! Exact robust statistics: pure functions on slices, and rolling ones with state.
