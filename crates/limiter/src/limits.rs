//! Every limit of a domain, decided at once.

mod part;

use crate::charge::{Charge, METRICS, Metric};
use crate::expected::{Claim, Claims};
use crate::learning::Learner;
use crate::learning::answer::Mark;
use crate::limits::part::WHOLE_PPM;
use crate::request::{Binding, Refusal};
use crate::settings::Limit;
use crate::snapshot::{LimitSource, LimitView};
use crate::time::{Timestamp, nanos};
use crate::window::Window;
pub(crate) use part::{Counted, Untold};

/// Rounds of mutual postponement between limits before a plan settles for its latest time.
const PLAN_ROUNDS_MAX: usize = 64;

/// Fraction bits of a cost per unit.
const SCALE_BITS: u32 = 32;

/// One limit and what is used of it.
#[derive(Debug)]
pub(crate) struct LimitState {
    pub(crate) limit: Limit,
    pub(crate) source: LimitSource,
    /// The configured amount, where the provider enforces less.
    pub(crate) configured_amount: Option<u64>,
    pub(crate) window: Window,
    /// What answers have told.
    pub(crate) learner: Box<Learner>,
    /// Units kept free for what others take.
    pub(crate) reserve: u64,
    /// Units kept free for what requests in flight may be charged on top.
    pub(crate) debts: u64,
    /// Refunds that the provider's count showed before the ends of their requests were seen, and
    /// until when they can be.
    pub(crate) early: (u64, u64),
    /// Changes when what is counted is no longer comparable with what was. Never 0.
    pub(crate) generation: u64,
    /// When amount and kind came to be believed.
    pub(crate) since: u64,
    /// What is known of the count that is kept elsewhere, where one is.
    pub(crate) shared: Option<Box<Counted>>,
    /// The part of the limit that the window counts.
    part_ppm: u32,
    /// What was taken here and is not counted elsewhere yet.
    untold: Untold,
    /// The first reservation that was counted here.
    since_serial: u64,
    /// Nanoseconds of window per unit, with [`SCALE_BITS`] fraction bits.
    scale: u128,
}

/// What a closed reservation needs to be found in the windows again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) serial: u64,
    pub(crate) at: u64,
}

impl LimitState {
    pub(crate) fn new(limit: Limit, source: LimitSource, since_serial: u64, now: u64) -> Self {
        Self::of_part(limit, source, since_serial, (WHOLE_PPM, now))
    }

    fn of_part(
        limit: Limit,
        source: LimitSource,
        since_serial: u64,
        (part_ppm, now): (u32, u64),
    ) -> Self {
        let scale =
            (u128::from(nanos(limit.window)) << SCALE_BITS) / u128::from(limit.amount).max(1);
        let window = Window::new(&limit.part(part_ppm), now);
        Self {
            limit,
            source,
            configured_amount: None,
            window,
            learner: Box::default(),
            reserve: 0,
            debts: 0,
            early: (0, 0),
            generation: 1,
            since: now,
            shared: None,
            part_ppm,
            untold: Untold::default(),
            since_serial,
            scale,
        }
    }

    /// The same limit with other numbers; what is used stays used.
    pub(crate) fn resize(&mut self, limit: Limit, next_serial: u64, now: u64) {
        let serial = self.since_serial;
        let mut resized = Self::of_part(limit, self.source, serial, (self.part_ppm, now));
        let used = self.window.used(now);
        resized.generation = self.generation;
        if !resized.window.inherit(&mut self.window, now) {
            resized.window.raise_to(used, now);
            resized.since_serial = next_serial;
            resized.generation = self.generation.wrapping_add(1).max(1);
        }
        self.become_like(resized);
    }

