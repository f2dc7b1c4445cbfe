//! How many requests are handed over at once.
//!
//! Behind the address the pace is kept by others: what is too much waits there. As long as hardly
//! anybody waits there, more could run; where most of an answer's time was waiting, fewer would do as
//! well, and fewer are in doubt after a kill. The rule looks at each answer and moves by one, so that
//! the number doubles with every round of answers while there is room, and moves slowly otherwise.

use std::time::Duration;

use crate::{Group, LineId, Work};

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
    /// How many are under way.
    running: usize,
}

impl Window {
    pub(crate) fn new(rule: Concurrency) -> Self {
        let mut window = Self {
            rule,
            size: START,
            running: 0,
        };
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
    fn crowded(&mut self) {
        self.set(self.size - self.size / 5);
    }

    fn set(&mut self, size: usize) {
        if let Concurrency::Auto { most } = self.rule {
            self.size = size.clamp(LEAST.min(most.max(1)), most.max(1));
        }
    }
}

/// What is still to be handed over, group by group.
pub(crate) trait Lines {
    /// What is handed over.
    type Line;

    /// The group of the next line of all.
    fn next_group(&self) -> Option<Group>;

    /// Takes the next line of a group.
    fn next_of(&mut self, group: Group) -> Option<Self::Line>;
}

impl Lines for Work {
    type Line = LineId;

    fn next_group(&self) -> Option<Group> {
        Self::next_group(self)
    }

    fn next_of(&mut self, group: Group) -> Option<LineId> {
        Self::next_of(self, group)
    }
}

/// The windows of all groups: what waits for the quota of one model holds no other back.
///
/// A number that was asked for holds for all together, and lines go in the order of the input then.
#[derive(Debug)]
pub(crate) struct Windows {
    rule: Concurrency,
    windows: Vec<Window>,
    running: usize,
    /// Where the search for room begins, so that each group gets its turn.
    turn: usize,
}

impl Windows {
    pub(crate) fn new(rule: Concurrency, groups: impl Iterator<Item = Group>) -> Self {
        Self {
            rule,
            windows: groups.map(|_| Window::new(rule)).collect(),
            running: 0,
            turn: 0,
        }
    }

    /// Takes another rule from now on.
    pub(crate) fn retune(&mut self, rule: Concurrency) {
        self.rule = rule;
        for window in &mut self.windows {
            window.retune(rule);
        }
    }

    /// The most at once, over all groups, at present.
    pub(crate) fn size(&self) -> usize {
        match self.rule {
            Concurrency::Fixed(count) => count.max(1),
            Concurrency::Auto { most } => {
                let sizes = self.windows.iter().map(|window| window.size());
                sizes.sum::<usize>().min(most.max(1))
            }
        }
    }

    /// Whether another request may go, if its group has room.
    pub(crate) fn have_room(&self) -> bool {
        self.running < self.size()
    }

    /// The next line of a group that has room.
    pub(crate) fn choose<L: Lines>(&mut self, lines: &mut L) -> Option<(Group, L::Line)> {
        if let Concurrency::Fixed(_) = self.rule {
            let group = lines.next_group()?;
            return lines.next_of(group).map(|line| (group, line));
        }
        let (before, after) = self.windows.split_at(self.turn.min(self.windows.len()));
        let numbers = (self.turn..).zip(after).chain((0..).zip(before));
        let with_room = numbers.filter(|(_, window)| window.running < window.size());
        let groups = with_room.filter_map(|(number, _)| u8::try_from(number).ok().map(Group));
        let (group, line) = groups
            .filter_map(|group| Some((group, lines.next_of(group)?)))
            .next()?;
        self.turn = usize::from(group.0) + 1;
        Some((group, line))
    }

    /// How many more of a group may go now.
    pub(crate) fn room(&self, group: Group) -> usize {
        let window = self.windows.get(usize::from(group.0));
        let of_group = window.map_or(0, |window| window.size.saturating_sub(window.running));
        of_group.min(self.size().saturating_sub(self.running))
    }

    pub(crate) fn began(&mut self, group: Group) {
        self.running += 1;
        if let Some(window) = self.of(group) {
            window.running += 1;
        }
    }

    /// One has come back; whether its window was full.
    pub(crate) fn ended(&mut self, group: Group) -> bool {
        self.running = self.running.saturating_sub(1);
        let Some(window) = self.of(group) else {
            return false;
        };
        let full = window.running >= window.size();
        window.running = window.running.saturating_sub(1);
        full
    }

    /// An answer came; see [`Window::answered`].
    pub(crate) fn answered(&mut self, group: Group, waited: Duration, took: Duration, full: bool) {
        if let Some(window) = self.of(group) {
            window.answered(waited, took, full);
        }
    }

    /// There was no room to wait in.
    pub(crate) fn crowded(&mut self, group: Group) {
        if let Some(window) = self.of(group) {
            window.crowded();
        }
    }

    fn of(&mut self, group: Group) -> Option<&mut Window> {
        self.windows.get_mut(usize::from(group.0))
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
