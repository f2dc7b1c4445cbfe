//! The gateway's side: a limiter's domain, driven as the gateway drives it.
//!
//! This is the one place of the crate that knows the limiter.

mod settings;

use std::collections::HashMap;
use std::time::Duration;

use paceline_limiter::{
    ActualTokens, Charge, ChargeParts, Domain, Event, Metric, Observation, Outcome,
    ProviderRefusal, Refusal, RefusalKind, Request, Reservation, SettingsError, Settled,
    Settlement, Submission, TenantId, Tier, Timestamp, WaiterId,
};

use self::settings::{metric, settings};
use crate::random::Dice;
use crate::scenario::{Formula, Gateway, Priority, QuotaRule, Settle};
use crate::sender::{Ask, CallId, End, Fate, Head, Reason, Sender, Status, Step, Words};
use crate::time::{nanos, seconds};

/// The first pause after a failure; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Jitter only ever adds.
const JITTER: Duration = Duration::from_secs(1);

/// One gateway with a domain of its own.
pub(crate) struct Paced {
    domain: Domain,
    rules: Gateway,
    clock: Clock,
    dice: Dice,
    waiters: HashMap<WaiterId, CallId>,
    leases: HashMap<CallId, Lease>,
    events: Vec<Event>,
    /// The first thing that must not happen and did.
    broken: Option<String>,
}

/// A request under way.
struct Lease {
    reservation: Reservation,
    sent: Timestamp,
}

/// The gateway's clock: it may jump, and never runs backwards.
#[derive(Debug, Default)]
struct Clock {
    offset_ns: i64,
    latest_ns: u64,
}

impl Clock {
    fn read(&mut self, now_ns: u64) -> Timestamp {
        let shown = now_ns.saturating_add_signed(self.offset_ns);
        self.latest_ns = self.latest_ns.max(shown);
        Timestamp::from_nanos(self.latest_ns)
    }

    /// When the clock will show `time`.
    fn when(&self, time: Timestamp) -> u64 {
        let back = self.offset_ns.checked_neg().unwrap_or(i64::MAX);
        time.as_nanos().saturating_add_signed(back)
    }
}

impl Paced {
    /// A gateway that is told of the limits what the scenario says.
    ///
    /// # Errors
    /// When the limiter refuses its settings.
    pub(crate) fn new(
        rules: &Gateway,
        quotas: &[QuotaRule],
        dice: Dice,
        now_ns: u64,
    ) -> Result<Self, SettingsError> {
        let mut clock = Clock::default();
        let now = clock.read(now_ns);
        Ok(Self {
            domain: Domain::new(settings(rules, quotas), now)?,
            rules: *rules,
            clock,
            dice,
            waiters: HashMap::new(),
            leases: HashMap::new(),
            events: Vec::new(),
            broken: None,
        })
    }

