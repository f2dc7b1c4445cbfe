//! One figure for how well it goes, and what it is made of.

use paceline_admin_api::{PerformanceSums, Score, ScorePart};
use paceline_ledger::Usage;

use super::performance::ratio;

/// The error of estimates that gives no points.
const ESTIMATE_ERROR_MAX: f64 = 0.5;

/// The score of some calls; `None` without any.
pub(super) fn score(total: &PerformanceSums, usage: &Usage) -> Option<Score> {
    if total.calls == 0 {
        return None;
    }
    let waiting = ratio(usage.wait_ms, usage.duration_ms);
    let retries = (total.sent > 0).then_some(total.retries_per_call);
    let parts = vec![
        part(
            ("success", 40),
            total.error_rate,
            1.0,
            "40 points, less the part of calls that failed or were refused",
        ),
        part(
            ("waiting", 30),
            waiting,
            1.0,
            "30 points, less the part of all time that was waited for a turn",
        ),
        part(
            ("retries", 15),
            retries,
            1.0,
            "15 points, less the attempts after the first for each sent call; none at one or more",
        ),
        part(
            ("estimates", 15),
            total.estimates.relative_error,
            ESTIMATE_ERROR_MAX,
            "15 points, less twice the relative error of input-token estimates; none at 50 % or more",
        ),
    ];
    let points: f64 = parts.iter().map(|part| part.points).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 100"
    )]
    let value = points.round().clamp(0.0, 100.0) as u32;
    Some(Score { value, parts })
}

/// All points at a figure of 0, none at `worst`.
fn part((name, points_max): (&str, u32), figure: Option<f64>, worst: f64, rule: &str) -> ScorePart {
    let lost = (figure.unwrap_or(0.0) / worst).clamp(0.0, 1.0);
    ScorePart {
        name: name.to_owned(),
        points_max,
        points: f64::from(points_max) * (1.0 - lost),
        figure,
        rule: rule.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(error_rate: f64, retries_per_call: f64, error: Option<f64>) -> PerformanceSums {
        let mut total = PerformanceSums {
            calls: 10,
            sent: 10,
            error_rate: Some(error_rate),
            retries_per_call,
            ..PerformanceSums::default()
        };
        total.estimates.relative_error = error;
        total
    }

    fn value(total: &PerformanceSums, wait_ms: u64) -> Option<u32> {
        let usage = Usage {
            wait_ms,
            duration_ms: 1_000,
            ..Usage::default()
        };
        score(total, &usage).map(|score| score.value)
    }

    #[test]
    fn the_score_falls_with_each_thing_that_goes_wrong() {
        assert_eq!(value(&PerformanceSums::default(), 0), None);
        assert_eq!(value(&total(0.0, 0.0, None), 0), Some(100));
        assert_eq!(value(&total(0.5, 0.0, None), 0), Some(80));
        assert_eq!(value(&total(0.0, 0.0, None), 500), Some(85));
        assert_eq!(value(&total(0.0, 3.0, None), 0), Some(85));
        assert_eq!(value(&total(0.0, 0.0, Some(0.1)), 0), Some(97));
        assert_eq!(value(&total(1.0, 1.0, Some(9.0)), 1_000), Some(0));
    }

    #[test]
    fn the_parts_add_up() {
        let score = score(&total(0.1, 0.2, Some(0.05)), &Usage::default()).unwrap();
        let most: u32 = score.parts.iter().map(|part| part.points_max).sum();
        assert_eq!(most, 100);
        let points: f64 = score.parts.iter().map(|part| part.points).sum();
        assert!((points - f64::from(score.value)).abs() <= 0.5);
    }
}