    /// A limit that is counted in another way, with `level` units used.
    pub(crate) fn recast(&mut self, limit: Limit, level: u64, next_serial: u64, now: u64) {
        let level = self.part_of(level);
        let mut recast = Self::of_part(limit, self.source, next_serial, (self.part_ppm, now));
        recast.generation = self.generation.wrapping_add(1).max(1);
        let phase = self.learner.window_end(now);
        let keeps_log = recast.window.is_log() && self.window.is_log();
        if keeps_log && recast.window.inherit(&mut self.window, now) {
            recast.since_serial = self.since_serial;
        } else if let Some((earliest, latest)) = phase {
            recast.window.anchor(earliest, latest, now);
        }
        recast.window.raise_to(level, now);
        self.become_like(recast);
    }

    fn become_like(&mut self, mut other: Self) {
        other.configured_amount = self.configured_amount;
        other.reserve = self.reserve;
        other.debts = self.debts;
        other.early = self.early;
        other.since = self.since;
        other.shared = self.shared.take();
        other.untold = std::mem::take(&mut self.untold);
        other.learner = std::mem::take(&mut self.learner);
        *self = other;
    }

    /// What a request that is about to be counted leaves to be compared with its answer.
    fn mark(&self, now: u64) -> Mark {
        Mark {
            generation: self.generation,
            used: self.window.used(now),
            corrected: self.learner.corrected(),
        }
    }

    /// What is left of a refund after what the provider's count has shown of it before.
    pub(crate) fn not_refunded_yet(&mut self, refund: u64, now: u64) -> u64 {
        let (units, until) = &mut self.early;
        let shown = if now <= *until { refund.min(*units) } else { 0 };
        *units -= shown;
        refund - shown
    }

    fn put_right(&mut self, refund: u64, debt: u64, taken: Taken, now: u64) {
        if refund > 0 {
            self.window.refund(refund, taken.at, now);
        }
        if debt > 0 {
            self.window.take(debt, now);
        }
    }

    /// What must have room for `units` to go: others may be faster, and what is in flight may be
    /// charged more in the end.
    fn padded(&self, units: u64) -> u64 {
        let units = self.at_most_the_part(units);
        let most = self.part_of(self.limit.amount).max(units);
        let kept = self.reserve.saturating_add(self.debts);
        units.saturating_add(kept).min(most)
    }

    pub(crate) fn binding(&self) -> Binding {
        let Limit {
            metric,
            amount,
            window,
            ..
        } = self.limit;
        Binding::Limit {
            metric,
            amount,
            window,
        }
    }

    fn units(&self, charge: &Charge) -> u64 {
        charge.get(self.limit.metric)
    }

    fn claim<'a>(&self, claims: Option<&'a Claims>) -> Option<&'a Claim> {
        claims.and_then(|claims| claims.get(self.limit.metric))
    }

    fn cost(&self, charge: &Charge) -> u64 {
        let cost = u128::from(self.units(charge)).saturating_mul(self.scale) >> SCALE_BITS;
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    fn view(&self, now: Timestamp) -> LimitView {
        let at = now.as_nanos();
        let Limit {
            metric,
            amount,
            window,
            model,
            guard,
        } = self.limit;
        LimitView {
            metric,
            amount,
            configured_amount: self.configured_amount,
            window,
            model,
            guard,
            used: self.window.used(at),
            source: self.source,
            clear_in: Timestamp::from_nanos(self.window.clear_at(at)).saturating_since(now),
            belief: self.belief(at),
        }
    }
}

/// When something can go, and what it waits for until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) at: u64,
    pub(crate) binding: Binding,
}

/// All limits of a domain.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) states: Vec<LimitState>,
}

impl Limits {
    /// The refusal of a charge that no window can ever hold.
    pub(crate) fn too_large(&self, charge: &Charge) -> Option<Refusal> {
        let state = self
            .states
            .iter()
            .find(|state| state.units(charge) > state.limit.amount)?;
        let Limit {
            metric,
            amount,
            window,
            ..
        } = state.limit;
        Some(Refusal::TooLarge {
            metric,
            amount,
            window,
            requested: state.units(charge),
        })
    }

