//! Amazon's binary frames from lines of text, independent of the code that reads them.

use crate::checks::checksum;

/// `event NAME PAYLOAD` or `exception NAME PAYLOAD`, one frame a line.
pub(crate) fn encode(lines: &str) -> Vec<u8> {
    lines.lines().flat_map(frame).collect()
}

fn frame(line: &str) -> Vec<u8> {
    let mut words = line.splitn(3, ' ');
    let kind = words.next().unwrap();
    let (name, payload) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = Vec::new();
    for (key, value) in [
        (":message-type", kind),
        (&format!(":{kind}-type"), name),
        (":content-type", "application/json"),
    ] {
        headers.push(u8::try_from(key.len()).unwrap());
        headers.extend_from_slice(key.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut bytes = length(16 + headers.len() + payload.len()).to_vec();
    bytes.extend_from_slice(&length(headers.len()));
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload.as_bytes());
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes
}
