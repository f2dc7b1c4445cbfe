//! Written limits to a checked pool.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{PERIODS, RawLimits, RawProfile, RawWindow, SECOND};
use crate::checker::Checker;
use crate::domains::{DomainRule, LimitRule, Metric, WindowKind};
use crate::providers::UPSTREAM;
use crate::quantity::{Amount, Span, format_duration};
use crate::store;

/// The guard that applies when neither `guard` nor `profile` is given.
const GUARD_DEFAULT: Duration = Duration::from_millis(200);

/// The quantum of quantised windows that give none.
const QUANTUM_DEFAULT: Duration = SECOND;

/// Key, metric, window and amount of a limit.
type Written = (String, Metric, Duration, u64);

impl RawLimits {
    /// The pool without its name and models; `path` is where these limits are written.
    pub(in crate::domains) fn check(self, path: &str, checker: &mut Checker<'_>) -> DomainRule {
        self.check_custom(path, checker);
        self.check_window_options(path, checker);
        check_store_option(path, checker);
        let limits = self.limits(path, checker);
        let guard = self.guard(&limits, path, checker);
        DomainRule {
            name: String::new(),
            provider: UPSTREAM.to_owned(),
            models: Vec::new(),
            learn: self.learn.unwrap_or(limits.is_empty()),
            limits,
            concurrency_max: self.concurrency,
            spacing: self.spacing.0,
            guard,
            charge: self.charge,
            settle: self.settle,
            penalty_tokens: self.penalty_tokens,
            probe_concurrency: self.probe_concurrency,
            when_store_is_away: self.when_store_is_away,
        }
    }

    /// The amounts that have a key of their own, each row in the order of [`PERIODS`].
    fn amounts(&self) -> [(Metric, [Option<Amount>; 4]); 5] {
        [
            (
                Metric::Requests,
                [
                    self.requests_per_second,
                    self.requests_per_minute,
                    self.requests_per_hour,
                    self.requests_per_day,
                ],
            ),
            (
                Metric::Tokens,
                [
                    self.tokens_per_second,
                    self.tokens_per_minute,
                    self.tokens_per_hour,
                    self.tokens_per_day,
                ],
            ),
            (
                Metric::InputTokens,
                [
                    self.input_tokens_per_second,
                    self.input_tokens_per_minute,
                    self.input_tokens_per_hour,
                    self.input_tokens_per_day,
                ],
            ),
            (
                Metric::OutputTokens,
                [
                    self.output_tokens_per_second,
                    self.output_tokens_per_minute,
                    self.output_tokens_per_hour,
                    self.output_tokens_per_day,
                ],
            ),
            (
                Metric::Images,
                [
                    self.images_per_second,
                    self.images_per_minute,
                    self.images_per_hour,
                    self.images_per_day,
                ],
            ),
        ]
    }

    /// Every limit as written: the ones with a key of their own and then the custom ones.
    fn written(&self) -> Vec<Written> {
        let mut written = Vec::new();
        for (metric, amounts) in self.amounts() {
            for ((period, window), amount) in PERIODS.into_iter().zip(amounts) {
                let key = format!("{}_per_{period}", metric.name());
                written.extend(amount.map(|amount| (key, metric, window, amount.0)));
            }
        }
        let custom = self.custom.iter().enumerate().filter_map(|(index, limit)| {
            let key = format!("custom[{index}]");
            Some((key, limit.metric?, limit.period?.0, limit.amount?.0))
        });
        written.extend(custom);
        written
    }

    /// Two limits for one metric and period leave open which one is meant.
    fn check_custom(&self, path: &str, checker: &mut Checker<'_>) {
        let mut seen = BTreeMap::new();
        for (key, metric, window, _) in self.written() {
            let key = format!("{path}.{key}");
            if let Some(other) = seen.get(&(metric, window)) {
                let (metric, period) = (metric.name(), format_duration(window));
                let what = format!("limits {metric} in {period}, as {other} does");
                checker.problem(&key, what, "remove one of them");
            } else {
                seen.insert((metric, window), key);
            }
        }
    }

