//! What may still be spent: held before a request is sent, settled after its answer.

use parking_lot::Mutex;

use super::control::StopAt;

/// Money and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) nanousd: u64,
    pub(super) tokens: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self {
            nanousd: self.nanousd.saturating_add(other.nanousd),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            nanousd: self.nanousd.saturating_sub(other.nanousd),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }

    fn larger(self, other: Self) -> Self {
        Self {
            nanousd: self.nanousd.max(other.nanousd),
            tokens: self.tokens.max(other.tokens),
        }
    }
}

/// Why a request may not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    Money,
    Tokens,
}

/// Counts what is spent and held. A request is held at the most that it can take, where it says so, and
/// else at what the largest so far took.
#[derive(Debug)]
pub(super) struct Allowance(Mutex<State>);

#[derive(Debug)]
struct State {
    stop_at: StopAt,
    spent: Amount,
    held: Amount,
    largest: Amount,
}

impl Allowance {
    pub(super) fn new(spent: Amount) -> Self {
        Self(Mutex::new(State {
            stop_at: StopAt::default(),
            spent,
            held: Amount::default(),
            largest: Amount::default(),
        }))
    }

    /// Takes other bounds from now on.
    pub(super) fn bound(&self, stop_at: StopAt) {
        self.0.lock().stop_at = stop_at;
    }

    /// Whether cost is bounded.
    pub(super) fn bounds_cost(&self) -> bool {
        self.0.lock().stop_at.cost_nanousd.is_some()
    }

    /// Holds what a request may take; what is not known of it is `None`.
    pub(super) fn hold(&self, money: Option<u64>, tokens: Option<u64>) -> Result<Amount, Short> {
        let mut state = self.0.lock();
        let need = Amount {
            nanousd: money.unwrap_or(state.largest.nanousd),
            tokens: tokens.unwrap_or(state.largest.tokens),
        };
        let after = state.spent.plus(state.held).plus(need);
        let passes = |most: Option<u64>, amount: u64| most.is_some_and(|most| amount > most);
        if passes(state.stop_at.cost_nanousd, after.nanousd) {
            return Err(Short::Money);
        }
        if passes(state.stop_at.tokens, after.tokens) {
            return Err(Short::Tokens);
        }
        state.held = state.held.plus(need);
        Ok(need)
    }

    /// Gives back what was held, and counts what was taken.
    pub(super) fn settle(&self, held: Amount, took: Amount) {
        let mut state = self.0.lock();
        state.held = state.held.minus(held);
        state.spent = state.spent.plus(took);
        state.largest = state.largest.larger(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(cost: u64) -> Allowance {
        let allowance = Allowance::new(Amount::default());
        allowance.bound(StopAt {
            cost_nanousd: Some(cost),
            ..StopAt::default()
        });
        allowance
    }

    fn took(nanousd: u64) -> Amount {
        Amount { nanousd, tokens: 0 }
    }

    #[test]
    fn what_is_held_counts_as_spent_until_it_is_settled() {
        let allowance = allowance(100);
        let first = allowance.hold(Some(60), None).unwrap();
        assert_eq!(allowance.hold(Some(60), None), Err(Short::Money));
        allowance.settle(first, took(30));
        let second = allowance.hold(Some(60), None).unwrap();
        assert_eq!(allowance.hold(Some(11), None), Err(Short::Money));
        allowance.settle(second, took(60));
        assert!(allowance.hold(Some(10), None).is_ok());
    }

    #[test]
    fn a_request_without_a_bound_is_taken_for_the_largest_so_far() {
        let allowance = allowance(100);
        let first = allowance.hold(None, None).unwrap();
        allowance.settle(first, took(40));
        assert!(allowance.hold(None, None).is_ok());
        assert_eq!(allowance.hold(None, None), Err(Short::Money));
    }

    #[test]
    fn without_bounds_everything_goes() {
        let allowance = Allowance::new(Amount::default());
        assert!(allowance.hold(Some(u64::MAX), Some(u64::MAX)).is_ok());
        assert!(allowance.hold(Some(u64::MAX), Some(u64::MAX)).is_ok());
    }
}
