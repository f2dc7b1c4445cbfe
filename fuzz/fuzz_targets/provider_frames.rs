//! Amazon's binary frames around any headers and payload.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/provider/tests/it/checks.rs"]
#[allow(dead_code, reason = "each target calls one of the checks")]
mod checks;

fuzz_target!(|input: &[u8]| checks::frames(input));
