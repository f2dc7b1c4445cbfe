//! The journal's bytes: a header, then frames that are only appended.
//!
//! A frame is the length of its content (4 bytes, little-endian), a checksum over length and content (8 bytes,
//! XXH3-64, begun with the generation so that a frame of an older journal is none), and the content. Whatever
//! is not so ends the journal.

use std::io::{self, Read};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What every journal begins with.
const MAGIC: &[u8; 16] = b"paceline-batch\n\0";

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

pub(crate) const HEADER_BYTES: usize = 16 + 4 + 8 + 1 + 8;

const FRAME_HEAD_BYTES: usize = 12;

/// No record is larger; a length beyond it is damage.
const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// Where the results of a journal are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the caller wants them.
    Output,
    /// In the batch's folder, until they can be put into order.
    Folder,
}

/// What a journal begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Counts the journals of a batch, from 1: a new one is written where results are dropped or put into order.
    pub(crate) generation: u64,
    pub(crate) place: Place,
}

impl Header {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.push(match self.place {
            Place::Output => 0,
            Place::Folder => 1,
        });
        let sum = xxh3_64_with_seed(&bytes, 0);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a header; an error says what was found instead.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let short = || "it is too short".to_owned();
        let (magic, rest) = bytes.split_first_chunk::<16>().ok_or_else(short)?;
        if magic != MAGIC {
            return Err("it begins with other bytes".to_owned());
        }
        let (version, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(format!("its version is {version}, and {VERSION} is known"));
        }
        let (generation, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (place, rest) = rest.split_first().ok_or_else(short)?;
        let sum = rest.first_chunk().ok_or_else(short)?;
        let summed = bytes.get(..HEADER_BYTES - 8).ok_or_else(short)?;
        let place = match place {
            0 => Place::Output,
            1 => Place::Folder,
            _ => return Err("it is damaged".to_owned()),
        };
        if u64::from_le_bytes(*sum) != xxh3_64_with_seed(summed, 0) {
            return Err("it is damaged".to_owned());
        }
        let generation = u64::from_le_bytes(*generation);
        Ok(Self { generation, place })
    }
}

/// Appends a frame with what `write` puts into it.
pub(crate) fn push_frame(bytes: &mut Vec<u8>, generation: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
    write(bytes);
    let content = bytes.split_off(start + FRAME_HEAD_BYTES);
    bytes.truncate(start);
    let length = (content.len() as u32).to_le_bytes();
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(length, &content, generation).to_le_bytes());
    bytes.extend_from_slice(&content);
}

fn checksum(length: [u8; 4], content: &[u8], generation: u64) -> u64 {
    let seed = generation << 32 | u64::from(u32::from_le_bytes(length));
    xxh3_64_with_seed(content, seed)
}

/// Reads frames up to the first that is none.
pub(crate) struct Frames<R> {
    reader: R,
    generation: u64,
    content: Vec<u8>,
    /// Where the frame after the last good one begins.
    end: u64,
}

impl<R: Read> Frames<R> {
    /// `reader` stands behind the header.
    pub(crate) fn new(reader: R, generation: u64) -> Self {
        Self {
            reader,
            generation,
            content: Vec::new(),
            end: HEADER_BYTES as u64,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The next frame: where it begins and what is in it. `None`: there is no other that is whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        let mut head = [0; FRAME_HEAD_BYTES];
        if !fill(&mut self.reader, &mut head)? {
            return Ok(None);
        }
        let (length, sum) = head.split_at(4);
        let (Ok(length), Ok(sum)) = (length.try_into(), sum.try_into()) else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(length) as usize;
        if bytes > CONTENT_BYTES_MAX {
            return Ok(None);
        }
        self.content.resize(bytes, 0);
        if !fill(&mut self.reader, &mut self.content)?
            || u64::from_le_bytes(sum) != checksum(length, &self.content, self.generation)
        {
            return Ok(None);
        }
        let start = self.end;
        self.end += (FRAME_HEAD_BYTES + bytes) as u64;
        Ok(Some((start, &self.content)))
    }
}

/// Whether there was enough.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(bytes: &[u8], generation: u64) -> Vec<Vec<u8>> {
        let mut frames = Frames::new(bytes, generation);
        let mut contents = Vec::new();
        while let Some((_, content)) = frames.next().unwrap() {
            contents.push(content.to_vec());
        }
        contents
    }

    fn journal(contents: &[Vec<u8>], generation: u64) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for content in contents {
            push_frame(&mut bytes, generation, |bytes| {
                bytes.extend_from_slice(content);
            });
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn a_header_is_read_as_it_was_written_and_nothing_else_is() {
        let header = Header {
            generation: 7,
            place: Place::Folder,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::from_bytes(&bytes), Ok(header));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 4;
            assert!(Header::from_bytes(&damaged).is_err(), "{index}");
            assert!(Header::from_bytes(&bytes[..index]).is_err(), "{index}");
        }
        let mut newer = bytes;
        newer[16] = 2;
        assert_eq!(
            Header::from_bytes(&newer),
            Err("its version is 2, and 1 is known".to_owned())
        );
    }

    #[test]
    fn frames_of_another_generation_are_none() {
        let (bytes, _) = journal(&[b"x".to_vec()], 1);
        assert_eq!(contents(&bytes, 1).len(), 1);
        assert_eq!(contents(&bytes, 2).len(), 0);
    }

    proptest! {
        #[test]
        fn a_damaged_journal_is_read_up_to_the_damage(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6),
            at: prop::sample::Index, flip in 1_u8..,
        ) {
            let (mut bytes, ends) = journal(&records, 3);
            let at = at.index(bytes.len());
            let whole = ends.iter().filter(|end| **end <= at).count() - 1;
            prop_assert_eq!(contents(&bytes[..at], 3), &records[..whole]);
            bytes[at] ^= flip;
            prop_assert_eq!(contents(&bytes, 3), &records[..whole]);
        }
    }
}
