//! The fuzz targets without a fuzzer: seeded mutations of golden inputs, the same on every run.

use crate::{checks, goldens};

/// Cases of each target; with those of frames, six targets make 225,000.
const CASES: u32 = 44_000;

/// Cases of the frames, whose checksums take long.
const CASES_OF_FRAMES: u32 = 5_000;

/// Snippets that steer a mutation towards the edges of the grammars.
const SNIPPETS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"0",
    b"18446744073709551616",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b" ",
    b"\0",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"\xc3",
    b"\"model\":\"x\",",
    b"\"stream\":true,",
    b"\"usage\":{\"prompt_tokens\":1}",
    b"\"choices\":[]",
    b"data: ",
    b"[DONE]",
    b"event: error\n",
    b"Limit ",
    b"Used 5",
    b" per day",
    b"try again in ",
    b"1m26.4s",
    b";q=",
    b"=",
    b"ratelimit: ",
];

/// Marsaglia's xorshift with 64 bits: enough to choose mutations by.
struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}

fn mutate(random: &mut XorShift, input: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(input.len() + 1);
    let end = at + random.below(16).min(input.len() - at);
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 => drop(input.drain(at..end)),
        2 => drop(input.splice(
            at..at,
            SNIPPETS[random.below(SNIPPETS.len())].iter().copied(),
        )),
        3 => drop(input.splice(
            at..end,
            SNIPPETS[random.below(SNIPPETS.len())].iter().copied(),
        )),
        4 => {
            let copy = input[at..end].to_vec();
            input.splice(at..at, copy);
        }
        5 => input.truncate(at),
        _ => {
            let from = random.below(other.len());
            let to = (from + random.below(40)).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
    }
}

/// Runs a check over mutations of the inputs, each behind `prefix` bytes that choose the variant.
fn run(seed: u64, goldens: &[&str], prefix: usize, check: fn(&[u8])) {
    run_cases(CASES, seed, goldens, (prefix, check));
}

fn run_cases(cases: u32, seed: u64, goldens: &[&str], (prefix, check): (usize, fn(&[u8]))) {
    let mut random = XorShift(seed);
    for case in 0..cases {
        let mut input = goldens[random.below(goldens.len())].as_bytes().to_vec();
        let other = goldens[random.below(goldens.len())].as_bytes();
        // The first cases are the goldens themselves.
        if case > 64 {
            for _ in 0..=random.below(4) {
                mutate(&mut random, &mut input, other);
            }
        }
        let choice = random.next().to_le_bytes();
        input.splice(0..0, choice[..prefix].iter().copied());
        check(&input);
    }
}

#[test]
fn no_mutated_request_breaks_a_rule() {
    run(0x9e37_79b9_7f4a_7c15, goldens::REQUESTS, 1, checks::request);
}

#[test]
fn no_mutated_header_breaks_a_rule() {
    run(0xbf58_476d_1ce4_e5b9, goldens::HEADERS, 0, checks::headers);
}

#[test]
fn no_mutated_refusal_breaks_a_rule() {
    run(0x94d0_49bb_1331_11eb, goldens::REFUSALS, 1, checks::refusal);
}

#[test]
fn no_mutated_answer_breaks_a_rule() {
    run(0xd6e8_feb8_6659_fd93, goldens::ANSWERS, 1, checks::usage);
}

#[test]
fn no_mutated_stream_breaks_a_rule() {
    run(0xa076_1d64_78bd_642f, goldens::STREAMS, 3, checks::sse);
}

#[test]
fn no_mutated_frame_breaks_a_rule() {
    let seed = 0x8ebc_6af0_9c88_c6e3;
    run_cases(CASES_OF_FRAMES, seed, goldens::FRAMES, (3, checks::frames));
}
