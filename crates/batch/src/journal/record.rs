//! What the journal tells, one record a frame. Numbers are LEB128, texts have their length before them.

use xxhash_rust::xxh3::xxh3_64;

use crate::files::Kind;
use crate::hash::Hash;
use crate::{RunEnd, Tokens};

/// Longest text in a record, in bytes; longer ones are cut.
const TEXT_BYTES_MAX: usize = 256;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A run begins: the input as it found it.
    Started(Started),
    /// A run ends by itself.
    Ended { at_ms: u64, end: RunEnd },
    /// A request is about to be sent.
    Sent(Sent),
    /// A request came back without being billed, and is still to be done.
    Returned { name: Hash, content: Hash },
    /// A request has an end, and it is in the results or errors.
    Done(Done),
    /// What was known of a line without an end in the generation before.
    Flagged {
        name: Hash,
        content: Hash,
        flags: u8,
    },
    /// Results were dropped: how many in all generations, and what they had cost.
    Dropped { count: u64, cost_nanousd: u64 },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) at_ms: u64,
    pub(crate) source: String,
    pub(crate) lines: u32,
    pub(crate) digest: Hash,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) name: Hash,
    pub(crate) content: Hash,
    pub(crate) attempt: u32,
    pub(crate) at_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) name: Hash,
    pub(crate) content: Hash,
    pub(crate) kind: DoneKind,
    /// It may have been sent by an earlier run too.
    pub(crate) maybe_twice: bool,
    /// 0: there was no answer.
    pub(crate) status: u16,
    /// Where its line of result begins, how long it is with its line feed, and the line's hash.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) sum: u64,
    pub(crate) tokens: Tokens,
    pub(crate) cost_nanousd: Option<u64>,
    pub(crate) attempts: u32,
    pub(crate) wait_ms: u64,
    pub(crate) duration_ms: u64,
    pub(crate) at_ms: u64,
    pub(crate) code: Option<String>,
    pub(crate) model: Option<String>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DoneKind {
    /// Its answer is in the results.
    #[default]
    Ok,
    /// It is in the errors.
    Failed,
    /// It cannot be sent, which is in the errors.
    Invalid,
}

const STARTED: u8 = 1;
const ENDED: u8 = 2;
const SENT: u8 = 3;
const DONE: u8 = 4;
const DROPPED: u8 = 5;
const FLAGGED: u8 = 6;
const RETURNED: u8 = 7;

impl Record {
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Started(started) => {
                bytes.push(STARTED);
                number(bytes, started.at_ms);
                text(bytes, &started.source);
                number(bytes, started.lines.into());
                bytes.extend_from_slice(&started.digest.to_bytes());
            }
            Self::Ended { at_ms, end } => {
                bytes.push(ENDED);
                number(bytes, *at_ms);
                bytes.push(match end {
                    RunEnd::Complete => 0,
                    RunEnd::Interrupted => 1,
                    RunEnd::Limit => 2,
                    RunEnd::Failed => 3,
                });
            }
            Self::Sent(sent) => {
                bytes.push(SENT);
                bytes.extend_from_slice(&sent.name.to_bytes());
                bytes.extend_from_slice(&sent.content.to_bytes());
                number(bytes, sent.attempt.into());
                number(bytes, sent.at_ms);
            }
            Self::Returned { name, content } => {
                bytes.push(RETURNED);
                bytes.extend_from_slice(&name.to_bytes());
                bytes.extend_from_slice(&content.to_bytes());
            }
            Self::Done(done) => {
                bytes.push(DONE);
                done.write(bytes);
            }
            Self::Flagged {
                name,
                content,
                flags,
            } => {
                bytes.push(FLAGGED);
                bytes.extend_from_slice(&name.to_bytes());
                bytes.extend_from_slice(&content.to_bytes());
                bytes.push(*flags);
            }
            Self::Dropped {
                count,
                cost_nanousd,
            } => {
                bytes.push(DROPPED);
                number(bytes, *count);
                number(bytes, *cost_nanousd);
            }
        }
    }

    /// `None`: it is none that this version knows.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let mut from = Reader(content);
        let record = match from.byte()? {
            STARTED => Self::Started(Started {
                at_ms: from.number()?,
                source: from.text()?,
                lines: from.small()?,
                digest: from.hash()?,
            }),
            ENDED => Self::Ended {
                at_ms: from.number()?,
                end: match from.byte()? {
                    0 => RunEnd::Complete,
                    1 => RunEnd::Interrupted,
                    2 => RunEnd::Limit,
                    3 => RunEnd::Failed,
                    _ => return None,
                },
            },
            SENT => Self::Sent(Sent {
                name: from.hash()?,
                content: from.hash()?,
                attempt: from.small()?,
                at_ms: from.number()?,
            }),
            RETURNED => Self::Returned {
                name: from.hash()?,
                content: from.hash()?,
            },
            DONE => Self::Done(Done::read(&mut from)?),
            FLAGGED => Self::Flagged {
                name: from.hash()?,
                content: from.hash()?,
                flags: from.byte()?,
            },
            DROPPED => Self::Dropped {
                count: from.number()?,
                cost_nanousd: from.number()?,
            },
            _ => return None,
        };
        from.0.is_empty().then_some(record)
    }
}

