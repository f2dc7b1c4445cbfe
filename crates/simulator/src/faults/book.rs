//! Which request a fault happens to.

use std::collections::HashMap;

use super::{Fault, FaultOrder, FaultRule, InvalidFault};
use crate::content::Draw;

/// Orders that are counted at once; beyond this many keys, the counts start anew.
const MOST_KEYS: usize = 100_000;

/// The rules in force and what has been counted.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    seed: u64,
    rules: Vec<CountedRule>,
    ordered: HashMap<String, u64>,
}

#[derive(Debug)]
struct CountedRule {
    rule: FaultRule,
    fault: Fault,
    seen: u64,
    happened: u64,
}

impl FaultBook {
    pub(crate) fn new(seed: u64, rules: Vec<FaultRule>) -> Result<Self, InvalidFault> {
        let mut book = Self {
            seed,
            ..Self::default()
        };
        book.set_rules(rules)?;
        Ok(book)
    }

    /// Replaces all rules; nothing changes if one is invalid.
    pub(crate) fn set_rules(&mut self, rules: Vec<FaultRule>) -> Result<(), InvalidFault> {
        let counted = |rule: FaultRule| {
            let fault = rule.fault.parse::<FaultOrder>()?.fault;
            Ok(CountedRule {
                rule,
                fault,
                seen: 0,
                happened: 0,
            })
        };
        self.rules = rules.into_iter().map(counted).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn forget_orders(&mut self) {
        self.ordered.clear();
    }

    /// The fault that a request's own order calls for, while its count lasts.
    pub(crate) fn ordered(&mut self, words: &str) -> Result<Option<Fault>, InvalidFault> {
        let order: FaultOrder = words.parse()?;
        let Some(times) = order.times else {
            return Ok(Some(order.fault));
        };
        if self.ordered.len() >= MOST_KEYS {
            self.ordered.clear();
        }
        let key = order.key.unwrap_or_else(|| words.to_owned());
        let happened = self.ordered.entry(key).or_default();
        if *happened >= times {
            return Ok(None);
        }
        *happened += 1;
        Ok(Some(order.fault))
    }

    /// The fault that the first matching rule calls for.
    pub(crate) fn ruled(&mut self, path: &str, model: &str) -> Option<Fault> {
        let seed = self.seed;
        self.rules
            .iter_mut()
            .find_map(|counted| counted.draw(seed, path, model))
    }
}

impl CountedRule {
    fn draw(&mut self, seed: u64, path: &str, model: &str) -> Option<Fault> {
        let rule = &self.rule;
        let elsewhere = rule
            .path
            .as_ref()
            .is_some_and(|start| !path.starts_with(start.as_str()))
            || rule
                .model
                .as_ref()
                .is_some_and(|concerned| concerned != model);
        if elsewhere {
            return None;
        }
        self.seen += 1;
        if self.seen <= rule.skip || rule.times.is_some_and(|times| self.happened >= times) {
            return None;
        }
        if rule.share < 1.0 && Draw::new(seed ^ self.seen).unit() >= rule.share {
            return None;
        }
        self.happened += 1;
        Some(self.fault)
    }
}
