//! Options that change settings, and loading the settings with them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use paceline_config::{Loaded, Origin, Overrides, Problems, Secret, Settings};

use crate::exit::{self, Failure};
use crate::figures::counted;
use crate::terminal::Terminal;

/// The variable through which `--log-format` reaches the settings.
const LOG_FORMAT: &str = "PACELINE_LOG_FORMAT";

/// Where settings come from, and what overrides them.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// Configuration file; without one, defaults and environment variables hold
    #[arg(
        long,
        value_name = "FILE",
        env = "PACELINE_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:4100]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    // Not a doc comment, in which the address would have to be marked up.
    #[arg(
        long,
        value_name = "URL",
        help = "Address of the provider with its version path [default: https://api.openai.com/v1]"
    )]
    pub(crate) upstream: Option<String>,
    // Not a doc comment, in which the address would have to be marked up.
    #[arg(
        long,
        value_name = "URL",
        value_parser = secret,
        help = "Redis or Valkey by which several gateways share one quota, as in redis://10.0.0.5:6379"
    )]
    pub(crate) redis: Option<Secret>,
    // Not a doc comment, in which the address would have to be marked up.
    #[arg(
        long,
        value_name = "URL",
        value_parser = secret,
        help = "Postgres database of the ledger, as in postgres://paceline@10.0.0.6/paceline [default: a file in the state folder]"
    )]
    pub(crate) database: Option<Secret>,
    /// Bundle of settings for a purpose: production or development
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// error, warn, info, debug, trace, or a list such as info,hyper=warn
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Form of a log line
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<Format>,
    /// Folder of the admin token and of learned limits
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state_dir: Option<String>,
}

/// Which gateway's configuration a command works with that serves no calls itself.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientArgs {
    /// Configuration file of the gateway
    #[arg(
        long,
        value_name = "FILE",
        env = "PACELINE_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    /// The gateway's folder for state: keys, admin token, ledger, prices
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<String>,
}

impl ClientArgs {
    /// The settings of that gateway; see [`SettingsArgs::load_as_client`].
    pub(crate) fn load_as_client(&self) -> Result<Settings, Failure> {
        SettingsArgs::from(self).load_as_client()
    }
}

impl From<&ClientArgs> for SettingsArgs {
    fn from(args: &ClientArgs) -> Self {
        Self {
            config: args.config.clone(),
            state_dir: args.state_dir.clone(),
            ..Self::default()
        }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Takes a value that may be secret, so that showing the options does not show it.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
pub(crate) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

impl SettingsArgs {
    /// Loads the settings from the file, this environment and the options.
    pub(crate) fn load(&self, environment: BTreeMap<String, String>) -> Result<Loaded, Problems> {
        let mut environment = environment;
        if let Some(format) = self.log_format {
            environment.insert(LOG_FORMAT.to_owned(), format.name().to_owned());
        }
        let overrides = Overrides {
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            redis: self.redis.clone(),
            database: self.database.clone(),
            preset: self.preset.clone(),
            log_level: self.log_level.clone(),
            state_dir: self.state_dir.clone(),
        };
        let mut loaded = Settings::read(self.config.as_deref(), &environment, overrides)?;
        if self.log_format.is_some() {
            for origin in loaded.provenance.values_mut() {
                if matches!(origin, Origin::Variable(name) if name == LOG_FORMAT) {
                    *origin = Origin::Option("--log-format");
                }
            }
        }
        Ok(loaded)
    }

    /// Loads the settings, or prints everything that is wrong with them.
    pub(crate) fn load_or_explain(&self) -> Result<Loaded, Failure> {
        self.load(environment())
            .or_else(|problems| explain(&problems))
    }

    /// Loads the settings for a command that serves no calls, or prints everything that is wrong.
    ///
    /// Where such a command runs, the variables `OPENAI_*` are those of a client: its base URL leads to
    /// the gateway, which as an upstream would be a loop, and its retries are not the gateway's.
    pub(crate) fn load_as_client(&self) -> Result<Settings, Failure> {
        let mut environment = environment();
        let file = self.config.as_ref().map(std::fs::read_to_string);
        let file = file.and_then(Result::ok).unwrap_or_default();
        environment.retain(|name, _| !name.starts_with("OPENAI_") || is_named(&file, name));
        let loaded = self
            .load(environment)
            .or_else(|problems| explain(&problems))?;
        Ok(loaded.settings)
    }
}

/// Whether a file takes a secret from this variable, as in `{ env = "NAME" }`: it would not be sound without it.
fn is_named(file: &str, variable: &str) -> bool {
    let quoted = ['"', '\''].map(|quote| format!("{quote}{variable}{quote}"));
    quoted.iter().any(|name| file.contains(name))
}

/// Prints every problem of a configuration, and fails.
pub(crate) fn explain<T>(problems: &Problems) -> Result<T, Failure> {
    Terminal::stderr().line(&problems.to_string())?;
    let count = counted(problems.len() as u64, "problem");
    let message = format!("the configuration is invalid: {count}; nothing was started");
    Err(Failure::new(exit::CONFIGURATION, message))
}

/// The environment of this process, as far as it is text.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    #[test]
    fn the_log_format_of_the_command_line_is_told_from_a_variable() {
        let args = SettingsArgs {
            log_format: Some(Format::Json),
            ..SettingsArgs::default()
        };
        let environment = [("HOME", "/home/ada"), (LOG_FORMAT, "text")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let loaded = args.load(environment.into()).unwrap();
        assert_eq!(loaded.settings.log.format, paceline_config::LogFormat::Json);
        assert_eq!(
            loaded.provenance["log.format"],
            Origin::Option("--log-format")
        );
    }

    #[test]
    fn the_options_do_not_show_the_password_of_the_store() {
        let url = "redis://app:canary@h";
        let command = SettingsArgs::augment_args(clap::Command::new("serve"));
        let matches = command.get_matches_from(["serve", "--redis", url]);
        let args = SettingsArgs::from_arg_matches(&matches).unwrap();
        assert!(!format!("{args:?}").contains("canary"), "{args:?}");
        let environment = [("HOME".to_owned(), "/home/ada".to_owned())];
        let loaded = args.load(environment.into()).unwrap();
        assert_eq!(loaded.settings.store.unwrap().url.expose(), url);
        assert_eq!(loaded.provenance["store.url"], Origin::Option("--redis"));
    }
}