    /// Lets something happen to the domain, lets the domain act, and passes on what it decided.
    fn change<T>(
        &mut self,
        now_ns: u64,
        steps: &mut Vec<Step>,
        action: impl FnOnce(&mut Domain, Timestamp) -> T,
    ) -> T {
        let now = self.clock.read(now_ns);
        let result = action(&mut self.domain, now);
        self.domain.poll(now, &mut self.events);
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.deliver(event, now, steps);
        }
        self.events = events;
        result
    }

    fn deliver(&mut self, event: Event, now: Timestamp, steps: &mut Vec<Step>) {
        let (waiter, turn) = match event {
            Event::Admitted {
                waiter,
                reservation,
                ..
            } => (waiter, Some(reservation)),
            Event::Expired { waiter, .. } => (waiter, None),
        };
        let Some(call) = self.waiters.remove(&waiter) else {
            self.fail(format!("waiter {waiter} was answered without waiting"));
            return;
        };
        match turn {
            Some(reservation) => self.launch(call, reservation, now, steps),
            None => steps.push(Step::Answer(call, Fate::TurnedAway)),
        }
    }

    fn launch(
        &mut self,
        call: CallId,
        reservation: Reservation,
        sent: Timestamp,
        steps: &mut Vec<Step>,
    ) {
        let lease = Lease { reservation, sent };
        if self.leases.insert(call, lease).is_some() {
            self.fail(format!("request {call} was admitted twice"));
        }
        steps.push(Step::Send(call));
    }

    fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    fn settle(
        &mut self,
        call: CallId,
        (charged, actual, outcome): (Option<Charge>, Option<ActualTokens>, Outcome),
        now_ns: u64,
        steps: &mut Vec<Step>,
    ) {
        let Some(lease) = self.leases.remove(&call) else {
            return self.fail(format!("request {call} ended without a reservation"));
        };
        let settlement = Settlement {
            charged,
            actual,
            outcome,
        };
        let id = lease.reservation.id;
        let settled = self.change(now_ns, steps, |domain, now| {
            domain.settle(id, settlement, now)
        });
        if settled == Settled::Already {
            self.fail(format!("reservation {id} was settled before its end"));
        }
    }

    fn observe(&mut self, call: CallId, head: &Head, now_ns: u64, steps: &mut Vec<Step>) {
        let Some(lease) = self.leases.get(&call) else {
            return;
        };
        let (as_of, reservation) = (lease.sent, lease.reservation.id);
        let admitted = head.status == Status::Served;
        let processing_ns = head.processing_ns;
        if head.levels.is_empty() {
            return;
        }
        self.change(now_ns, steps, |domain, now| {
            for level in &head.levels {
                let observation = Observation {
                    metric: metric(level.metric),
                    limit: level.limit,
                    remaining: i64::try_from(level.remaining).unwrap_or(i64::MAX),
                    reset: level.reset_ns.map(Duration::from_nanos),
                    as_of,
                    reservation: admitted.then_some(reservation),
                    window: None,
                    processing: Some(Duration::from_nanos(processing_ns)),
                };
                domain.observe(observation, now);
            }
        });
    }

    /// A refusal for quota, for growth, or for what can never pass.
    fn refused(&mut self, ask: &Ask, words: &Words, now_ns: u64, steps: &mut Vec<Step>) {
        let requests = Charge::ZERO.with(Metric::Requests, 1);
        let sent_at = self.sent_at(ask.call);
        let outcome = match words.reason {
            Reason::TooLarge => Outcome::Failed,
            Reason::OverLimit | Reason::Concurrency | Reason::SlowDown => Outcome::Refused,
        };
        self.settle(ask.call, (Some(requests), None, outcome), now_ns, steps);
        if words.reason == Reason::TooLarge {
            steps.push(Step::Answer(ask.call, Fate::Failed));
            return;
        }
        let kind = match words.reason {
            Reason::SlowDown => RefusalKind::Acceleration,
            _ => RefusalKind::Quota,
        };
        self.cool_down(ask, words, (kind, sent_at), now_ns, steps);
    }

    fn sent_at(&self, call: CallId) -> Timestamp {
        let lease = self.leases.get(&call);
        lease.map_or(Timestamp::ZERO, |lease| lease.sent)
    }

    fn cool_down(
        &mut self,
        ask: &Ask,
        words: &Words,
        (kind, sent_at): (RefusalKind, Timestamp),
        now_ns: u64,
        steps: &mut Vec<Step>,
    ) {
        let pause = self.pause(ask, words.wait_ns.map(Duration::from_nanos));
        let refusal = ProviderRefusal {
            window: None,
            sent_at,
            wait_named: words.wait_ns.is_some(),
            metric: words.metric.map(metric),
            limit: words.limit,
            used: words.used,
            level: words.level,
            requested: words.requested,
            retry_after: words.wait_ns.map(Duration::from_nanos).or(pause),
            jitter: self.jitter(),
            penalty: Charge::ZERO.with(Metric::Tokens, self.rules.penalty_tokens),
            kind,
        };
        self.change(now_ns, steps, |domain, now| domain.refused(refusal, now));
        // The domain itself pauses: the next turn comes after it.
        self.again(ask, pause.map(|_| Duration::ZERO), now_ns, steps);
    }

    fn failed(&mut self, ask: &Ask, now_ns: u64, steps: &mut Vec<Step>) {
        let pause = self.pause(ask, None);
        self.again(ask, pause, now_ns, steps);
    }

    fn again(&mut self, ask: &Ask, pause: Option<Duration>, now_ns: u64, steps: &mut Vec<Step>) {
        let call = ask.call;
        steps.push(match pause {
            Some(pause) => Step::Again {
                call,
                at_ns: now_ns.saturating_add(nanos(pause)),
            },
            None => Step::Answer(call, Fate::Failed),
        });
    }

    /// The pause before the next attempt; `None` after the last.
    fn pause(&mut self, ask: &Ask, asked: Option<Duration>) -> Option<Duration> {
        if ask.attempts > self.rules.retries {
            return None;
        }
        let doubled = PAUSE.saturating_mul(1 << ask.attempts.saturating_sub(1).min(20));
        Some(asked.unwrap_or_else(|| doubled.min(PAUSE_MAX)) + self.jitter())
    }

    /// When a request has waited as long as it may.
    fn longest_wait(&self, ask: &Ask) -> Option<u64> {
        let max_wait_s = self.rules.max_wait_s?;
        Some(ask.arrived_ns.saturating_add(seconds(max_wait_s)))
    }

    fn jitter(&mut self) -> Duration {
        Duration::from_nanos(self.dice.within(0, nanos(JITTER)))
    }

    /// What the provider is believed to charge at admission.
    fn charge(&self, ask: &Ask) -> Charge {
        let input = ask.prompt.characters.div_ceil(4);
        let output = ask.prompt.max_tokens.unwrap_or(0);
        let tokens = match self.rules.charge.unwrap_or(Formula::Max) {
            Formula::Max => input.max(output),
            Formula::Sum => input.saturating_add(output),
            Formula::InputOnly => input,
        };
        Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, tokens)
            .with(Metric::InputTokens, input)
            .with(Metric::OutputTokens, output)
    }

    /// What an answer tells of its use, where that is to be learned from.
    fn actual(&self, end: End) -> Option<ActualTokens> {
        match end {
            End::Whole {
                input_tokens,
                output_tokens,
            } if self.rules.settle == Settle::Learned => Some(ActualTokens {
                input: input_tokens,
                output: output_tokens,
            }),
            _ => None,
        }
    }

    /// What a finished request is settled at.
    fn charged(&self, reserved: Charge, end: End) -> Option<Charge> {
        let (used, known) = match end {
            End::Whole {
                input_tokens,
                output_tokens,
            } => {
                let used = reserved
                    .with(Metric::Tokens, input_tokens.saturating_add(output_tokens))
                    .with(Metric::InputTokens, input_tokens)
                    .with(Metric::OutputTokens, output_tokens);
                (used, true)
            }
            End::Cut { output_tokens } if output_tokens > reserved.get(Metric::OutputTokens) => {
                (reserved.with(Metric::OutputTokens, output_tokens), false)
            }
            End::Cut { .. } | End::Lost | End::Unreachable => return None,
        };
        match self.rules.settle {
            Settle::AtAdmission | Settle::Learned => None,
            Settle::Actual if known => Some(used),
            Settle::Actual | Settle::Highest => Some(highest(reserved, used)),
        }
    }
}

