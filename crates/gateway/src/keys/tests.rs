//! What is said of the file of keys, and how often.

use std::fs;
use std::path::Path;

use paceline_keys::NewKey;

use super::*;

fn settings(toml: &str) -> Settings {
    crate::test_settings::settings(toml).unwrap()
}

fn watched(folder: &Path) -> Watched {
    Watched {
        file: KeyFile::open(folder).unwrap(),
        broken: None,
        is_without_own_key: false,
    }
}

fn create(folder: &Path) {
    let new = NewKey {
        name: "a".to_owned(),
        tenant: "t".to_owned(),
        ..NewKey::default()
    };
    KeyFile::open(folder).unwrap().create(new, 1).unwrap();
}

#[test]
fn a_file_that_cannot_be_used_is_told_once_for_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = watched(folder.path());
    assert_eq!(watched.look(), None);
    create(folder.path());
    assert_eq!(watched.look(), Some(News::Changed(1)));
    let path = folder.path().join("keys.json");
    let good = fs::read(&path).unwrap();
    for broken in ["{", "{ not JSON"] {
        fs::write(&path, broken).unwrap();
        assert!(matches!(watched.look(), Some(News::Broken(_))), "{broken}");
        assert_eq!(watched.look(), None, "{broken}");
    }
    fs::write(&path, good).unwrap();
    assert_eq!(watched.look(), Some(News::Changed(1)));
    fs::write(&path, "{").unwrap();
    assert!(matches!(watched.look(), Some(News::Broken(_))));
}

#[test]
fn caller_keys_without_a_key_for_the_provider_are_told_whenever_it_comes_to_that() {
    let folder = tempfile::tempdir().unwrap();
    let (without, with) = (settings(""), settings("[upstream]\napi_key = \"sk-own\"\n"));
    let mut watched = watched(folder.path());
    assert!(!watched.lacks_own_key(&without), "nobody needs a key");
    create(folder.path());
    watched.look();
    assert!(watched.lacks_own_key(&without));
    assert!(!watched.lacks_own_key(&without), "it was said");
    assert!(!watched.lacks_own_key(&with));
    assert!(watched.lacks_own_key(&without), "after a reload");
}
