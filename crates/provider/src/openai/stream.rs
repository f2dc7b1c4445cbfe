//! Reads a streamed answer while it passes through untouched.

mod native;
mod observe;
#[cfg(test)]
mod tests;

use super::endpoint::EndpointKind;
use super::refusal::Refusal;
use super::usage::Usage;
use crate::sse::{Event, Framer};
use bytes::Bytes;
use native::Native;

/// Bytes of an event that are looked at; a larger one passes unscanned.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Memory for unfinished events that is kept from one to the next.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamEnd {
    /// `[DONE]`, `response.completed`, or the last event of another dialect; with Gemini the first
    /// reason to finish, and with Bedrock `messageStop`, after which the usage may still come.
    Completed,
    /// `response.incomplete`: a limit of the request itself, such as its output tokens, cut it
    /// short.
    Incomplete,
    /// `response.failed` or an error. What comes after it does not change this.
    Failed,
}

/// What was read from a stream so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamOutcome {
    /// Whether the stream came to an end of its own, good or bad, rather than being cut off.
    pub complete: bool,
    /// How it ended.
    pub end: Option<StreamEnd>,
    /// Whether a choice of chat or legacy completions, or of Gemini and Bedrock, named its reason to
    /// finish. Some copies of OpenAI's API send no `[DONE]` after it.
    pub finish_reason_seen: bool,
    /// The last usage seen.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: Option<String>,
    /// The service tier that answered, which may be another than was asked for.
    pub service_tier: Option<String>,
    /// The id of a response of the Responses API, which the provider may keep.
    pub response_id: Option<String>,
    /// The last error seen that says more than that there was one.
    pub refusal: Option<Refusal>,
    /// Characters of output so far, over all choices, with reasoning and calls of tools: what a
    /// stream that was cut off is to be estimated by.
    pub output_characters: u64,
    /// Events with data that were looked at.
    pub events: u64,
    /// Events beyond 1 MiB, which were not looked at.
    pub unscanned_events: u64,
    /// Whether an event came that commits the provider to an answer: anything but an error or the
    /// preamble of a response (`response.created`, `.queued`, `.in_progress`), after which the
    /// provider may still refuse.
    pub past_preamble: bool,
    /// Whether any output came.
    pub content_seen: bool,
    /// Whether an event came that belongs to a stream of chat or legacy completions, of the Responses
    /// API, or of Anthropic's messages: those say themselves when they are over.
    pub names_its_end: bool,
}

impl StreamOutcome {
    /// Whether a stream that is over broke off, however orderly its connection ended: it would have
    /// named its end, and did not. An event that was not looked at may have been the end.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        let named = self.complete || self.finish_reason_seen || self.unscanned_events > 0;
        self.names_its_end && !named
    }
}

/// Reads one streamed answer, piece by piece, and hands on the bytes to forward.
///
/// The pieces may be cut anywhere. They are handed on as they are, without a copy, as soon as they
/// come. Only where the usage chunk is to be withheld does an event that is cut between two pieces
/// wait for its end, and its beginning is copied. No more than one event of at most 1 MiB is kept.
///
/// Besides server-sent events, it reads Bedrock's binary frames and Gemini's streamed lists, by the
/// kind of the call.
#[derive(Debug)]
pub struct StreamScanner {
    kind: EndpointKind,
    strip_usage_chunk: bool,
    framer: Framer,
    /// Where the stream is no server-sent events, or may not be.
    native: Native,
    /// A copy of what is there of the unfinished event, while it is small enough.
    partial: Vec<u8>,
    /// The length of the unfinished event so far.
    event_length: usize,
    /// The same without the line ends behind it.
    content_length: usize,
    last_was_withheld: bool,
    outcome: StreamOutcome,
}

impl StreamScanner {
    /// A scanner for one answer.
    ///
    /// With `strip_usage_chunk`, the chunk of chat and legacy completions that holds nothing but
    /// the usage is withheld: for a caller who did not ask for it.
    #[must_use]
    pub fn new(kind: EndpointKind, strip_usage_chunk: bool) -> Self {
        let has_usage_chunk = matches!(
            kind,
            EndpointKind::ChatCompletions | EndpointKind::Completions
        );
        Self {
            kind,
            strip_usage_chunk: strip_usage_chunk && has_usage_chunk,
            framer: Framer::new(),
            native: Native::new(kind),
            partial: Vec::new(),
            event_length: 0,
            content_length: 0,
            last_was_withheld: false,
            outcome: StreamOutcome::default(),
        }
    }

