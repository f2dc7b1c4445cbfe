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

    fn about(self) -> &'static str {
        match self {
            Self::Production => "For a service: JSON logs, a minute to finish what is in flight.",
            Self::Development => "For a desk: text logs with detail, short waits, quick exit.",
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

/// A bundle of settings, for people and programs that choose among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresetSettings {
    /// What `preset` is set to.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Dotted keys and what the bundle sets them to, as the file would have it.
    pub settings: Vec<(String, String)>,
}

/// All bundles.
pub fn presets() -> Vec<PresetSettings> {
    let bundle = |preset: Preset| {
        let mut settings = Vec::new();
        if let Ok(table) = preset.toml().parse::<toml::Table>() {
            flatten("", &table, &mut settings);
        }
        PresetSettings {
            name: preset.name(),
            about: preset.about(),
            settings,
        }
    };
    Preset::ALL.map(bundle).into()
}

fn flatten(above: &str, table: &toml::Table, settings: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = match above {
            "" => key.clone(),
            above => format!("{above}.{key}"),
        };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, settings),
            value => settings.push((key, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overrides, Settings, SourceFile, Sources};

    #[test]
    fn bundles_are_listed_with_what_they_set() {
        let listed = presets();
        assert_eq!(listed.len(), Preset::ALL.len());
        for (bundle, preset) in listed.iter().zip(Preset::ALL) {
            assert_eq!(bundle.name, preset.name());
            let lines = preset.toml().lines().filter(|line| line.contains(" = "));
            assert_eq!(bundle.settings.len(), lines.count(), "{bundle:?}");
            for (key, _) in &bundle.settings {
                assert!(crate::about_setting(key).is_some(), "{key}");
            }
        }
        let wait = ("queue.max_wait".to_owned(), "\"1m\"".to_owned());
        assert!(listed[1].settings.contains(&wait));
        assert_eq!(crate::about_setting("queue.no_such"), None);
    }

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
