//! Settings for unit tests, from the text of a file.

use std::collections::BTreeMap;

use paceline_config::{Overrides, Problems, Settings, SourceFile, Sources};

/// The settings of a file with this text, on a machine whose home is nowhere.
pub(crate) fn settings(text: &str) -> Result<Settings, Problems> {
    let file = Some(SourceFile {
        name: "p.toml".into(),
        content: text.as_bytes().to_vec(),
    });
    let env = BTreeMap::from([("HOME".to_owned(), "/nowhere".to_owned())]);
    let sources = Sources {
        file,
        env: &env,
        overrides: Overrides::default(),
    };
    Ok(Settings::load(sources)?.settings)
}
