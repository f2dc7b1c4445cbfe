//! What the finished race has shown, in words.

use serde::Serialize;

use super::contestant::Contestant;
use super::report::Standing;
use super::score::Score;
use super::stage::Limits;
use crate::figures::{grouped, percent, span_ms};

/// The outcome.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    /// Whether the gateway kept its word: nothing lost, and no more refused than it takes to find out
    /// that a quota is enforced in pieces, which the provider's headers do not tell.
    pub(super) held: bool,
    pub(super) headline: &'static str,
    pub(super) limits: &'static str,
    /// The figures of each contestant in one sentence, in their order.
    figures: [String; Contestant::ALL.len()],
}

impl Verdict {
    pub(super) fn on(limits: Limits, standings: &[Standing; Contestant::ALL.len()]) -> Self {
        let [_, _, paceline] = standings;
        let (refused, lost) = (paceline.score.refused_429, paceline.score.lost);
        let held = lost == 0 && refused <= limits.refusals_max();
        Self {
            held,
            headline: match (held, refused) {
                (false, _) => "With paceline, too much was refused or lost: this should not be.",
                (true, 0) => "With paceline, nothing was refused and nothing was lost.",
                (true, _) => {
                    "With paceline, nothing was lost; a refusal told how the quota is enforced."
                }
            },
            limits: match limits {
                Limits::Configured => "The gateway was told the limits.",
                Limits::Learned => {
                    "The gateway was told no limits: it learned them from the provider's answers."
                }
            },
            figures: standings.each_ref().map(sentence),
        }
    }
}

fn sentence(standing: &Standing) -> String {
    let score = &standing.score;
    format!(
        "{} refused by the provider, {} lost, {} of the quota used; {}.",
        grouped(score.refused_429),
        grouped(score.lost),
        score.quota_used.map_or("-".to_owned(), percent),
        chat(score)
    )
}

/// How the people who wait for an answer fared.
fn chat(score: &Score) -> String {
    let Some(wait) = score.chat_wait_p95_ms.map(span_ms) else {
        return "no chat question was answered".to_owned();
    };
    let lost = match score.chat_lost {
        0 => "no chat question lost".to_owned(),
        lost => format!(
            "{} of {} chat questions lost",
            grouped(lost),
            grouped(score.chat_asked)
        ),
    };
    format!("{lost}, 95 % of the answered ones waited at most {wait}")
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;

    #[test]
    fn the_verdict_gives_the_figures_of_all_three() {
        let mut over = report(53);
        over.standings[2].score.chat_wait_p95_ms = Some(748);
        let verdict = super::Verdict::on(over.limits, &over.standings);
        assert!(verdict.held);
        assert_eq!(
            verdict.figures[2],
            "0 refused by the provider, 0 lost, 99 % of the quota used; no chat question lost, \
             95 % of the answered ones waited at most 748 ms."
        );
        assert!(verdict.figures[1].contains("120 refused by the provider, 9 lost"));
        assert!(verdict.figures[0].ends_with("no chat question was answered."));
    }

    #[test]
    fn refusals_behind_the_gateway_are_said_plainly() {
        let mut over = report(53);
        for (refused, held, said) in [(2, true, "a refusal told"), (7, false, "should not be")] {
            over.standings[2].score.refused_429 = refused;
            let verdict = super::Verdict::on(over.limits, &over.standings);
            assert_eq!(verdict.held, held);
            assert!(verdict.headline.contains(said));
        }
    }
}
