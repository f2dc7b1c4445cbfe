//! Translations of requests, answers, streams and errors: never a panic, and never an end that is none.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/translate/tests/it/checks.rs"]
mod checks;

fuzz_target!(|input: &[u8]| checks::any(input));
