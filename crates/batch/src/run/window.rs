//! How many requests are handed over at once.
//!
//! Behind the address the pace is kept by others: what is too much waits there. As long as hardly
//! anybody waits there, more could run; where most of an answer's time was waiting, fewer would do as
//! well, and fewer are in doubt after a kill. The rule looks at each answer and moves by one, so that
//! the number doubles with every round of answers while there is room, and moves slowly otherwise.

use std::time::Duration;

/// Where an automatic window begins.
const START: usize = 16;

/// It does not fall below this: when a window of the quota begins, several can go at once.
const LEAST: usize = 8;

/// A wait up to this long counts for nothing: it is what handing over takes.
const SHORT: Duration = Duration::from_millis(5);

/// How many requests of one kind may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as the quota keeps busy, up to a bound.
    Auto {
        /// The bound.
        most: usize,
    },
    /// Always as many, if there are as many.
    Fixed(usize),
}

impl Concurrency {
    /// One after the other.
    pub const SEQUENTIAL: Self = Self::Fixed(1);

    /// A quarter more, at least one.
    #[must_use]
    pub fn more(self) -> Self {
        self.map(|count| count + (count / 4).max(1))
    }

    /// A fifth fewer, at least one; never none.
    #[must_use]
    pub fn fewer(self) -> Self {
        self.map(|count| (count - (count / 5).max(1)).max(1))
    }

    fn map(self, change: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Auto { most } => Self::Auto {
                most: change(most.max(1)),
            },
            Self::Fixed(count) => Self::Fixed(change(count.max(1))),
        }
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self::Auto { most: 512 }
    }
}

/// The present number for requests that share a limit pool, as far as can be told from here: those of one
/// model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    rule: Concurrency,
    size: usize,
}

impl Window {
    pub(crate) fn new(rule: Concurrency) -> Self {
        let mut window = Self { rule, size: START };
        window.retune(rule);
        window
    }

    /// Takes another rule from now on.
    pub(crate) fn retune(&mut self, rule: Concurrency) {
        self.rule = rule;
        self.size = match rule {
            Concurrency::Auto { most } => self.size.clamp(LEAST.min(most.max(1)), most.max(1)),
            Concurrency::Fixed(count) => count.max(1),
        };
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    /// An answer came, of which `waited` was in the queue. Growing makes sense only where the window was
    /// `full`.
    pub(crate) fn answered(&mut self, waited: Duration, took: Duration, full: bool) {
        let ran = took.saturating_sub(waited);
        let waits_little = waited <= SHORT || waited * 4 < ran;
        if waits_little && full {
            self.set(self.size + 1);
        } else if waited > ran * 2 && waited > SHORT {
            self.set(self.size.saturating_sub(1));
        }
    }

    /// There was no room to wait in.
    pub(crate) fn crowded(&mut self) {
        self.set(self.size - self.size / 5);
    }

    fn set(&mut self, size: usize) {
        if let Concurrency::Auto { most } = self.rule {
            self.size = size.clamp(LEAST.min(most.max(1)), most.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_grows_while_nobody_waits_and_stays_within_its_bound() {
        let mut window = Window::new(Concurrency::Auto { most: 40 });
        for _ in 0..100 {
            window.answered(Duration::ZERO, SECOND, true);
        }
        assert_eq!(window.size(), 40);
    }

    #[test]
    fn it_does_not_grow_where_it_was_not_full() {
        let mut window = Window::new(Concurrency::Auto { most: 40 });
        window.answered(Duration::ZERO, SECOND, false);
        assert_eq!(window.size(), START);
    }

    #[test]
    fn it_shrinks_where_most_of_the_time_is_waiting_but_keeps_some_ready() {
        let mut window = Window::new(Concurrency::Auto { most: 400 });
        for _ in 0..500 {
            window.answered(SECOND * 30, SECOND * 31, true);
        }
        assert_eq!(window.size(), LEAST);
    }

    #[test]
    fn a_moderate_wait_changes_nothing() {
        let mut window = Window::new(Concurrency::Auto { most: 400 });
        window.answered(SECOND, SECOND * 2, true);
        assert_eq!(window.size(), START);
    }

    #[test]
    fn a_fixed_number_stays_as_it_is() {
        let mut window = Window::new(Concurrency::SEQUENTIAL);
        window.answered(Duration::ZERO, SECOND, true);
        window.crowded();
        assert_eq!(window.size(), 1);
    }
}
