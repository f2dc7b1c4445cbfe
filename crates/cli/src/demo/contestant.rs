//! Who runs: three ways to share one key.

use super::stage::Limits;

/// One way to call the provider. All of them do the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    /// A stock SDK.
    RetriesOnly,
    /// The same behind a rate that somebody has set by hand.
    FixedRate,
    /// The same behind the gateway.
    Paceline,
}

impl Contestant {
    pub(super) const ALL: [Self; 3] = [Self::RetriesOnly, Self::FixedRate, Self::Paceline];

    /// Its name in files.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::RetriesOnly => "retries_only",
            Self::FixedRate => "fixed_rate",
            Self::Paceline => "paceline",
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RetriesOnly => "retries only",
            Self::FixedRate => "fixed rate",
            Self::Paceline => "paceline",
        }
    }

    /// What it does.
    pub(super) fn about(self, limits: Limits) -> &'static str {
        match (self, limits) {
            (Self::RetriesOnly, _) => "a stock SDK: 2 retries, backoff, Retry-After honoured",
            (Self::FixedRate, _) => "the same behind a token bucket set to the advertised limits",
            (Self::Paceline, Limits::Configured) => "the same behind a gateway that is told them",
            (Self::Paceline, Limits::Learned) => {
                "the same behind a gateway that is told no limits and learns them"
            }
        }
    }
}
