//! The accounts of all budgets, and what a message about several of them does: all or nothing.

use std::collections::HashMap;

use super::account::{Account, Fit};
use super::budget::{CEILING, Spend};
use super::message::{BudgetAnswer, BudgetAsk, Crossing, Line, Request, Standing, Verdict, Wake};
use crate::message::Epoch;

/// Accounts of periods that are over are looked for when there are twice as many as after the last look,
/// and not below this many.
const MANY: usize = 1_024;

/// The accounts of a deployment. The same messages at the same times get the same answers.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    accounts: HashMap<String, Account>,
    tidy_at: usize,
}

/// One line of a message that is being dealt with.
struct Item<'a> {
    key: String,
    line: &'a Line,
    /// Thresholds that are told again: above the first, up to the second.
    again: Option<(u16, u16)>,
}

impl Accounts {
    /// No accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// What follows from a message.
    pub fn exchange(&mut self, ask: &BudgetAsk, now_ms: u64) -> BudgetAnswer {
        self.tidy(now_ms);
        let item = |line| self.arrive(line, ask, now_ms);
        let mut items: Vec<Item<'_>> = ask.lines.iter().map(item).collect();
        let verdict = match ask.request {
            Request::Reserve {
                lease_ms,
                expected,
                worst,
            } => self.reserve(ask, &items, (expected, worst), lease_ms),
            Request::Close {
                actual,
                ended_ago_ms,
            } => {
                for item in &mut items {
                    let actual = actual.of(item.line.budget.unit);
                    if let Some(account) = self.accounts.get_mut(&item.key) {
                        let receipt = item.line.receipt;
                        item.again = account.close(ask.call, receipt, actual, ended_ago_ms);
                    }
                }
                Verdict::Done
            }
            Request::Seed { .. } | Request::Look => Verdict::Done,
        };
        let mut answer = BudgetAnswer {
            now_ms,
            verdict,
            standings: Vec::with_capacity(items.len()),
            crossings: Vec::new(),
            wakes: Vec::new(),
        };
        for (index, item) in items.iter().enumerate() {
            self.leave(ask, index, item, &mut answer);
        }
        answer
    }

    /// The message comes to one of its accounts, which is opened if it says what was spent.
    fn arrive<'a>(&mut self, line: &'a Line, ask: &BudgetAsk, now_ms: u64) -> Item<'a> {
        let (key, budget) = (line.budget.key(), &line.budget);
        if let Request::Seed { window_ms, spent } = ask.request {
            let is_present = budget.window(now_ms).start_ms == window_ms;
            if !self.accounts.contains_key(&key) && is_present {
                let account = Account::new(budget, spent, now_ms);
                self.accounts.insert(key.clone(), account);
            }
        }
        if let Some(account) = self.accounts.get_mut(&key) {
            account.arrive(line, ask, now_ms);
            if let Request::Seed { window_ms, spent } = ask.request {
                account.seed(window_ms, spent);
            }
        }
        Item {
            key,
            line,
            again: None,
        }
    }

    fn reserve(
        &mut self,
        ask: &BudgetAsk,
        items: &[Item<'_>],
        (expected, worst): (Spend, Spend),
        lease_ms: u64,
    ) -> Verdict {
        let mut fits = Vec::with_capacity(items.len());
        for item in items {
            let Some(account) = self.accounts.get(&item.key) else {
                return Verdict::Unseeded;
            };
            let budget = &item.line.budget;
            let need = expected.of(budget.unit).min(CEILING);
            let worst = worst.of(budget.unit).min(CEILING).max(need);
            fits.push((account.fit(budget, ask.call, need, worst), need));
        }
        if let Some(refusal) = refusal(&fits) {
            return refusal;
        }
        for (item, (fit, _)) in items.iter().zip(fits) {
            if let Some(account) = self.accounts.get_mut(&item.key) {
                account.hold(ask.call, fit, lease_ms);
            }
        }
        Verdict::Reserved
    }

    fn leave(&mut self, ask: &BudgetAsk, index: usize, item: &Item<'_>, answer: &mut BudgetAnswer) {
        let budget = &item.line.budget;
        let Some(account) = self.accounts.get_mut(&item.key) else {
            answer.standings.push(unknown(item.line, answer.now_ms));
            return;
        };
        let closing = matches!(ask.request, Request::Close { .. }).then_some(ask.call);
        let crossed = || account.crossed(budget, closing);
        let (from, to) = item.again.unwrap_or_else(crossed);
        let thresholds = budget.thresholds.iter().copied();
        let crossed = thresholds.filter(|percent| from < *percent && *percent <= to);
        let crossing = |percent| Crossing {
            line: index,
            percent,
        };
        answer.crossings.extend(crossed.map(crossing));
        let mut waits = false;
        if let Verdict::Wait { line, until_ms } = &mut answer.verdict
            && *line == index
        {
            let (first_ms, is_shared) = account.tighten();
            *until_ms = first_ms;
            waits = true;
            if is_shared {
                answer.wakes.push(Wake::Return(item.key.clone()));
            }
        }
        answer.standings.push(account.leave(budget, ask.instance));
        if account.tells_of_room(waits) {
            answer.wakes.push(Wake::Room(item.key.clone()));
        }
    }

    fn tidy(&mut self, now_ms: u64) {
        if self.accounts.len() < self.tidy_at.max(MANY) {
            return;
        }
        self.accounts.retain(|_, account| !account.is_over(now_ms));
        self.tidy_at = 2 * self.accounts.len();
    }
}

/// Why a call does not go, if it does not: it is over, a budget refuses it, or it has to wait.
fn refusal(fits: &[(Fit, u64)]) -> Option<Verdict> {
    if fits.iter().any(|(fit, _)| *fit == Fit::Ended) {
        return Some(Verdict::Ended);
    }
    let mut last: Option<(u64, Verdict)> = None;
    for (line, (fit, need)) in fits.iter().enumerate() {
        let Fit::Refused { free_at_ms } = *fit else {
            continue;
        };
        let free = free_at_ms.unwrap_or(u64::MAX);
        if last.is_none_or(|(latest, _)| free > latest) {
            let need = *need;
            let verdict = Verdict::Refused {
                line,
                need,
                free_at_ms,
            };
            last = Some((free, verdict));
        }
    }
    if let Some((_, verdict)) = last {
        return Some(verdict);
    }
    let line = fits.iter().position(|(fit, _)| *fit == Fit::Later)?;
    Some(Verdict::Wait {
        line,
        until_ms: None,
    })
}

fn unknown(line: &Line, now_ms: u64) -> Standing {
    let window = line.budget.window(now_ms);
    Standing {
        is_known: false,
        epoch: Epoch(0),
        window_ms: window.start_ms,
        window_end_ms: window.end_ms,
        spent: 0,
        held: 0,
        elsewhere: 0,
        share: 0,
        instances: 0,
    }
}
