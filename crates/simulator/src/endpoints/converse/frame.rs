//! Messages of the binary event stream of AWS (`application/vnd.amazon.eventstream`).
//!
//! A message is its whole length, the length of its headers, a CRC of these two, the headers, the
//! payload, and a CRC of everything before; all numbers are big-endian. A header is the length of its
//! name, the name, the number 7 for a text, the length of the value, the value.

/// The type of a header whose value is a text.
const TEXT: u8 = 7;
/// Both lengths and their CRC, and the CRC at the end.
const AROUND: usize = 16;

/// An event with a JSON payload.
pub(super) fn event(kind: &str, payload: &[u8]) -> Vec<u8> {
    message(
        &[
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload,
    )
}

/// An exception with a JSON payload.
pub(super) fn exception(kind: &str, payload: &[u8]) -> Vec<u8> {
    message(
        &[
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}

fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(128);
    for (name, value) in headers {
        written.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        written.extend_from_slice(name.as_bytes());
        written.push(TEXT);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        written.extend_from_slice(&length.to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let whole = AROUND + written.len() + payload.len();
    let mut message = Vec::with_capacity(whole);
    message.extend_from_slice(&length(whole));
    message.extend_from_slice(&length(written.len()));
    let prelude = crc32(&message);
    message.extend_from_slice(&prelude.to_be_bytes());
    message.extend_from_slice(&written);
    message.extend_from_slice(payload);
    let all = crc32(&message);
    message.extend_from_slice(&all.to_be_bytes());
    message
}

/// The CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let is_odd = crc & 1 == 1;
            crc >>= 1;
            if is_odd {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        // The check value of the catalogue of CRCs.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_message_has_its_lengths_and_its_headers_in_place() {
        let bytes = event("messageStop", b"{}");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, bytes.len());
        assert_eq!(number(8), crc32(&bytes[..8]));
        assert_eq!(number(bytes.len() - 4), crc32(&bytes[..bytes.len() - 4]));
        let headers = number(4) as usize;
        assert_eq!(&bytes[12 + headers..bytes.len() - 4], b"{}");
        assert_eq!(&bytes[12..24], b"\x0b:event-type");
        assert_eq!(&bytes[24..38], b"\x07\x00\x0bmessageStop");
    }
}