impl Sender for Paced {
    fn submit(&mut self, ask: &Ask, now_ns: u64, steps: &mut Vec<Step>) {
        let now = self.clock.read(now_ns);
        let request = Request {
            tenant: TenantId(u64::from(ask.tenant)),
            weight: ask.weight,
            tier: match ask.priority {
                Priority::Interactive => Tier::Interactive,
                Priority::Standard => Tier::Standard,
                Priority::Batch => Tier::Batch,
            },
            charge: self.charge(ask),
            parts: self.rules.charge.is_none().then(|| ChargeParts {
                input: ask.prompt.characters.div_ceil(4),
                output_max: ask.prompt.max_tokens.unwrap_or(0),
            }),
            deadline: ask
                .deadline_ns
                .into_iter()
                .chain(self.longest_wait(ask))
                .min()
                .map(|deadline_ns| now + Duration::from_nanos(deadline_ns.saturating_sub(now_ns))),
            retry: ask.attempts > 0,
        };
        // As with the others, the domain acts only after its decision has been noted.
        let submission = self.domain.submit(request, now);
        match submission {
            Submission::Admitted(reservation) => self.launch(ask.call, reservation, now, steps),
            Submission::Queued(ticket) => {
                self.waiters.insert(ticket.id, ask.call);
            }
            Submission::Refused(refusal) => {
                if let Refusal::Draining { .. } = refusal {
                    self.fail("the domain drains although nobody asked it to".to_owned());
                }
                steps.push(Step::Answer(ask.call, Fate::TurnedAway));
            }
        }
        self.change(now_ns, steps, |_, _| ());
    }

