//! How a provider counts, from what its answers have in common.
//!
//! With a limit L, a use U and a window W, a bucket is empty again after U * W / L, whatever the
//! time; a fixed window is over at one time, whatever the use; and a sliding window forgets the
//! request just counted after W. An answer that fits one of these closely is evidence for it: the
//! more, the less likely it would fit by chance. One that does not fit speaks against it.

use super::answer::Answer;
use super::phase::{Phase, Verdict};

/// The windows that providers use, in nanoseconds.
pub(crate) const WINDOWS_NS: [u64; 5] = [
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    3_600_000_000_000,
    86_400_000_000_000,
];

/// The window of a limit whose answers do not tell.
pub(crate) const WINDOW_DEFAULT_NS: u64 = WINDOWS_NS[2];

/// Evidence, as the logarithm of odds, from which on a kind is believed: about 400 to 1.
const BELIEVED: f64 = 6.0;

/// What an answer that does not fit takes away.
const MISFIT: f64 = 6.0;

/// The most that one answer says for a window other than the default one: among so many windows
/// and answers one that fits by chance must not be enough.
const TOLD_AT_ONCE_MAX: f64 = 4.0;

/// Evidence does not grow beyond this, so that a provider that changes its ways is believed soon.
const EVIDENCE_MAX: f64 = 30.0;
const EVIDENCE_MIN: f64 = -12.0;

/// Answers before a window that nothing speaks for is given up.
const ANSWERS_MIN: u64 = 2;

/// How a window is counted, as far as answers tell. A quota that is enforced in short pieces looks
/// like a bucket here; only a refusal tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Drains evenly.
    Bucket,
    /// Ends at once.
    Fixed,
    /// Every request counts for one window.
    Sliding,
}

/// Evidence for a kind, and for the length of its window.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    odds: f64,
    window: Option<u64>,
}

impl Evidence {
    fn fits(&mut self, window: u64, weight: f64) {
        if self.window.is_some_and(|known| known != window) {
            self.odds = (self.odds - MISFIT).max(EVIDENCE_MIN);
            if self.odds > 0.0 {
                return;
            }
        }
        self.window = Some(window);
        self.odds = (self.odds + weight.max(0.0)).min(EVIDENCE_MAX);
    }

    fn observe(&mut self, fit: Option<(u64, f64)>) {
        match fit {
            Some((window, weight)) => self.fits(window, weight),
            None => self.misfits(),
        }
    }

    fn misfits(&mut self) {
        self.odds = (self.odds - MISFIT).max(EVIDENCE_MIN);
    }
}

/// What answers have told about the kind of one limit.
#[derive(Clone, Debug, Default)]
pub(crate) struct KindEvidence {
    bucket: Evidence,
    fixed: Evidence,
    sliding: Evidence,
    phase: Phase,
    /// Answers that told something.
    answers: u64,
    /// The longest time that was told until nothing is used.
    reset_max: u64,
    /// How many of them it took.
    pub(crate) decided_after: Option<u64>,
}

impl KindEvidence {
    /// Evidence as it was remembered, weakened: a few answers that do not fit overturn it.
    pub(crate) fn recalled(kind: Kind, window: u64) -> Self {
        let believed = Evidence {
            odds: BELIEVED + 1.0,
            window: Some(window),
        };
        let mut evidence = Self::default();
        match kind {
            Kind::Bucket => evidence.bucket = believed,
            Kind::Fixed => evidence.fixed = believed,
            Kind::Sliding => evidence.sliding = believed,
        }
        evidence
    }

    /// Takes in an answer; `slack` is by how much the time is unsure at which it was made up.
    pub(crate) fn observe(&mut self, answer: &Answer, slack: u64) {
        let Some(reset) = answer.reset.filter(|reset| *reset > 0) else {
            return;
        };
        if answer.used == 0 {
            return;
        }
        self.answers += 1;
        self.reset_max = self.reset_max.max(reset);
        let (bucket, sliding) = (bucket_window(answer, reset), sliding_window(answer, reset));
        match (bucket, sliding) {
            // A full bucket and a sliding window say the same.
            (Some(_), Some(_)) => {}
            _ => {
                self.bucket.observe(bucket);
                self.sliding.observe(sliding);
            }
        }
        let longer = WINDOWS_NS
            .into_iter()
            .find(|window| *window + answer.resolution >= reset);
        let window = answer.window.or(longer).unwrap_or(reset);
        match self.phase.observe(answer, reset, slack) {
            // At the start of a window, or near its end, other kinds say the same.
            Verdict::Agrees(_) if bucket.is_some() || sliding.is_some() => {}
            Verdict::Agrees(weight) => {
                // What is left of a window never tells a shorter one than before.
                let window = self.fixed.window.map_or(window, |known| known.max(window));
                self.fixed.window = Some(window);
                self.fixed.fits(window, weight);
            }
            Verdict::First => {}
            Verdict::Contradicts => self.fixed.misfits(),
        }
        if self.decided_after.is_none() && self.kind().is_some() {
            self.decided_after = Some(self.answers);
        }
    }

