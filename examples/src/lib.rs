//! Programs that use mad-core the way a service would, and the README's Rust sample as a test.
#![allow(clippy::doc_markdown, reason = "the README writes names as people do")]
#![doc = include_str!("../../README.md")]
