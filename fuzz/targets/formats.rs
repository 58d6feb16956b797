//! The target `formats` for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mad_fuzz::formats(data));
