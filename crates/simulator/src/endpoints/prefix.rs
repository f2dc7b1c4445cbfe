//! Prompts whose callers mark where a cached beginning may end.
//!
//! A prompt is a row of blocks. A mark after a block says that the prompt up to there is to be kept; a
//! later prompt that begins with the same blocks reads them from the cache. Beginnings of fewer than
//! 1,024 tokens are not kept, as with most of Anthropic's models.

use serde_json::Value;

use crate::{
    content::Digest, court::Usage, endpoints::Keep, prompt::Prompt, provider::Provider,
    quota::NANOS_PER_SECOND,
};

/// The shortest beginning that is kept.
const LEAST_TOKENS: u64 = 1_024;
/// The time for which a beginning is kept unless a mark asks for the longer one.
pub(super) const FIVE_MINUTES_NS: u64 = 300 * NANOS_PER_SECOND;
/// The longer time.
pub(super) const HOUR_NS: u64 = 3_600 * NANOS_PER_SECOND;

/// A prompt under construction.
#[derive(Debug)]
pub(super) struct Blocks {
    digest: Digest,
    prompt: Prompt,
    /// The ends of blocks: the digest up to there and the size.
    ends: Vec<(u64, Prompt)>,
    /// Marks: how many blocks lie before, and the time in nanoseconds.
    marks: Vec<(usize, u64)>,
}

/// How a prompt is read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// All of it.
    pub(super) prompt: Prompt,
    /// Tokens read from the cache.
    pub(super) read: u64,
    /// Tokens written to the cache, for five minutes and for an hour.
    pub(super) written: [u64; 2],
    /// Characters that the cache does not hold.
    pub(super) new_characters: u64,
    kept: Vec<(u64, u64)>,
}

impl Blocks {
    /// A prompt for a model, with tokens that its framing has.
    pub(super) fn new(provider: &Provider, model: &str, framing_tokens: u64) -> Self {
        let mut digest = provider.digest();
        digest.add(model.as_bytes());
        let prompt = Prompt {
            characters: 0,
            tokens: framing_tokens,
        };
        Self {
            digest,
            prompt,
            ends: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Adds a block, which `size` measures.
    pub(super) fn add(&mut self, kind: &str, block: &Value, size: Prompt) {
        self.digest.add(kind.as_bytes());
        self.digest.add(block.to_string().as_bytes());
        self.prompt.characters += size.characters;
        self.prompt.tokens += size.tokens;
        self.ends.push((self.digest.value(), self.prompt));
    }

    /// Marks the end of what was added so far.
    pub(super) fn mark(&mut self, time_ns: u64) {
        self.marks.push((self.ends.len(), time_ns));
    }

    pub(super) const fn marks(&self) -> usize {
        self.marks.len()
    }

    /// Looks up what the cache holds, and says what it is to keep.
    pub(super) fn read(&self, provider: &Provider) -> Reading {
        let last = self.marks.iter().map(|(blocks, _)| *blocks).max();
        let ends = self.ends.get(..last.unwrap_or(0)).unwrap_or_default();
        let worth = |prompt: &Prompt| prompt.tokens >= LEAST_TOKENS;
        let mut rows = ends.iter().rev();
        let found = rows.find(|(digest, prompt)| worth(prompt) && provider.has_prefix(*digest));
        let hit = found.map_or(Prompt::default(), |(_, prompt)| *prompt);
        let mut reading = Reading {
            prompt: self.prompt,
            read: hit.tokens,
            new_characters: self.prompt.characters - hit.characters,
            ..Reading::default()
        };
        let mut covered = hit.tokens;
        for (blocks, time_ns) in &self.marks {
            let Some((digest, prompt)) = blocks.checked_sub(1).and_then(|at| self.ends.get(at))
            else {
                continue;
            };
            if !worth(prompt) {
                continue;
            }
            let [short, long] = &mut reading.written;
            let class = if *time_ns > FIVE_MINUTES_NS {
                long
            } else {
                short
            };
            *class += prompt.tokens.saturating_sub(covered);
            covered = covered.max(prompt.tokens);
            reading.kept.push((*digest, *time_ns));
        }
        reading
    }
}

impl Reading {
    /// Tokens that are neither read from the cache nor written to it.
    pub(super) fn plain(&self) -> u64 {
        let written: u64 = self.written.iter().sum();
        self.prompt.tokens.saturating_sub(self.read + written)
    }

    /// What the cache keeps once the request is admitted.
    pub(super) fn keep(&self) -> Option<Keep> {
        (!self.kept.is_empty()).then(|| Keep::Prefixes(self.kept.clone()))
    }

    /// What a request with this prompt uses.
    pub(super) fn usage(&self, completion: u64, reasoning: u64) -> Usage {
        Usage {
            prompt: self.prompt.tokens,
            cached: self.read,
            completion,
            reasoning,
            ..Usage::default()
        }
    }
}
