//! How the race stands: what the screen, the page and the file show.

use std::path::Path;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::contestant::Contestant;
use super::history::History;
use super::score::Score;
use super::stage::{Limits, PIECE, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE};
use super::verdict::Verdict;
use crate::exit::Failure;

/// The race at one moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    #[serde(serialize_with = "milliseconds", rename = "elapsed_ms")]
    pub(super) elapsed: Duration,
    #[serde(serialize_with = "milliseconds", rename = "length_ms")]
    pub(super) length: Duration,
    pub(super) quota: Quota,
    /// How the gateway knows the quota.
    #[serde(serialize_with = "name")]
    pub(super) limits: Limits,
    pub(super) standings: [Standing; Contestant::ALL.len()],
    /// Absent until the race is over.
    pub(super) verdict: Option<Verdict>,
}

/// The hidden quota.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Quota {
    tokens_per_minute: u64,
    requests_per_minute: u64,
    enforced_in_pieces_of_s: u64,
}

/// The file of figures.
#[derive(Serialize)]
struct Figures<'a> {
    quota: &'a Quota,
    limits: &'static str,
    seconds: u64,
    retries_only: &'a Score,
    fixed_rate: &'a Score,
    paceline: &'a Score,
}

/// How one contestant does.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Standing {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) score: Score,
    per_second: History,
}

impl Report {
    pub(super) fn new(
        length: Duration,
        elapsed: Duration,
        limits: Limits,
        standings: [Standing; Contestant::ALL.len()],
    ) -> Self {
        let finished = elapsed >= length;
        let verdict = finished.then(|| Verdict::on(limits, &standings));
        Self {
            elapsed: elapsed.min(length),
            length,
            quota: Quota {
                tokens_per_minute: TOKENS_PER_MINUTE,
                requests_per_minute: REQUESTS_PER_MINUTE,
                enforced_in_pieces_of_s: PIECE.as_secs(),
            },
            limits,
            standings,
            verdict,
        }
    }

    /// As the page reads it.
    pub(super) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|error| Failure::other(format!("cannot write the figures: {error}")))
    }

    /// Writes the figures without their history.
    pub(super) fn write_figures(&self, file: &Path) -> Result<(), Failure> {
        let cannot =
            |reason: String| Failure::other(format!("cannot write {}: {reason}", file.display()));
        let text = self.figures().map_err(|error| cannot(error.to_string()))?;
        std::fs::write(file, text + "\n").map_err(|error| cannot(error.to_string()))
    }

    fn figures(&self) -> Result<String, serde_json::Error> {
        let [retries_only, fixed_rate, paceline] = self.standings.each_ref();
        serde_json::to_string_pretty(&Figures {
            quota: &self.quota,
            limits: self.limits.name(),
            seconds: self.length.as_secs(),
            retries_only: &retries_only.score,
            fixed_rate: &fixed_rate.score,
            paceline: &paceline.score,
        })
    }
}

impl Standing {
    pub(super) fn new(
        contestant: Contestant,
        limits: Limits,
        score: Score,
        history: History,
    ) -> Self {
        Self {
            id: contestant.id(),
            name: contestant.name(),
            about: contestant.about(limits),
            score,
            per_second: history,
        }
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn name<S: Serializer>(limits: &Limits, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(limits.name())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;

    /// A report with figures of some size.
    pub(in crate::demo) fn report(elapsed_s: u64) -> Report {
        let score = |refused_429, lost| Score {
            quota_used: Some(0.987),
            refused_429,
            answered: 130,
            lost,
            under_way: 24,
            chat_asked: 40,
            chat_lost: lost.min(12),
            chat_wait_p50_ms: Some(350),
            chat_wait_p95_ms: None,
            tokens_answered: 40_000,
            batch_a_tokens: 8_000,
            batch_b_tokens: 24_400,
        };
        let scores = [score(1_204, 310), score(120, 9), score(0, 0)];
        let mut scores = scores.into_iter();
        let standings = Contestant::ALL.map(|contestant| {
            let score = scores.next().unwrap();
            Standing::new(contestant, Limits::Learned, score, History::default())
        });
        let (length, elapsed) = (Duration::from_secs(53), Duration::from_secs(elapsed_s));
        Report::new(length, elapsed, Limits::Learned, standings)
    }

    #[test]
    fn the_page_is_told_everything_that_it_shows() {
        let running: Value = serde_json::from_str(&report(9).json().unwrap()).unwrap();
        assert_eq!(running["elapsed_ms"], 9_000);
        assert_eq!(running["length_ms"], 53_000);
        assert_eq!(running["quota"]["tokens_per_minute"], 60_000);
        assert_eq!(running["limits"], "learned");
        assert!(running["verdict"].is_null());
        let ids = [0, 1, 2].map(|lane| running["standings"][lane]["id"].as_str().unwrap());
        assert_eq!(ids, ["retries_only", "fixed_rate", "paceline"]);
        let first = &running["standings"][0];
        assert_eq!(first["score"]["refused_429"], 1_204);
        assert!(first["per_second"]["charged_tokens"].is_array());
        assert!(first["per_second"]["refused_429"].is_array());

        let over: Value = serde_json::from_str(&report(54).json().unwrap()).unwrap();
        assert_eq!(over["elapsed_ms"], 53_000, "no later than the end");
        assert_eq!(over["verdict"]["held"], true);
    }

    #[test]
    fn the_file_has_the_figures_of_each_by_name() {
        let figures: Value = serde_json::from_str(&report(53).figures().unwrap()).unwrap();
        assert_eq!(figures["seconds"], 53);
        assert_eq!(figures["fixed_rate"]["refused_429"], 120);
        assert_eq!(figures["paceline"]["lost"], 0);
        assert!(figures["paceline"]["chat_wait_p95_ms"].is_null());
    }
}