    /// Options of a window that another kind of window is chosen for change nothing.
    fn check_window_options(&self, path: &str, checker: &mut Checker<'_>) {
        if self.quantum.is_some() && self.window != RawWindow::Quantised {
            let what = "has no effect without window = \"quantised\"";
            checker.notice(&format!("{path}.quantum"), what);
        }
        let Some(Amount(burst)) = self.burst else {
            return;
        };
        let key = format!("{path}.burst");
        if self.window != RawWindow::Bucket {
            return checker.notice(&key, "has no effect without window = \"bucket\"");
        }
        let written = self.written().into_iter();
        let tokens = written.filter(|(_, metric, ..)| metric.counts_tokens());
        match tokens.map(|(.., amount)| amount).max() {
            None => checker.notice(&key, "has no effect without a token limit"),
            Some(largest) if burst > largest => {
                let what = format!("must be at most the largest token limit (got {burst})");
                checker.problem(&key, what, format!("that limit is {largest}"));
            }
            Some(_) => {}
        }
    }

    fn limits(&self, path: &str, checker: &mut Checker<'_>) -> Vec<LimitRule> {
        let headroom = self.headroom.unwrap_or(match self.profile {
            Some(RawProfile::Conservative) => 0.2,
            Some(RawProfile::Moderate) => 0.05,
            Some(RawProfile::Aggressive) | None => 0.0,
        });
        let mut limits = Vec::new();
        for (key, metric, window, written) in self.written() {
            let amount = less(written, headroom);
            let kind = self.kind(metric, amount);
            if let WindowKind::Quantised { quantum } = kind
                && quantum > window
            {
                let (quantum, window) = (format_duration(quantum), format_duration(window));
                let what = format!("its window of {window} is shorter than a quantum of {quantum}");
                checker.problem(&format!("{path}.{key}"), what, "set a shorter quantum");
            }
            limits.push(LimitRule {
                metric,
                amount,
                window,
                kind,
            });
        }
        limits
    }

    fn kind(&self, metric: Metric, amount: u64) -> WindowKind {
        match self.window {
            RawWindow::Unknown => WindowKind::Unknown,
            RawWindow::Fixed => WindowKind::Fixed { aligned: true },
            RawWindow::FixedFromFirstUse => WindowKind::Fixed { aligned: false },
            RawWindow::Sliding => WindowKind::Sliding,
            RawWindow::Bucket => {
                let burst = self.burst.filter(|_| metric.counts_tokens());
                let burst = burst.map(|Amount(burst)| burst.min(amount));
                WindowKind::Bucket { burst }
            }
            RawWindow::Quantised => WindowKind::Quantised {
                quantum: self.quantum.map_or(QUANTUM_DEFAULT, |quantum| quantum.0),
            },
        }
    }

    /// The guard. One that is not written gives way to short windows, of which it would otherwise
    /// leave nothing; one that is written and does not fit is a problem.
    fn guard(&self, limits: &[LimitRule], path: &str, checker: &mut Checker<'_>) -> Duration {
        let shortest = limits.iter().map(|limit| limit.window).min();
        if let Some(Span(guard)) = self.guard {
            if let Some(shortest) = shortest.filter(|shortest| guard >= *shortest) {
                let window = format_duration(shortest);
                let guard = format_duration(guard);
                let what =
                    format!("must be shorter than the shortest window, {window} (got {guard})");
                checker.problem(
                    &format!("{path}.guard"),
                    what,
                    "half of it is the most that is useful",
                );
            }
            return guard;
        }
        let guard = match self.profile {
            Some(RawProfile::Conservative) => Duration::from_millis(500),
            Some(RawProfile::Aggressive) => GUARD_DEFAULT / 2,
            Some(RawProfile::Moderate) | None => GUARD_DEFAULT,
        };
        shortest.map_or(guard, |shortest| guard.min(shortest / 2))
    }
}

/// Where there is no store, none can be away.
fn check_store_option(path: &str, checker: &mut Checker<'_>) {
    let key = format!("{path}.when_store_is_away");
    if checker.is_set(&key) && !checker.is_set(store::URL) {
        checker.notice(&key, format!("has no effect without {}", store::URL));
    }
}

/// `amount * (1 - headroom)`, rounded down and 1 at the least.
///
/// The headroom is rounded to a millionth first, so that 0.1 of 1000 is 100 and not a little more.
fn less(amount: u64, headroom: f64) -> u64 {
    const WHOLE: u128 = 1_000_000;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 0.99"
    )]
    let held_back = (headroom.clamp(0.0, 1.0) * 1e6).round() as u128;
    let kept = u128::from(amount) * (WHOLE - held_back) / WHOLE;
    u64::try_from(kept).unwrap_or(amount).max(1)
}
