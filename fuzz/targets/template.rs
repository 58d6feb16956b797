//! The target `template` for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mad_fuzz::template(data));
