//! Keys in a folder, as several processes see it.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::pattern::ModelPattern;
use crate::ring::Unknown;

const NOW: u64 = 1_795_361_400;

fn wish(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        tenant: "acme".to_owned(),
        models: vec![ModelPattern("gpt-4o*".to_owned())],
        ..NewKey::default()
    }
}

/// The id of the key, if it is valid.
fn valid(file: &KeyFile, key: &KeyText, now: u64) -> Result<KeyId, Unknown> {
    let (ring, secret) = file.keys().unwrap();
    ring.find(&secret, key, now)
        .map(|found| found.record.id.clone())
}

#[test]
fn a_key_is_found_by_its_text_which_is_kept_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = KeyFile::open(folder.path()).unwrap();
    assert!(file.keys().is_none());
    let (record, key) = file.create(wish("app"), NOW).unwrap();
    let (_, other) = file.create(wish("other"), NOW).unwrap();
    assert_eq!(valid(&file, &key, NOW), Ok(record.id.clone()));
    assert_ne!(valid(&file, &other, NOW), Ok(record.id.clone()));
    assert_eq!(
        valid(&file, &KeyText::make().unwrap(), NOW),
        Err(Unknown::NoSuchKey)
    );
    assert!(record.allows_model("gpt-4o-mini") && !record.allows_model("o3"));
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&key.reveal()[9..]), "{}", path.display());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_file_without_its_secret_is_of_no_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = KeyFile::open(folder.path()).unwrap();
    let (_, key) = file.create(wish("app"), NOW).unwrap();
    let (ring, _) = file.keys().unwrap();
    let guess = Secret::new([0; 32]);
    assert_eq!(ring.find(&guess, &key, NOW), Err(Unknown::NoSuchKey));
    fs::remove_file(folder.path().join("keys.secret")).unwrap();
    assert!(matches!(
        KeyFile::open(folder.path()),
        Err(KeyFileError::NoSecret { .. })
    ));
    let refused = file.create(wish("more"), NOW);
    assert!(matches!(refused, Err(KeyFileError::NoSecret { .. })));
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    KeyFile::open(folder.path())
        .unwrap()
        .create(wish("app"), NOW)
        .unwrap();
    let secret = folder.path().join("keys.secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        KeyFile::open(folder.path()),
        Err(KeyFileError::Exposed { .. })
    ));
}

#[test]
fn a_rotated_key_is_valid_for_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = KeyFile::open(folder.path()).unwrap();
    let (record, first) = file.create(wish("app"), NOW).unwrap();
    let (_, second) = file.rotate(&record.id, 100, NOW).unwrap();
    assert_eq!(valid(&file, &first, NOW + 99), Ok(record.id.clone()));
    assert_eq!(
        valid(&file, &first, NOW + 100),
        Err(Unknown::Replaced(record.id.clone()))
    );
    let (rotated, third) = file.rotate(&record.id, 100, NOW + 50).unwrap();
    assert_eq!(rotated.former_until_unix_s(NOW + 60), Some(NOW + 150));
    assert_eq!(valid(&file, &first, NOW + 60), Err(Unknown::NoSuchKey));
    assert_eq!(valid(&file, &second, NOW + 60), Ok(record.id.clone()));
    assert_eq!(valid(&file, &third, NOW + 9_000), Ok(record.id));
}

#[test]
fn a_revoked_or_expired_key_is_not_valid_and_not_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = KeyFile::open(folder.path()).unwrap();
    let (record, first) = file.create(wish("app"), NOW).unwrap();
    let (_, second) = file.rotate(&record.id, 100, NOW).unwrap();
    file.revoke(&record.id, NOW + 1).unwrap();
    let again = file.revoke(&record.id, NOW + 9).unwrap();
    assert_eq!(again.revoked_unix_s, Some(NOW + 1));
    assert_eq!(
        valid(&file, &second, NOW + 2),
        Err(Unknown::Revoked(record.id.clone()))
    );
    assert!(valid(&file, &first, NOW + 2).is_err());
    assert!(file.rotate(&record.id, 1, NOW + 2).is_err());
    let short = NewKey {
        expires_unix_s: Some(NOW + 10),
        ..wish("short")
    };
    let (record, key) = file.create(short, NOW).unwrap();
    assert!(valid(&file, &key, NOW + 9).is_ok());
    assert_eq!(
        valid(&file, &key, NOW + 10),
        Err(Unknown::Expired(record.id))
    );
    let nobody = KeyId("k-\u{1b}".to_owned());
    let error = file.revoke(&nobody, NOW).unwrap_err().to_string();
    assert!(error.contains(r"`k-\u{1b}`"), "{error}");
}

#[test]
fn what_another_process_changes_is_read_and_a_broken_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = KeyFile::open(folder.path()).unwrap();
    let mut person = KeyFile::open(folder.path()).unwrap();
    let (record, key) = person.create(wish("app"), NOW).unwrap();
    assert!(gateway.refresh().unwrap());
    assert!(!gateway.refresh().unwrap());
    assert_eq!(valid(&gateway, &key, NOW), Ok(record.id.clone()));
    let whole = fs::read(person.path()).unwrap();
    fs::write(person.path(), &whole[..whole.len() / 2]).unwrap();
    for _ in 0..2 {
        assert!(matches!(gateway.refresh(), Err(KeyFileError::Ring { .. })));
    }
    assert_eq!(valid(&gateway, &key, NOW), Ok(record.id.clone()));
    assert!(
        person.create(wish("lost"), NOW).is_err(),
        "nothing is overwritten"
    );
    fs::write(person.path(), whole).unwrap();
    gateway.refresh().unwrap();
    person.revoke(&record.id, NOW).unwrap();
    assert!(gateway.refresh().unwrap());
    assert!(valid(&gateway, &key, NOW).is_err());
}

#[test]
fn writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: usize| {
        let folder = folder.path().to_owned();
        std::thread::spawn(move || {
            let mut file = KeyFile::open(folder).unwrap();
            for round in 0..5 {
                file.create(wish(&format!("{name}.{round}")), NOW).unwrap();
            }
        })
    };
    let writers: Vec<_> = (0..8).map(write).collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(KeyFile::open(folder.path()).unwrap().records().len(), 40);
}

#[test]
fn names_that_spoil_a_terminal_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = KeyFile::open(folder.path()).unwrap();
    for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(129)] {
        assert!(matches!(
            file.create(wish(name), NOW),
            Err(KeyFileError::Record(_))
        ));
    }
    assert!(file.records().is_empty());
}