    /// Takes the next piece of the stream, and hands on what is to be forwarded.
    pub fn scan(&mut self, chunk: Bytes, out: &mut impl FnMut(Bytes)) {
        if let Some(events) = self.native.read(self.kind, chunk, &mut self.outcome, out) {
            self.scan_events(events, out);
        }
    }

    fn scan_events(&mut self, chunk: Bytes, out: &mut impl FnMut(Bytes)) {
        let owed = usize::from(self.framer.owes_line_feed() && chunk.starts_with(b"\n"));
        if owed > 0 {
            self.framer.line_feed_taken();
        }
        // What of the chunk is handed on or withheld already.
        let mut settled = if self.last_was_withheld { owed } else { 0 };
        let mut event_start = owed;
        while let Some(length) = self.framer.event_end(&chunk[event_start..]) {
            let event_end = event_start + length;
            if self.end_event(&chunk[event_start..event_end], out) {
                hand_on(&chunk, settled, event_start, out);
                settled = event_end;
            }
            event_start = event_end;
        }
        if self.hold_back(&chunk[event_start..], out) {
            hand_on(&chunk, settled, event_start, out);
        } else {
            hand_on(&chunk, settled, chunk.len(), out);
        }
    }

    /// What was read so far.
    #[must_use]
    pub const fn outcome(&self) -> &StreamOutcome {
        &self.outcome
    }

    /// Ends the stream: hands on what is still held back, and gives what was read. An event whose
    /// blank line is missing is read as well, and always forwarded.
    pub fn finish(mut self, out: &mut impl FnMut(Bytes)) -> StreamOutcome {
        if self.event_length > 0 {
            self.release(out);
            self.end_event(b"", out);
        }
        self.outcome
    }

    /// Hands on what is held back, and withholds nothing from now on.
    fn release(&mut self, out: &mut impl FnMut(Bytes)) {
        if std::mem::take(&mut self.strip_usage_chunk) && !self.partial.is_empty() {
            out(Bytes::copy_from_slice(&self.partial));
        }
    }

    /// Takes in the beginning of an event, or more of it, and says whether it is to wait.
    fn hold_back(&mut self, bytes: &[u8], out: &mut impl FnMut(Bytes)) -> bool {
        if bytes.is_empty() {
            return false;
        }
        self.measure(bytes);
        if self.content_length <= EVENT_BYTES_MAX {
            self.partial.extend_from_slice(bytes);
            return self.strip_usage_chunk;
        }
        let partial = std::mem::take(&mut self.partial);
        if self.strip_usage_chunk && !partial.is_empty() {
            out(Bytes::from(partial));
        }
        false
    }

    /// Takes in the last part of an event, and says whether that is to be withheld. What was held
    /// back of the event is dropped then, and handed on otherwise.
    fn end_event(&mut self, bytes: &[u8], out: &mut impl FnMut(Bytes)) -> bool {
        let held = self.partial.len();
        self.measure(bytes);
        let is_in_one_piece = self.event_length == bytes.len();
        let is_usage_chunk = if self.content_length > EVENT_BYTES_MAX {
            self.outcome.unscanned_events += 1;
            false
        } else if is_in_one_piece {
            self.outcome.observe(self.kind, &Event::parse(bytes))
        } else {
            self.partial.extend_from_slice(bytes);
            self.outcome
                .observe(self.kind, &Event::parse(&self.partial))
        };
        self.last_was_withheld = is_usage_chunk && self.strip_usage_chunk;
        if self.strip_usage_chunk && !is_usage_chunk && held > 0 {
            out(Bytes::copy_from_slice(&self.partial[..held]));
        }
        self.partial.clear();
        self.partial.shrink_to(BUFFER_BYTES_KEPT);
        self.event_length = 0;
        self.content_length = 0;
        self.last_was_withheld
    }

    fn measure(&mut self, bytes: &[u8]) {
        // The line ends behind an event do not count: how many there are depends on the pieces.
        if let Some(last) = bytes
            .iter()
            .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
        {
            self.content_length = self.event_length + last + 1;
        }
        self.event_length += bytes.len();
    }
}

/// Hands on a part of a chunk, unless it is empty.
fn hand_on(chunk: &Bytes, start: usize, end: usize, out: &mut impl FnMut(Bytes)) {
    if start < end {
        out(chunk.slice(start..end));
    }
}