    /// The kind, once it is believed.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let (kind, odds, next) = self.ranked();
        (odds >= BELIEVED && odds - next >= BELIEVED).then_some(kind)
    }

    /// Whether nothing speaks against `kind`: good enough where it was believed before, or where
    /// another limit of the same provider is known to be of it.
    pub(crate) fn allows(&self, kind: Kind) -> bool {
        let evidence = match kind {
            Kind::Bucket => &self.bucket,
            Kind::Fixed => &self.fixed,
            Kind::Sliding => &self.sliding,
        };
        self.answers > 0 && evidence.odds >= 0.0
    }

    fn ranked(&self) -> (Kind, f64, f64) {
        let mut ranked = [
            (Kind::Bucket, self.bucket.odds),
            (Kind::Fixed, self.fixed.odds),
            (Kind::Sliding, self.sliding.odds),
        ];
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let [(kind, odds), (_, next), _] = ranked;
        (kind, odds, next.max(0.0))
    }

    /// How sure the kind is, from 0 to 1.
    pub(crate) fn confidence(&self) -> f64 {
        let (_, odds, next) = self.ranked();
        let margin = (odds - next).max(0.0);
        1.0 - (-margin).exp()
    }

    /// The window of a limit of `kind`, where answers tell it.
    pub(crate) fn window(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Bucket => self.bucket.window,
            Kind::Fixed => self.fixed.window,
            Kind::Sliding => self.sliding.window,
        }
    }

    /// The window of a limit whose kind is not known: the one that most speaks for. Where little does
    /// it is the default one, or the shortest that is as long as what was told to be left of it.
    pub(crate) fn likeliest_window(&self) -> Option<u64> {
        let is_longer = self.reset_max > WINDOW_DEFAULT_NS;
        let least = if is_longer {
            f64::MIN_POSITIVE
        } else {
            BELIEVED
        };
        let kinds = [&self.bucket, &self.fixed, &self.sliding];
        let supported = kinds.into_iter().filter(|evidence| evidence.odds >= least);
        let best = supported.max_by(|a, b| a.odds.total_cmp(&b.odds));
        let usual = || {
            let windows = WINDOWS_NS.into_iter();
            let mut holding =
                windows.filter(|window| *window >= self.reset_max.max(WINDOW_DEFAULT_NS));
            holding.next().filter(|_| self.answers >= ANSWERS_MIN)
        };
        best.and_then(|evidence| evidence.window).or_else(usual)
    }

    /// The ends of fixed windows.
    pub(crate) const fn phase(&self) -> &Phase {
        &self.phase
    }
}

/// The usual window for which a bucket would give this answer, and how much that says.
///
/// The level is known to one grain: what is left is rounded down.
pub(crate) fn bucket_window(answer: &Answer, reset: u64) -> Option<(u64, f64)> {
    let full = |window: u64| scaled(answer.used, window, answer.limit);
    let nearest = |window: &u64| full(*window).abs_diff(reset);
    let usual = || WINDOWS_NS.into_iter().min_by_key(nearest);
    let window = answer.window.or_else(usual)?;
    let grain = scaled(answer.grain, window, answer.limit);
    let slack = grain
        .saturating_add(answer.resolution)
        .saturating_add(1_000);
    let low = full(window).saturating_sub(slack);
    let high = full(window).saturating_add(answer.resolution + 1_000);
    let fits = (low..=high).contains(&reset);
    // A level that is whole by itself, as after a single request, fits to the last digit.
    let exact = nearest(&window) <= answer.resolution.saturating_mul(2);
    let chance = if exact {
        answer.resolution.saturating_mul(4)
    } else {
        slack
    };
    let most = if window == WINDOW_DEFAULT_NS || answer.window.is_some() {
        f64::INFINITY
    } else {
        TOLD_AT_ONCE_MAX
    };
    fits.then(|| (window, ratio(reset, chance.min(slack)).ln().min(most)))
}

/// The usual window for which a sliding window would give this answer, and how much that says.
fn sliding_window(answer: &Answer, reset: u64) -> Option<(u64, f64)> {
    let told = answer.window.into_iter();
    let usual = WINDOWS_NS.into_iter().filter(|_| answer.window.is_none());
    told.chain(usual).find_map(|window| {
        let fits = reset <= window && window - reset <= answer.resolution;
        // Whole seconds fit by chance more often than milliseconds do.
        fits.then(|| (window, ratio(window, answer.resolution).ln().min(4.0)))
    })
}

/// `units * window / limit`, saturated.
fn scaled(units: u64, window: u64, limit: u64) -> u64 {
    let time = u128::from(units) * u128::from(window) / u128::from(limit.max(1));
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "evidence needs no more than a few digits"
)]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}
