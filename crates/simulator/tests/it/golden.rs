//! Files that hold what must go over the wire, byte for byte.

use std::{env, fs, path::PathBuf};

/// Compares with a golden file. With `PACELINE_UPDATE_GOLDEN` set, writes it instead.
pub(crate) fn assert_golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    if env::var_os("PACELINE_UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{name} differs; found:\n{found}\nset PACELINE_UPDATE_GOLDEN=1 to accept it",
    );
}
