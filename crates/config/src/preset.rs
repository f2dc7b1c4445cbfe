//! Bundles of settings for two common purposes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bundle of settings; whatever is set explicitly wins over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    /// For a service: JSON logs, a minute to finish what is in flight.
    Production,
    /// For a desk: text logs with detail, short waits, quick exit.
    Development,
}

impl Preset {
    pub(crate) const ALL: [Self; 2] = [Self::Production, Self::Development];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }

    /// The settings of the bundle, written as a file would be.
    pub(crate) fn toml(self) -> &'static str {
        match self {
            Self::Production => include_str!("preset/production.toml"),
            Self::Development => include_str!("preset/development.toml"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overrides, Settings, SourceFile, Sources};

    #[test]
    fn every_preset_would_be_a_sound_file() {
        for preset in Preset::ALL {
            let env = [("HOME".to_owned(), "/home/ada".to_owned())].into();
            let file = Some(SourceFile {
                name: preset.name().into(),
                content: preset.toml().into(),
            });
            let overrides = Overrides::default();
            let sources = Sources {
                file,
                env: &env,
                overrides,
            };
            let problems = Settings::load(sources).err();
            assert!(problems.is_none(), "{problems:?}");
        }
    }
}
