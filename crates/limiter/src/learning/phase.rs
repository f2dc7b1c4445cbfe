//! Where the boundaries of fixed windows lie.
//!
//! An answer that says "resets in R" and was made up between `sent` and `latest` puts the end of
//! the window between `sent + R` and `latest + R`. Answers of one window must agree on that end;
//! each makes it more exact. How the ends of successive windows lie to each other tells windows of
//! the wall clock from those that open at the first use.

use super::answer::Answer;

/// Ends of windows that are compared with each other.
const ENDS_MAX: usize = 8;

/// What an answer says about the hypothesis that windows are fixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The first of its window: nothing to compare with.
    First,
    /// It agrees with earlier ones of its window; so much evidence it is.
    Agrees(f64),
    /// It does not.
    Contradicts,
}

/// The end of the present window, and those before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase {
    /// The earliest and the latest that the present window can end.
    end: Option<(u64, u64)>,
    /// When the first answer of this window was sent.
    first_sent: u64,
    /// Ends of earlier windows, as earliest and latest, oldest first.
    ends: Vec<(u64, u64)>,
}

impl Phase {
    /// Takes in an answer with a reset. A provider may have begun to measure how long it worked so
    /// much as `slack` before it looked at its limits.
    pub(crate) fn observe(&mut self, answer: &Answer, reset: u64, slack: u64) -> Verdict {
        let made_until = answer.latest.saturating_add(slack).min(answer.now);
        let low = (answer.sent.saturating_add(reset)).saturating_sub(answer.resolution);
        let high = (made_until.saturating_add(reset)).saturating_add(answer.resolution);
        let Some((earliest, latest)) = self.end else {
            self.begin(answer, (low, high));
            return Verdict::First;
        };
        if low <= latest && earliest <= high {
            self.end = Some((earliest.max(low), latest.min(high)));
            let apart = answer.sent.abs_diff(self.first_sent);
            let blur = (made_until - answer.sent).saturating_add(answer.resolution);
            return Verdict::Agrees(ratio(apart.saturating_add(blur), blur).ln());
        }
        if answer.sent >= earliest {
            self.ends.push((earliest, latest));
            if self.ends.len() > ENDS_MAX {
                self.ends.remove(0);
            }
            self.begin(answer, (low, high));
            return Verdict::First;
        }
        if high < earliest && answer.latest <= earliest && self.is_late(answer) {
            // It is about an earlier window, which says nothing about this one.
            return Verdict::First;
        }
        self.begin(answer, (low, high));
        Verdict::Contradicts
    }

    fn begin(&mut self, answer: &Answer, end: (u64, u64)) {
        self.end = Some(end);
        self.first_sent = answer.sent;
    }

    fn is_late(&self, answer: &Answer) -> bool {
        answer.sent < self.first_sent
    }

    /// The earliest and the latest that the present window can end, if it has not ended.
    pub(crate) fn end(&self, now: u64) -> Option<(u64, u64)> {
        self.end.filter(|(_, latest)| *latest > now)
    }

    /// Whether the ends of windows of `window` lie whole windows apart; `None` before there are
    /// enough of them.
    pub(crate) fn aligned(&self, window: u64) -> Option<bool> {
        let (earliest, latest) = self.end?;
        let mut compared = None;
        for (low, high) in &self.ends {
            // How much later the present end is: between these two.
            let least = earliest.saturating_sub(*high);
            let most = latest.saturating_sub(*low);
            let windows = most / window.max(1);
            let whole = windows.saturating_mul(window);
            let fits = windows > 0 && least <= whole;
            compared = Some(compared.unwrap_or(true) && fits);
        }
        compared
    }

    /// How exactly the end of the present window is known.
    pub(crate) fn spread(&self) -> Option<u64> {
        self.end.map(|(earliest, latest)| latest - earliest)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "evidence needs no more than a few digits"
)]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}