/// Bits of a [`Done`]'s flags; the lowest two are its kind.
const MAYBE_TWICE: u8 = 4;
const PRICED: u8 = 8;
const CODED: u8 = 16;
const MODELLED: u8 = 32;

impl Done {
    /// Which file its line is in.
    pub(crate) fn output(&self) -> Kind {
        match self.kind {
            DoneKind::Ok => Kind::Results,
            DoneKind::Failed | DoneKind::Invalid => Kind::Errors,
        }
    }

    /// What [`Done::sum`] is of a line with its line feed.
    pub(crate) fn sum_of(line: &[u8]) -> u64 {
        xxh3_64(line)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.name.to_bytes());
        bytes.extend_from_slice(&self.content.to_bytes());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let kind = match self.kind {
            DoneKind::Ok => 0,
            DoneKind::Failed => 1,
            DoneKind::Invalid => 2,
        };
        bytes.push(
            kind | flag(self.maybe_twice, MAYBE_TWICE)
                | flag(self.cost_nanousd.is_some(), PRICED)
                | flag(self.code.is_some(), CODED)
                | flag(self.model.is_some(), MODELLED),
        );
        bytes.extend_from_slice(&self.sum.to_le_bytes());
        let Tokens {
            input,
            cached,
            output,
            reasoning,
        } = self.tokens;
        let (status, attempts) = (self.status.into(), self.attempts.into());
        let times = [self.wait_ms, self.duration_ms, self.at_ms];
        let numbers = [
            status,
            self.offset,
            self.length,
            input,
            cached,
            output,
            reasoning,
            attempts,
        ];
        let cost = self.cost_nanousd;
        for value in numbers.into_iter().chain(times).chain(cost) {
            number(bytes, value);
        }
        for value in [&self.code, &self.model].into_iter().flatten() {
            text(bytes, value);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (name, content) = (from.hash()?, from.hash()?);
        let flags = from.byte()?;
        let kind = match flags & 3 {
            0 => DoneKind::Ok,
            1 => DoneKind::Failed,
            2 => DoneKind::Invalid,
            _ => return None,
        };
        let sum = u64::from_le_bytes(from.array()?);
        Some(Self {
            name,
            content,
            kind,
            maybe_twice: flags & MAYBE_TWICE != 0,
            sum,
            status: from.number()?.try_into().ok()?,
            offset: from.number()?,
            length: from.number()?,
            tokens: Tokens {
                input: from.number()?,
                cached: from.number()?,
                output: from.number()?,
                reasoning: from.number()?,
            },
            attempts: from.small()?,
            wait_ms: from.number()?,
            duration_ms: from.number()?,
            at_ms: from.number()?,
            cost_nanousd: from.option(flags & PRICED, Reader::number)?,
            code: from.option(flags & CODED, Reader::text)?,
            model: from.option(flags & MODELLED, Reader::text)?,
        })
    }
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let text = text.get(..end).unwrap_or_default();
    number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// What is yet to be read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn hash(&mut self) -> Option<Hash> {
        self.array().map(Hash::from_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok().map(str::to_owned)
    }

    /// `None`: it should be there and is not.
    fn option<T>(
        &mut self,
        flag: u8,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match flag {
            0 => Some(None),
            _ => read(self).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(record: &Record) -> Option<Record> {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..end]), None);
        }
        Record::read(&bytes)
    }

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let hash = Hash {
            high: 1,
            low: u64::MAX,
        };
        let started = Started {
            at_ms: 1,
            source: "é.jsonl".to_owned(),
            lines: 7,
            digest: hash,
        };
        for record in [
            Record::Started(started),
            Record::Ended {
                at_ms: 300,
                end: RunEnd::Limit,
            },
            Record::Sent(Sent {
                name: hash,
                content: hash,
                attempt: 2,
                at_ms: u64::MAX,
            }),
            Record::Dropped {
                count: 3,
                cost_nanousd: 1 << 40,
            },
            Record::Done(Done::default()),
            Record::Returned {
                name: hash,
                content: hash,
            },
            Record::Flagged {
                name: hash,
                content: hash,
                flags: 0xC0,
            },
        ] {
            assert_eq!(read_back(&record), Some(record));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut bytes = Vec::new();
        text(&mut bytes, &"é".repeat(200));
        assert_eq!(Reader(&bytes).text(), Some("é".repeat(128)));
        bytes.clear();
        text(&mut bytes, &format!("x{}", "é".repeat(200)));
        assert_eq!(Reader(&bytes).text(), Some(format!("x{}", "é".repeat(127))));
    }

    proptest! {
        #[test]
        fn numbers_and_options_survive(
            offset: u64, length: u64, status: u16, cost: Option<u64>, code: Option<String>, model: Option<String>, maybe_twice: bool,
        ) {
            let short = |text: Option<String>| text.filter(|text| text.len() <= TEXT_BYTES_MAX);
            let record = Record::Done(Done {
                offset, length, status, maybe_twice,
                kind: DoneKind::Failed,
                cost_nanousd: cost,
                code: short(code),
                model: short(model),
                ..Done::default()
            });
            prop_assert_eq!(read_back(&record), Some(record));
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            Record::read(&bytes);
        }
    }
}
