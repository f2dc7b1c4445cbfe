//! Senders to compare with: what is used where no gateway is.

use std::collections::VecDeque;

use paceline_simulator::{ChargeFormula, Metric, RequestSize};

use crate::random::Dice;
use crate::scenario::{FixedRate, Provider, QuotaRule, RetriesOnly};
use crate::sender::{Ask, CallId, End, Fate, Head, Sender, Status, Step, Words};
use crate::time::{NANOS_PER_MINUTE, NANOS_PER_SECOND, seconds};

/// The first pause, the longest pause, and the longest wait of an answer that is obeyed, as the
/// official client libraries have them.
const PAUSE_NS: u64 = NANOS_PER_SECOND / 2;
const PAUSE_MAX_NS: u64 = 8 * NANOS_PER_SECOND;
const ASKED_MAX_NS: u64 = 60 * NANOS_PER_SECOND;

/// A client library with a bound on what it does at once, and maybe with a rate.
pub(crate) struct Library {
    concurrency: u32,
    retries: u32,
    running: u32,
    queue: VecDeque<(CallId, [u64; 2])>,
    /// Buckets for tokens and requests; each holds the time until which its rate is spent.
    rates: [Option<Rate>; 2],
    formula: ChargeFormula,
    default_max_tokens: u64,
    dice: Dice,
}

/// A rate as a bucket.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_minute: u64,
    burst_ns: u64,
    spent_until_ns: u64,
}

impl Rate {
    fn new(per_minute: u64, burst_s: u64) -> Self {
        Self {
            per_minute: per_minute.max(1),
            burst_ns: seconds(burst_s),
            spent_until_ns: 0,
        }
    }

    fn cost_ns(&self, units: u64) -> u64 {
        let cost = u128::from(units) * u128::from(NANOS_PER_MINUTE) / u128::from(self.per_minute);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    /// The first moment at which so many units fit; what is larger than the bucket goes when it is
    /// full.
    fn fits_at(&self, units: u64) -> u64 {
        let after = self.spent_until_ns.saturating_add(self.cost_ns(units));
        let full = self.spent_until_ns;
        after.saturating_sub(self.burst_ns).min(full)
    }

    fn take(&mut self, units: u64, now_ns: u64) {
        let from = self.spent_until_ns.max(now_ns);
        self.spent_until_ns = from.saturating_add(self.cost_ns(units));
    }
}

impl Library {
    /// One that sends at once.
    pub(crate) fn retries_only(rules: &RetriesOnly, provider: &Provider, dice: Dice) -> Self {
        Self {
            concurrency: rules.concurrency,
            retries: rules.retries,
            running: 0,
            queue: VecDeque::new(),
            rates: [None, None],
            formula: provider.formula.charge_formula(),
            default_max_tokens: provider.default_max_tokens,
            dice,
        }
    }

    /// One that keeps to a rate; where none was configured, to that of the quota.
    pub(crate) fn fixed_rate(rules: &FixedRate, provider: &Provider, dice: Dice) -> Self {
        let quota_rate = |metric: Metric| {
            let of_metric = |quota: &&QuotaRule| quota.metric == metric;
            let rates = provider.quota.iter().filter(of_metric);
            rates
                .map(|quota| crate::random::whole(quota.rate() * 60.0))
                .min()
        };
        let tokens = rules
            .tokens_per_minute
            .or_else(|| quota_rate(Metric::Tokens));
        let requests = rules
            .requests_per_minute
            .or_else(|| quota_rate(Metric::Requests));
        let retrying = RetriesOnly {
            concurrency: rules.concurrency,
            retries: rules.retries,
        };
        let rate = |per_minute: Option<u64>| per_minute.map(|most| Rate::new(most, rules.burst_s));
        Self {
            rates: [rate(tokens), rate(requests)],
            ..Self::retries_only(&retrying, provider, dice)
        }
    }

