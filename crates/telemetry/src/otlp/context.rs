//! Which trace a call belongs to, as `traceparent` carries it.

use std::fmt;

/// A trace, as 16 bytes that are not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// A span of a trace, as a number that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl serde::Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for SpanId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Odd, so that multiples of it below 2^64 all differ.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SpanId {
    /// The id of the `index`th span below this one; `index` is counted from 1.
    pub fn child(self, index: u64) -> Self {
        let id = self.0.wrapping_add(index.wrapping_mul(STEP));
        Self(if id == 0 { STEP } else { id })
    }
}

/// Decides which of the traces that begin here are sent.
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    /// Traces whose last 56 bits are below this are sent.
    bound: u64,
}

/// The random part of a trace id has 56 bits (W3C Trace Context, level 2).
const RANDOM_BITS: u32 = 56;

impl Sampler {
    /// Sends `share` of all traces, from 0 to 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 2^56, to a precision that nobody can count"
    )]
    pub fn new(share: f64) -> Self {
        let all = (1_u64 << RANDOM_BITS) as f64;
        Self {
            bound: (share.clamp(0.0, 1.0) * all).round() as u64,
        }
    }

    fn takes(self, trace: TraceId) -> bool {
        let random = u128::from_be_bytes(trace.0) & ((1 << RANDOM_BITS) - 1);
        random < u128::from(self.bound)
    }
}

/// Where a call stands in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span of this call.
    pub span: SpanId,
    /// The caller's span, where the caller named one.
    pub parent: Option<SpanId>,
    /// Whether the spans of this trace are sent.
    pub sampled: bool,
}

impl TraceContext {
    /// Goes on with the trace that `traceparent` names, or begins one where it names none or is
    /// malformed. A caller's decision whether to send the trace holds. `random` becomes the ids.
    pub fn begin(traceparent: Option<&[u8]>, random: [u8; 24], sampler: Sampler) -> Self {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&random[..16]);
        span.copy_from_slice(&random[16..]);
        let span = SpanId(u64::from_be_bytes(span).max(1));
        if let Some((trace, parent, sampled)) = traceparent.and_then(parse) {
            return Self {
                trace,
                span,
                parent: Some(parent),
                sampled,
            };
        }
        if trace == [0; 16] {
            trace[0] = 1;
        }
        let trace = TraceId(trace);
        Self {
            trace,
            span,
            parent: None,
            sampled: sampler.takes(trace),
        }
    }

    /// The header that makes `span` the parent of what the receiver does.
    pub fn traceparent(&self, span: SpanId) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{}-{span}-{flags:02x}", self.trace)
    }
}

/// Reads a `traceparent`; of versions to come, the parts that this one has.
fn parse(header: &[u8]) -> Option<(TraceId, SpanId, bool)> {
    let text = std::str::from_utf8(header).ok()?.trim_matches([' ', '\t']);
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let span = u64::try_from(hex(parts.next()?, 16)?).ok()?;
    let flags = hex(parts.next()?, 2)?;
    let more = parts.next().is_some();
    if version == 0xff || (version == 0 && more) || trace == 0 || span == 0 {
        return None;
    }
    Some((TraceId(trace.to_be_bytes()), SpanId(span), flags & 1 == 1))
}

/// A number of exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let proper = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(proper) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn begin(header: &str) -> TraceContext {
        TraceContext::begin(Some(header.as_bytes()), [7; 24], Sampler::new(0.0))
    }

    #[test]
    fn the_callers_trace_goes_on_with_the_callers_decision() {
        let context = begin(PARENT);
        assert_eq!(
            context.trace.to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        assert_eq!(context.parent, Some(SpanId(0x00f0_67aa_0ba9_02b7)));
        assert!(context.sampled, "the sampler is for traces that begin here");
        let not_sampled = PARENT.replace("-01", "-00");
        assert!(!begin(&not_sampled).sampled);
        let forwarded = context.traceparent(SpanId(0xab));
        assert_eq!(
            forwarded,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01"
        );
    }

    #[test]
    fn versions_to_come_are_read_as_far_as_they_are_known() {
        let context = begin(&format!("cc{}-what-the-future-brings", &PARENT[2..]));
        assert!(context.parent.is_some());
    }

    #[test]
    fn a_malformed_header_begins_a_trace() {
        let zero_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let zero_span = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        let upper = PARENT.to_uppercase();
        let long = format!("{PARENT}-x");
        let forbidden = format!("ff{}", &PARENT[2..]);
        for header in [
            "",
            "-",
            "00",
            "\u{e9}",
            zero_trace,
            zero_span,
            &upper,
            &long,
            &forbidden,
            &PARENT[..54],
            "00-4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7-01",
        ] {
            let context = begin(header);
            assert_eq!(context.parent, None, "{header}");
            assert_eq!(context.trace.0, [7; 16]);
        }
        let binary = TraceContext::begin(Some(&[0xff, 0xfe]), [0; 24], Sampler::new(1.0));
        assert!(binary.sampled && binary.trace.0 != [0; 16] && binary.span.0 != 0);
    }

    #[test]
    fn the_share_of_traces_that_is_sent_is_the_one_asked_for() {
        for (share, low, high) in [(0.0, 0, 0), (0.25, 2_300, 2_700), (1.0, 10_000, 10_000)] {
            let sampler = Sampler::new(share);
            let taken = (1..=10_000_u64)
                .filter(|number| {
                    let random = number.wrapping_mul(STEP).to_be_bytes();
                    let mut trace = [0; 16];
                    trace[8..].copy_from_slice(&random);
                    sampler.takes(TraceId(trace))
                })
                .count();
            assert!((low..=high).contains(&taken), "{share}: {taken}");
        }
    }

    #[test]
    fn spans_of_one_call_have_ids_of_their_own() {
        let root = SpanId(u64::MAX);
        let ids: std::collections::BTreeSet<_> = (1..100).map(|n| root.child(n).0).collect();
        assert_eq!(ids.len(), 99);
        assert!(!ids.contains(&root.0) && !ids.contains(&0));
    }
}
