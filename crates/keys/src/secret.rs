//! The secret under which keys are hashed: made on first use, in a file that nobody else may read.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::file::KeyFileError;
use crate::text::KeyText;

const BYTES: usize = 32;

/// What keys are hashed with. Not shown.
#[derive(Clone)]
pub struct Secret([u8; BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(***)")
    }
}

impl Secret {
    /// A secret that is known already.
    #[must_use]
    pub const fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// What is kept of a key.
    #[must_use]
    pub fn hash(&self, key: &KeyText) -> [u8; BYTES] {
        // A key of any length will do for this hash; without one it is that of nothing.
        Hmac::<Sha256>::new_from_slice(&self.0).map_or([0; BYTES], |mut hash| {
            hash.update(key.reveal().as_bytes());
            hash.finalize().into_bytes().into()
        })
    }

    /// Reads the secret; `None` where there is no file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, KeyFileError> {
        let failed = |source| KeyFileError::io(path, source);
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed {
                path: path.to_owned(),
            });
        }
        let unusable = || KeyFileError::Secret {
            path: path.to_owned(),
        };
        let text = std::str::from_utf8(&text).map_err(|_| unusable())?;
        let bytes = hex::<BYTES>(text.trim()).ok_or_else(unusable)?;
        Ok(Some(Self(bytes)))
    }

    /// Makes one. Whoever calls this has the lock, so nobody else makes one meanwhile.
    pub(crate) fn make(path: &Path) -> Result<Self, KeyFileError> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| KeyFileError::Random(error.to_string()))?;
        let failed = |source| KeyFileError::io(path, source);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        let text = to_hex(&bytes) + "\n";
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Self(bytes))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// So many bytes from their digits.
pub(crate) fn hex<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    if text.len() != 2 * COUNT || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; COUNT];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_nothing_else_is() {
        assert_eq!(hex(&to_hex(&[0, 9, 255])), Some([0, 9, 255]));
        for wrong in ["00", "0000zz", "+10203", "ü0000"] {
            assert_eq!(hex::<3>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // By `openssl dgst -sha256 -mac hmac -macopt hexkey:0b0b…` over the same text.
        let key = KeyText::parse(KEY).unwrap();
        assert_eq!(to_hex(&Secret([0x0b; BYTES]).hash(&key)), HASH);
        assert_ne!(
            Secret([0x0c; BYTES]).hash(&key),
            Secret([0x0b; BYTES]).hash(&key)
        );
    }

    const KEY: &str = "pl-1fJjkkpe9PiTw9KSulA8Ghct30vZz4HpdQ5c5b9cPF12fRHKJ";
    const HASH: &str = "bd07d00fce6e87b357a1989c1ba0377c8eba0e7534d4ccd2be058a51ce5a639d";
}