    fn start_ns(&self, units: &[u64; 2]) -> u64 {
        let rates = self.rates.iter().zip(units);
        rates
            .filter_map(|(rate, units)| Some(rate.as_ref()?.fits_at(*units)))
            .max()
            .unwrap_or(0)
    }

    fn pump(&mut self, now_ns: u64, steps: &mut Vec<Step>) {
        while self.running < self.concurrency
            && let Some((call, units)) = self.queue.front().copied()
            && self.start_ns(&units) <= now_ns
        {
            self.queue.pop_front();
            self.running += 1;
            for (rate, units) in self.rates.iter_mut().zip(units) {
                if let Some(rate) = rate {
                    rate.take(units, now_ns);
                }
            }
            steps.push(Step::Send(call));
        }
    }

    /// The end of a request: its place is free.
    fn answer(&mut self, call: CallId, fate: Fate, now_ns: u64, steps: &mut Vec<Step>) {
        self.running = self.running.saturating_sub(1);
        steps.push(Step::Answer(call, fate));
        self.pump(now_ns, steps);
    }

    fn retry(&mut self, ask: &Ask, asked_ns: Option<u64>, now_ns: u64, steps: &mut Vec<Step>) {
        if ask.attempts > self.retries {
            return self.answer(ask.call, Fate::Failed, now_ns, steps);
        }
        let asked_ns = asked_ns.filter(|asked| (1..=ASKED_MAX_NS).contains(asked));
        let pause_ns = asked_ns.unwrap_or_else(|| {
            let doubled = PAUSE_NS << ask.attempts.saturating_sub(1).min(10);
            let longest = doubled.min(PAUSE_MAX_NS);
            // Up to a quarter less, so that clients do not come back all at once.
            longest - self.dice.within(0, longest / 4)
        });
        steps.push(Step::Again {
            call: ask.call,
            at_ns: now_ns.saturating_add(pause_ns),
        });
    }
}

impl Sender for Library {
    fn submit(&mut self, ask: &Ask, now_ns: u64, steps: &mut Vec<Step>) {
        if ask.attempts > 0 {
            // A retry is inside its request, and knows nothing of the rate.
            steps.push(Step::Send(ask.call));
            return;
        }
        let size = RequestSize {
            characters: ask.prompt.characters,
            max_tokens: ask.prompt.max_tokens,
            choices: 1,
            images: 0,
        };
        let charge = self.formula.charge(&size, self.default_max_tokens);
        self.queue
            .push_back((ask.call, [charge.tokens, charge.requests]));
        self.pump(now_ns, steps);
    }

    fn head(&mut self, ask: &Ask, head: &Head, now_ns: u64, steps: &mut Vec<Step>) {
        match head.status {
            Status::Served => {}
            Status::Refused(Words { wait_ns, .. }) => self.retry(ask, wait_ns, now_ns, steps),
            Status::ServerError => self.retry(ask, None, now_ns, steps),
            Status::Overloaded { wait_ns } => self.retry(ask, Some(wait_ns), now_ns, steps),
        }
    }

    fn end(&mut self, ask: &Ask, end: End, now_ns: u64, steps: &mut Vec<Step>) {
        match end {
            End::Whole { .. } => self.answer(ask.call, Fate::Served, now_ns, steps),
            End::Cut { .. } if ask.streams => self.answer(ask.call, Fate::Failed, now_ns, steps),
            End::Cut { .. } | End::Lost | End::Unreachable => {
                self.retry(ask, None, now_ns, steps);
            }
        }
    }

    fn wake_ns(&self) -> Option<u64> {
        let (_, units) = self.queue.front()?;
        (self.running < self.concurrency).then(|| self.start_ns(units))
    }

    fn poll(&mut self, now_ns: u64, steps: &mut Vec<Step>) {
        self.pump(now_ns, steps);
    }

    fn jump(&mut self, _: i64, _: u64, _: &mut Vec<Step>) {}

    fn check(&self, idle: bool) -> Option<String> {
        (idle && (self.running > 0 || !self.queue.is_empty()))
            .then(|| "a client still holds requests with nothing under way".to_owned())
    }
}
