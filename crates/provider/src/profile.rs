//! What sets the providers apart: addresses, keys, paths, limits, and what they count.
//!
//! A profile is a constant. What is not known of a provider is written down as not known, so that
//! the learner is asked instead of a guess.

mod charge;
mod known;
mod path;
mod table;
#[cfg(test)]
mod tests;

pub use charge::{Admission, Charges, Expected, OutputWeight, Unset};
pub use known::{Known, KnownLimit, PoolScope, Tells, WindowKind};

use crate::metric::LimitMetric;
use crate::openai::EndpointKind;
use path::PathStyle;
use std::time::Duration;

/// Whose words a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's API and its many copies.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Amazon's `Converse` and `InvokeModel`.
    Bedrock,
}

impl EndpointKind {
    /// The dialect that a call is of; `None` where several have it, or where it is not known.
    #[must_use]
    pub const fn dialect(self) -> Option<Dialect> {
        Some(match self {
            Self::Models | Self::Unknown => return None,
            Self::Messages | Self::MessagesCountTokens | Self::MessagesBatches => {
                Dialect::Anthropic
            }
            _ if self.is_gemini() => Dialect::Gemini,
            _ if self.is_bedrock() => Dialect::Bedrock,
            _ => Dialect::OpenAi,
        })
    }
}

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY` (Azure).
    ApiKey,
    /// `x-api-key: KEY` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: KEY` (Google).
    XGoogApiKey,
}

impl KeyHeader {
    /// Every header that a caller may have put a key into, and that must not be passed on.
    pub const ALL: [Self; 4] = [Self::Bearer, Self::ApiKey, Self::XApiKey, Self::XGoogApiKey];

    /// The header's name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "authorization",
            Self::ApiKey => "api-key",
            Self::XApiKey => "x-api-key",
            Self::XGoogApiKey => "x-goog-api-key",
        }
    }

    /// The header's value for a key.
    #[must_use]
    pub fn value(self, key: &str) -> String {
        match self {
            Self::Bearer => format!("Bearer {key}"),
            Self::ApiKey | Self::XApiKey | Self::XGoogApiKey => key.to_owned(),
        }
    }
}

/// What one provider means on the wire, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// The name in configurations.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// Whose words it speaks.
    pub dialect: Dialect,
    /// Where it is reached; `None` where that differs from customer to customer.
    pub base_url: Option<&'static str>,
    /// The path to assume where a base URL has none.
    pub bare_base_path: &'static str,
    /// The header that carries the key.
    pub key: KeyHeader,
    /// Headers to add where the caller sends none of that name.
    pub headers: &'static [(&'static str, &'static str)],
    /// The limits that it is known to have. Which of them an account has, and how large they are,
    /// is for configuration and for learning.
    pub limits: &'static [KnownLimit],
    /// What a success tells about limits.
    pub tells: Known<Tells>,
    /// What is deducted from a limit on tokens when a request is admitted.
    pub admission: Known<Admission>,
    /// How output counts in the end.
    pub output: OutputWeight,
    /// Whether input that was read from a cache counts.
    pub cached_input_counts: Known<bool>,
    /// Whether a request that failed counts.
    pub failures_count: Known<bool>,
    /// Whether what was deducted at admission and not used comes back.
    pub unused_comes_back: Known<bool>,
    /// Whether requests under way are limited in number.
    pub limits_concurrency: Known<bool>,
    /// Statuses by which it says that it is short of capacity, which is not the caller's quota.
    pub overload_statuses: &'static [u16],
    /// Patterns of its hosts, with `*` for any part.
    hosts: &'static [&'static str],
    paths: PathStyle,
    /// Windows of headers whose name does not tell them.
    header_windows: &'static [(LimitMetric, Duration)],
}

impl Profile {
    /// Every profile, the general one last.
    pub const ALL: &'static [Self] = table::ALL;

    /// A server that speaks OpenAI's dialect and of which nothing else is known.
    pub const COMPATIBLE: &'static Self = &table::COMPATIBLE;

    /// The profile of a name, such as `groq`.
    ///
    /// ```
    /// use paceline_provider::{Dialect, Profile};
    ///
    /// let anthropic = Profile::named("anthropic").unwrap();
    /// assert_eq!(anthropic.dialect, Dialect::Anthropic);
    /// assert!(Profile::named("nobody").is_none());
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|profile| profile.name == name)
    }

    /// The profile of a host, which may have a port; `None` where the host is not known.
    #[must_use]
    pub fn for_host(host: &str) -> Option<&'static Self> {
        let host = host.rsplit_once(':').map_or(host, |(name, port)| {
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            if is_port { name } else { host }
        });
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_of = |profile: &&Self| profile.hosts.iter().any(|pattern| fits(pattern, &host));
        Self::ALL.iter().find(is_of)
    }

    /// The profile of a base URL by its host and its path: some hosts speak OpenAI's dialect under a
    /// path of its own. [`COMPATIBLE`](Self::COMPATIBLE) where the host is not known.
    #[must_use]
    pub fn for_base_url(host: &str, path: &str) -> &'static Self {
        let found = Self::for_host(host).unwrap_or(Self::COMPATIBLE);
        let copies_openai = ["/openai", "/openai/v1", "/endpoints/openapi"]
            .iter()
            .any(|end| path.trim_end_matches('/').ends_with(end));
        match found.dialect {
            Dialect::Gemini if copies_openai && found.name == "gemini" => &table::GEMINI_COMPATIBLE,
            Dialect::Gemini | Dialect::Bedrock if copies_openai => Self::COMPATIBLE,
            _ => found,
        }
    }

    /// Whether more is known than that it speaks OpenAI's dialect.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.is(Self::COMPATIBLE.name)
    }

    /// The window that a header of this profile speaks of where its name does not say.
    pub(crate) fn header_window(&self, metric: LimitMetric) -> Option<Duration> {
        let mut windows = self.header_windows.iter();
        windows
            .find(|(known, _)| *known == metric)
            .map(|(_, window)| *window)
    }

    /// Whether a limit is known to be counted anew when the clock begins a window.
    pub(crate) fn follows_the_clock(&self, metric: LimitMetric, window: Duration) -> bool {
        self.limits.iter().any(|limit| {
            limit.metric == metric
                && limit.window.value() == Some(window)
                && limit.kind.value() == Some(WindowKind::Clock)
        })
    }

    /// Whether this is the profile of that name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// Whether a host fits a pattern with at most one `*`, which stands for at least one character.
fn fits(pattern: &str, host: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == host,
        Some((start, end)) => {
            host.len() > start.len() + end.len() && host.starts_with(start) && host.ends_with(end)
        }
    }
}