    /// Whether every limit has room for `charge`, beside what more urgent requests claim.
    pub(crate) fn fit(&mut self, charge: &Charge, claims: Option<&Claims>, now: u64) -> bool {
        self.states.iter_mut().all(|state| {
            let units = state.units(charge);
            let padded = state.padded(units);
            let claim = state.claim(claims);
            units == 0
                || (units <= state.limit.amount && state.window.fits_beside(padded, claim, now))
        })
    }

    pub(crate) fn take(&mut self, charge: &Charge, now: u64) {
        for state in &mut self.states {
            let units = state.units(charge);
            if units > 0 {
                state.window.take(units, now);
            }
        }
    }

    /// What the request that was just taken leaves in the limits that answers speak of, by metric.
    pub(crate) fn marks(&self, now: u64) -> Option<Box<[Mark; METRICS]>> {
        let mut marks: Option<Box<[Mark; METRICS]>> = None;
        for state in self
            .states
            .iter()
            .filter(|state| state.learner.is_observed())
        {
            let marks = marks.get_or_insert_default();
            marks[state.limit.metric.index()] = state.mark(now);
        }
        marks
    }

    /// Corrects what was taken: `refund` was not charged, `debt` was charged on top.
    pub(crate) fn correct(&mut self, refund: &Charge, debt: &Charge, taken: Taken, now: u64) {
        for state in self.counting(taken) {
            let refund = state.not_refunded_yet(state.units(refund), now);
            state.put_right(refund, state.units(debt), taken, now);
        }
    }

    /// The same of a refund that no count of the provider has shown before.
    pub(crate) fn put_right(&mut self, refund: &Charge, debt: &Charge, taken: Taken, now: u64) {
        for state in self.counting(taken) {
            state.put_right(state.units(refund), state.units(debt), taken, now);
        }
    }

    /// The limits that counted what was taken then.
    fn counting(&mut self, taken: Taken) -> impl Iterator<Item = &mut LimitState> {
        let states = self.states.iter_mut();
        states.filter(move |state| state.since_serial <= taken.serial)
    }

    /// What was taken never reached the provider.
    pub(crate) fn undo(&mut self, charge: &Charge, taken: Taken, now: u64) {
        for state in self.counting(taken) {
            let units = state.units(charge);
            if units > 0 {
                state.window.undo(units, taken.at, now);
            }
        }
    }

    /// The first time from `from` on at which every limit has room; `None`: never.
    ///
    /// One limit can postpone into another's quiet time, so it takes rounds.
    pub(crate) fn earliest(
        &self,
        charge: &Charge,
        claims: Option<&Claims>,
        from: u64,
    ) -> Option<Start> {
        let mut start = Start {
            at: from,
            binding: Binding::Turn,
        };
        for _ in 0..PLAN_ROUNDS_MAX {
            let before = start.at;
            for state in &self.states {
                let units = state.units(charge);
                if units == 0 {
                    continue;
                }
                let (padded, claim) = (state.padded(units), state.claim(claims));
                let at = state.window.earliest_beside(padded, claim, start.at)?;
                if at > start.at {
                    start = Start {
                        at,
                        binding: state.binding(),
                    };
                }
            }
            if start.at == before {
                break;
            }
        }
        Some(start)
    }

    /// When `charge` should go after `ahead` has gone as soon as it could.
    pub(crate) fn estimate(
        &self,
        ahead: impl Fn(Metric) -> u64,
        (charge, claims): (&Charge, Option<&Claims>),
        from: u64,
    ) -> Option<Start> {
        let mut start = Start {
            at: from,
            binding: Binding::Turn,
        };
        for state in &self.states {
            let units = state.units(charge);
            if units == 0 {
                continue;
            }
            let (padded, claim) = (state.padded(units), state.claim(claims));
            let ahead = ahead(state.limit.metric);
            let at = state.window.estimate_beside(ahead, padded, claim, from)?;
            if at > start.at {
                start = Start {
                    at,
                    binding: state.binding(),
                };
            }
        }
        Some(start)
    }