    fn head(&mut self, ask: &Ask, head: &Head, now_ns: u64, steps: &mut Vec<Step>) {
        self.observe(ask.call, head, now_ns, steps);
        match &head.status {
            Status::Served => {}
            Status::Refused(words) => {
                let words = Words {
                    level: words.metric.and_then(|metric| head.level(metric)),
                    ..*words
                };
                self.refused(ask, &words, now_ns, steps);
            }
            Status::ServerError => {
                self.settle(ask.call, (None, None, Outcome::Failed), now_ns, steps);
                self.failed(ask, now_ns, steps);
            }
            Status::Overloaded { wait_ns } => {
                let sent_at = self.sent_at(ask.call);
                self.settle(ask.call, (None, None, Outcome::Failed), now_ns, steps);
                let words = Words::overload(*wait_ns);
                let kind = RefusalKind::Overload;
                self.cool_down(ask, &words, (kind, sent_at), now_ns, steps);
            }
        }
    }

    fn end(&mut self, ask: &Ask, end: End, now_ns: u64, steps: &mut Vec<Step>) {
        if end == End::Unreachable {
            if let Some(lease) = self.leases.remove(&ask.call) {
                let id = lease.reservation.id;
                self.change(now_ns, steps, |domain, now| domain.abandon(id, now));
            }
            return self.failed(ask, now_ns, steps);
        }
        let lease = self.leases.get(&ask.call);
        let reserved = lease.map_or(Charge::ZERO, |lease| lease.reservation.charge);
        let charged = self.charged(reserved, end);
        let actual = self.actual(end);
        let outcome = match end {
            End::Whole { .. } => Outcome::Success,
            _ => Outcome::Failed,
        };
        self.settle(ask.call, (charged, actual, outcome), now_ns, steps);
        match end {
            End::Whole { .. } => steps.push(Step::Answer(ask.call, Fate::Served)),
            // The caller has seen the beginning: nothing can be mended any more.
            End::Cut { .. } if ask.streams => steps.push(Step::Answer(ask.call, Fate::Failed)),
            _ => self.failed(ask, now_ns, steps),
        }
    }

    fn wake_ns(&self) -> Option<u64> {
        self.domain.next_wake().map(|at| self.clock.when(at))
    }

    fn poll(&mut self, now_ns: u64, steps: &mut Vec<Step>) {
        self.change(now_ns, steps, |_, _| ());
    }

    fn jump(&mut self, by_ns: i64, now_ns: u64, steps: &mut Vec<Step>) {
        self.clock.offset_ns = self.clock.offset_ns.saturating_add(by_ns);
        self.poll(now_ns, steps);
    }

    fn check(&self, idle: bool) -> Option<String> {
        if self.broken.is_some() {
            return self.broken.clone();
        }
        let totals = self.domain.totals();
        for metric in Metric::ALL {
            let outstanding = totals.outstanding().get(metric);
            let (reserved, settled) = (totals.reserved.get(metric), totals.settled.get(metric));
            let refunded = totals.refunded.get(metric);
            if reserved != settled + refunded + outstanding {
                return Some(format!(
                    "{metric}: {reserved} reserved, but {settled} settled, {refunded} refunded \
                     and {outstanding} outstanding"
                ));
            }
            if idle && outstanding != 0 {
                return Some(format!(
                    "{metric}: {outstanding} outstanding with nothing under way"
                ));
            }
        }
        (idle && !self.waiters.is_empty()).then(|| "somebody waits for ever".to_owned())
    }
}

fn highest(a: Charge, b: Charge) -> Charge {
    a.saturating_add(b.saturating_sub(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_back_stands_still_until_it_has_caught_up() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(100).as_nanos(), 100);
        clock.offset_ns = -40;
        assert_eq!(clock.read(110).as_nanos(), 100);
        assert_eq!(clock.read(150).as_nanos(), 110);
        assert_eq!(clock.when(Timestamp::from_nanos(120)), 160);
        clock.offset_ns = 1_000;
        assert_eq!(clock.read(151).as_nanos(), 1_151);
        assert_eq!(clock.when(Timestamp::from_nanos(1_200)), 200);
    }
}
