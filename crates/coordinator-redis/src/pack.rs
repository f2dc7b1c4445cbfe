//! What messages are made of: numbers as little-endian doubles, which is what the store counts in,
//! and short texts.

/// Numbers above this are not told apart by the store.
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

    #[expect(clippy::cast_precision_loss, reason = "none is lost below 2^53")]
    pub(crate) fn number(&mut self, value: u64) {
        self.double(value.min(LARGEST) as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "none is lost below 2^53")]
    pub(crate) fn signed(&mut self, value: i64) {
        let largest = LARGEST.cast_signed();
        self.double(value.clamp(-largest, largest) as f64);
    }

    fn double(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Text of a length that both sides know, or with nothing behind it.
    pub(crate) fn bare(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Something of at most 255 bytes, with its length in front.
    pub(crate) fn short(&mut self, bytes: &[u8]) {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.bytes.push(length);
        self.bytes.extend_from_slice(&bytes[..usize::from(length)]);
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

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(crate) fn number(&mut self) -> Option<f64> {
        let bytes = self.bytes(8)?.try_into().ok()?;
        Some(f64::from_le_bytes(bytes))
    }

    /// How many things follow, which take a byte or more each.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is compared with what there is"
    )]
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = self.number()? as usize;
        (count <= self.rest.len()).then_some(count)
    }

    /// Text of so many bytes.
    pub(crate) fn text(&mut self, length: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    /// All that is left, as text.
    pub(crate) fn rest(self) -> Option<&'a str> {
        std::str::from_utf8(self.rest).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 127, 65_536, u64::from(u32::MAX), 1 << 40, LARGEST];
        let mut packer = Packer::default();
        for number in numbers {
            packer.number(number);
            packer.signed(-number.cast_signed());
        }
        packer.number(u64::MAX);
        let bytes = packer.into_bytes();
        let mut unpacker = Unpacker::new(&bytes);
        for number in numbers {
            assert_eq!(unpacker.number(), Some(number as f64));
            assert_eq!(unpacker.number(), Some(-(number as f64)));
        }
        assert_eq!(unpacker.number(), Some(LARGEST as f64));
        assert_eq!(unpacker.number(), None);
    }

    #[test]
    fn texts_come_back() {
        let mut packer = Packer::default();
        packer.short(b"ten");
        packer.short(&[b'x'; 300]);
        packer.bare("the rest");
        let bytes = packer.into_bytes();
        let mut unpacker = Unpacker::new(&bytes);
        assert_eq!(unpacker.byte(), Some(3));
        assert_eq!(unpacker.text(3), Some("ten"));
        assert_eq!(unpacker.byte(), Some(255));
        assert_eq!(unpacker.text(255), Some("x".repeat(255).as_str()));
        assert_eq!(unpacker.rest(), Some("the rest"));
    }

    #[test]
    fn what_is_not_there_is_not_believed() {
        let mut packer = Packer::default();
        packer.number(1 << 40);
        let bytes = packer.into_bytes();
        assert_eq!(Unpacker::new(&bytes).count(), None);
        assert_eq!(Unpacker::new(&bytes[..7]).number(), None);
        assert_eq!(Unpacker::new(&bytes).text(9), None);
        assert_eq!(Unpacker::new(&[0xff]).rest(), None);
        assert_eq!(Unpacker::new(&[]).byte(), None);
    }
}
