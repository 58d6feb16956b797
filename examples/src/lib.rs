//! Programs that use mad-core the way a service would, and the README's Rust sample as a test.
#![doc = include_str!("../../README.md")]