    /// Per limit, how much may be taken at `now` so that `charge` can still go at `at`.
    pub(crate) fn headroom(
        &self,
        (charge, claims): (&Charge, Option<&Claims>),
        at_and_now: (u64, u64),
        room: &mut Vec<u64>,
    ) {
        room.clear();
        room.extend(self.states.iter().map(|state| {
            let units = state.units(charge);
            if units == 0 {
                u64::MAX
            } else {
                let (padded, claim) = (state.padded(units), state.claim(claims));
                state.window.headroom_beside(padded, claim, at_and_now)
            }
        }));
    }

    /// Whether `charge` stays within what [`Self::headroom`] found.
    pub(crate) fn within(&self, charge: &Charge, room: &[u64]) -> bool {
        self.states
            .iter()
            .zip(room)
            .all(|(state, room)| state.units(charge) <= *room)
    }

    /// Reduces the headroom by what was taken.
    pub(crate) fn reduce(&self, charge: &Charge, room: &mut [u64]) {
        for (state, room) in self.states.iter().zip(room) {
            if *room != u64::MAX {
                *room = room.saturating_sub(state.units(charge));
            }
        }
    }

    /// The dominant normalised cost: the longest time that any limit takes to make up for
    /// `charge`, in nanoseconds; at least 1, and 1 where no limit counts it.
    pub(crate) fn cost(&self, charge: &Charge) -> u64 {
        self.states
            .iter()
            .map(|state| state.cost(charge))
            .max()
            .unwrap_or(1)
            .max(1)
    }

    /// The least amount of all limits on `metric`.
    pub(crate) fn least_amount(&self, metric: Metric) -> u64 {
        let states = self.states.iter();
        let of_metric = states.filter(|state| state.limit.metric == metric);
        of_metric
            .map(|state| state.limit.amount)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Requests in flight may be charged so many tokens on top when they end.
    pub(crate) fn expect_debts(&mut self, tokens: u64) {
        let states = self.states.iter_mut();
        for state in states.filter(|state| state.limit.metric == Metric::Tokens) {
            state.debts = tokens.min(state.debts_kept_max());
        }
    }

    /// Whether answers speak of a limit on `metric`.
    pub(crate) fn is_observed(&self, metric: Metric) -> bool {
        let mut states = self.states.iter();
        states.any(|state| state.limit.metric == metric && state.learner.is_observed())
    }

    /// Whether the amount of a limit on `metric`, or of any where it is not known, is only guessed.
    pub(crate) fn is_guessed(&self, metric: Option<Metric>) -> bool {
        let mut states = self.states.iter();
        states.any(|state| {
            let of_metric = metric.is_none_or(|metric| metric == state.limit.metric);
            of_metric && state.learner.guess.is_some()
        })
    }

    pub(crate) fn covers(&self, metric: Metric) -> bool {
        self.states.iter().any(|state| state.limit.metric == metric)
    }

    /// What is left of the scarcest limit that `charge` draws on, in millionths of the limit.
    pub(crate) fn room_ppm(&self, charge: &Charge, now: u64) -> u32 {
        let drawn_on = self.states.iter().filter(|state| state.units(charge) > 0);
        let rooms = drawn_on.map(|state| {
            let amount = state.limit.amount.max(1);
            let left = amount.saturating_sub(state.window.used(now));
            u32::try_from(u128::from(left) * 1_000_000 / u128::from(amount)).unwrap_or(0)
        });
        rooms.min().unwrap_or(1_000_000)
    }

    /// What `charge` takes of the limit of which it takes the largest part, in millionths of the limit.
    pub(crate) fn takes_ppm(&self, charge: &Charge) -> u32 {
        let parts = self.states.iter().map(|state| {
            let part = u128::from(state.units(charge)) * 1_000_000;
            let part = part / u128::from(state.limit.amount.max(1));
            u32::try_from(part).unwrap_or(u32::MAX)
        });
        parts.max().unwrap_or(0)
    }

    pub(crate) fn views(&self, now: Timestamp) -> Vec<LimitView> {
        self.states.iter().map(|state| state.view(now)).collect()
    }
}
