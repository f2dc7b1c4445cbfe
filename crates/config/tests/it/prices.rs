//! `[prices]`: which file is meant, and what is wrong with it.

use std::path::Path;

use paceline_config::{Overrides, Settings, SourceFile, Sources, UnknownPrice};

use crate::loading::{environment, problems, settings};

#[test]
fn without_a_setting_the_file_is_that_of_the_state_folder_and_need_not_be_there() {
    let prices = settings("", &[("PACELINE_STATE_DIR", "/var/lib/paceline")]).prices;
    assert_eq!(prices.file, Path::new("/var/lib/paceline/prices.toml"));
    assert!(!prices.file_is_named);
    assert_eq!(prices.unknown, UnknownPrice::Refuse);
}

#[test]
fn a_path_in_the_file_is_relative_to_its_folder_and_one_in_a_variable_is_not() {
    let load = |variables: &[(&str, &str)]| {
        let file = SourceFile {
            name: "/etc/paceline/p.toml".into(),
            content: b"[prices]\nfile = \"own.toml\"\nunknown = \"dearest\"\n".to_vec(),
        };
        let loaded = Settings::load(Sources {
            file: Some(file),
            env: &environment(variables),
            overrides: Overrides::default(),
        });
        loaded.unwrap().settings.prices
    };
    let prices = load(&[]);
    assert_eq!(prices.file, Path::new("/etc/paceline/own.toml"));
    assert!(prices.file_is_named);
    assert_eq!(prices.unknown, UnknownPrice::Dearest);
    let prices = load(&[("PACELINE_PRICES_FILE", "here.toml")]);
    assert_eq!(prices.file, Path::new("here.toml"));
}

#[test]
fn what_does_not_fit_is_told_with_its_line() {
    assert_eq!(
        problems("[prices]\nfile = \"\"\nunknown = \"free\"\nfiel = 1\n", &[]),
        "p.toml:2: prices.file: must not be empty; leave it out\n\
         p.toml:3: prices.unknown: must be \"refuse\" or \"dearest\" (got \"free\")\n\
         p.toml:4: prices.fiel: unknown key; did you mean \"file\"?"
    );
}
