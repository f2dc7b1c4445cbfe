//! Log output: one subscriber, text for people and JSON for machines, on standard error.

mod line;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use line::Lines;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Aligned text for people, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug)]
pub enum LogSetupError {
    /// The level is neither a level nor a list of `target=level` directives.
    Filter {
        /// What was given.
        given: String,
        /// What the parser said.
        reason: String,
    },
    /// A subscriber is installed already.
    Installed,
}

impl std::fmt::Display for LogSetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Filter { given, reason } => write!(
                f,
                "log level {given:?} is not understood ({reason}); use error, warn, info, debug, \
                 trace, or a list such as info,paceline_gateway=debug"
            ),
            Self::Installed => write!(f, "logging is set up already"),
        }
    }
}

impl std::error::Error for LogSetupError {}

/// Installs the process's log subscriber.
///
/// `level` is a level name or a list of `target=level` directives.
///
/// # Errors
/// When `level` does not parse, or when a subscriber is installed already.
pub fn init_logs(format: LogFormat, level: &str) -> Result<(), LogSetupError> {
    let filter = EnvFilter::try_new(level).map_err(|error| LogSetupError::Filter {
        given: level.to_owned(),
        reason: error.to_string(),
    })?;
    let is_coloured = format == LogFormat::Text && std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Lines::new(std::io::stderr(), is_coloured));
    let installed = match format {
        LogFormat::Text => builder.with_ansi(is_coloured).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|_| LogSetupError::Installed)
}
