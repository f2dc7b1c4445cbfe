//! The part of MessagePack that messages are made of: numbers, text, and arrays of known lengths.

/// Numbers above this are not told apart by the store, which counts in doubles.
const LARGEST: u64 = 1 << 53;

/// Puts values one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn array(&mut self, length: usize) {
        match u16::try_from(length) {
            Ok(short @ 0..=15) => self.bytes.push(0x90 | short.to_le_bytes()[0]),
            Ok(length) => self.tagged(0xdc, &length.to_be_bytes()),
            Err(_) => {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                self.tagged(0xdd, &length.to_be_bytes());
            }
        }
    }

    pub(crate) fn number(&mut self, value: u64) {
        let value = value.min(LARGEST);
        match (
            u8::try_from(value),
            u16::try_from(value),
            u32::try_from(value),
        ) {
            (Ok(tiny @ 0..=0x7f), ..) => self.bytes.push(tiny),
            (Ok(byte), ..) => self.tagged(0xcc, &[byte]),
            (_, Ok(short), _) => self.tagged(0xcd, &short.to_be_bytes()),
            (.., Ok(word)) => self.tagged(0xce, &word.to_be_bytes()),
            _ => self.tagged(0xcf, &value.to_be_bytes()),
        }
    }

    pub(crate) fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.number(value),
            Err(_) => self.tagged(0xd3, &value.max(-(1 << 53)).to_be_bytes()),
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        let length = text.len();
        match u16::try_from(length) {
            Ok(short @ 0..=31) => self.bytes.push(0xa0 | short.to_le_bytes()[0]),
            Ok(length) => self.tagged(0xda, &length.to_be_bytes()),
            Err(_) => {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                self.tagged(0xdb, &length.to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn nothing(&mut self) {
        self.bytes.push(0xc2);
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Takes values out again. Anything that is not as expected is `None`.
#[derive(Debug)]
pub(crate) struct Unpacker<'a> {
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn length<const N: usize>(&mut self) -> Option<usize> {
        let bytes = self.fixed::<N>()?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    }

    /// How many values follow that belong together. Not more than could be there.
    pub(crate) fn array(&mut self) -> Option<usize> {
        let [tag] = self.fixed()?;
        let length = match tag {
            0x90..=0x9f => usize::from(tag & 0x0f),
            // What a store makes of an empty table may be an empty map.
            0x80 => 0,
            0xdc => self.length::<2>()?,
            0xdd => self.length::<4>()?,
            _ => return None,
        };
        (length <= self.rest.len()).then_some(length)
    }

    #[expect(clippy::cast_precision_loss, reason = "the store counts in doubles")]
    pub(crate) fn number(&mut self) -> Option<f64> {
        let [tag] = self.fixed()?;
        Some(match tag {
            0x00..=0x7f => f64::from(tag),
            0xe0..=0xff => f64::from(tag.cast_signed()),
            0xca => f64::from(f32::from_be_bytes(self.fixed()?)),
            0xcb => f64::from_be_bytes(self.fixed()?),
            0xcc => f64::from(u8::from_be_bytes(self.fixed()?)),
            0xcd => f64::from(u16::from_be_bytes(self.fixed()?)),
            0xce => f64::from(u32::from_be_bytes(self.fixed()?)),
            0xcf => u64::from_be_bytes(self.fixed()?) as f64,
            0xd0 => f64::from(i8::from_be_bytes(self.fixed()?)),
            0xd1 => f64::from(i16::from_be_bytes(self.fixed()?)),
            0xd2 => f64::from(i32::from_be_bytes(self.fixed()?)),
            0xd3 => i64::from_be_bytes(self.fixed()?) as f64,
            _ => return None,
        })
    }

    /// Text; `Some(None)`: there is none.
    pub(crate) fn text(&mut self) -> Option<Option<&'a str>> {
        let [tag] = self.fixed()?;
        let length = match tag {
            0xa0..=0xbf => usize::from(tag & 0x1f),
            0xd9 => self.length::<1>()?,
            0xda => self.length::<2>()?,
            0xdb => self.length::<4>()?,
            0xc0 | 0xc2 => return Some(None),
            _ => return None,
        };
        std::str::from_utf8(self.bytes(length)?).ok().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [
            0,
            127,
            128,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX),
            1 << 40,
        ];
        let mut packer = Packer::default();
        for number in numbers {
            packer.number(number);
            packer.signed(-number.cast_signed());
        }
        let bytes = packer.into_bytes();
        let mut unpacker = Unpacker::new(&bytes);
        for number in numbers {
            assert_eq!(unpacker.number(), Some(number as f64));
            assert_eq!(unpacker.number(), Some(-(number as f64)));
        }
        assert_eq!(unpacker.number(), None);
    }

    #[test]
    fn texts_and_arrays_come_back() {
        for length in [0, 5, 31, 32, 300, 70_000] {
            let text = "x".repeat(length);
            let mut packer = Packer::default();
            packer.array(length);
            packer.text(&text);
            packer.nothing();
            let bytes = packer.into_bytes();
            let mut unpacker = Unpacker::new(&bytes);
            assert_eq!(unpacker.array(), Some(length));
            assert_eq!(unpacker.text(), Some(Some(text.as_str())));
            assert_eq!(unpacker.text(), Some(None));
        }
    }

    #[test]
    fn what_is_not_there_is_not_believed() {
        assert_eq!(Unpacker::new(&[0xdd, 0xff, 0xff, 0xff, 0xff]).array(), None);
        assert_eq!(Unpacker::new(&[0xa5, b'x']).text(), None);
        assert_eq!(Unpacker::new(&[0xcb, 1]).number(), None);
        assert_eq!(Unpacker::new(&[]).number(), None);
    }
}
