//! `[log]`: what is logged, and in which form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::nearest::nearest;
use crate::node::clip;

/// The levels, the most severe first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Form of a log line.
    pub format: LogFormat,
    /// Least level, or a list of `target=level` directives.
    pub level: String,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and in which form. Keys and prompts never are.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    /// Form of a log line.
    format: LogFormat,
    /// Least level (off, error, warn, info, debug, trace), or a list of target=level directives
    /// as in "info,hyper=warn".
    level: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl RawLog {
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Log {
        for directive in self.level.split(',') {
            let (target, level) = directive
                .rsplit_once('=')
                .unwrap_or(("paceline", directive));
            let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
            if target.is_empty() || !target.chars().all(named) || !LEVELS.contains(&level) {
                let what = format!("must be a level or target=level (got {})", clip(directive));
                let meant = nearest(level, LEVELS.into_iter());
                let hint = match meant {
                    Some(name) => format!("did you mean {name:?}?"),
                    None => format!("the levels are {}", LEVELS.join(", ")),
                };
                checker.problem("log.level", what, hint);
            }
        }
        Log {
            format: self.format,
            level: self.level,
        }
    }
}
