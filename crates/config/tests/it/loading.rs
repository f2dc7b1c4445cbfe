//! Loads texts as files, for all other modules.

use std::collections::BTreeMap;

use paceline_config::{Loaded, Overrides, Problems, Settings, SourceFile, Sources};

/// A little environment with a home, so that the state folder can be found.
pub(crate) fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let home = [("HOME", "/home/ada")];
    let all = home.iter().chain(variables);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Loads `content` as the file `p.toml` with some variables.
pub(crate) fn load_bytes(content: &[u8], variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    Settings::load(Sources {
        file: Some(SourceFile {
            name: "p.toml".into(),
            content: content.to_vec(),
        }),
        env: &environment(variables),
        overrides: Overrides::default(),
    })
}

pub(crate) fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load_bytes(text.as_bytes(), variables)
}

/// The settings that `text` gives; its problems fail the test.
pub(crate) fn settings(text: &str, variables: &[(&str, &str)]) -> Settings {
    match load(text, variables) {
        Ok(loaded) => loaded.settings,
        Err(problems) => panic!("{problems}\nin\n{text}"),
    }
}

/// The notices that come with `text`.
pub(crate) fn notices(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let loaded = load(text, variables).unwrap();
    loaded.notices.iter().map(ToString::to_string).collect()
}

/// The problems of `text`, one a line.
pub(crate) fn problems(text: &str, variables: &[(&str, &str)]) -> String {
    match load(text, variables) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}
