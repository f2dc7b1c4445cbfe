//! Nothing configured: a provider is found out while it is used.

mod charges;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use paceline_limiter::{
    ActualTokens, Charge, ChargeParts, Combine, Domain, DomainSettings, Event, Metric, Observation,
    Outcome, ProviderRefusal, RefusalKind, Request, Reservation, Settlement, Submission, TenantId,
    Tier, WaiterId, WindowKind,
};

use crate::provider::at;
use crate::world::{MINUTE, MS, Random, SECOND};

/// How the hidden provider counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Drains evenly and holds this many seconds' worth.
    Bucket {
        holds_ns: u64,
    },
    Fixed,
    FirstUse,
    Sliding,
}

/// How it charges.
#[derive(Clone, Copy, Debug)]
struct Charging {
    combine: Combine,
    refunds: bool,
}

/// One limit at the provider, in exact integers: units are scaled by the window.
#[derive(Clone, Debug)]
struct Quota {
    metric: Metric,
    amount: u64,
    rule: Rule,
    level: i128,
    at: u64,
    opened: Option<u64>,
    used: u64,
    log: std::collections::VecDeque<(u64, u64)>,
}

const WINDOW: u64 = MINUTE;

impl Quota {
    fn new(metric: Metric, amount: u64, rule: Rule) -> Self {
        Self {
            metric,
            amount,
            rule,
            level: 0,
            at: 0,
            opened: None,
            used: 0,
            log: std::collections::VecDeque::new(),
        }
    }

    fn advance(&mut self, now: u64) {
        match self.rule {
            Rule::Bucket { .. } => {
                let drained = i128::from(now - self.at) * i128::from(self.amount);
                self.level = (self.level - drained).max(0);
            }
            Rule::Fixed => {
                let opened = now - now % WINDOW;
                if self.opened != Some(opened) {
                    (self.opened, self.used) = (Some(opened), 0);
                }
            }
            Rule::FirstUse => {
                if self.opened.is_some_and(|opened| now >= opened + WINDOW) {
                    (self.opened, self.used) = (None, 0);
                }
            }
            Rule::Sliding => {
                while self.log.front().is_some_and(|(at, _)| at + WINDOW <= now) {
                    self.used -= self.log.pop_front().unwrap().1;
                }
            }
        }
        self.at = now;
    }

    fn fits(&mut self, units: u64, now: u64) -> bool {
        self.advance(now);
        match self.rule {
            Rule::Bucket { holds_ns } => {
                let capacity = i128::from(self.amount) * i128::from(holds_ns);
                let need = i128::from(units) * i128::from(WINDOW);
                self.level <= (capacity - need).max(0)
            }
            _ => self.used + units <= self.amount,
        }
    }

    fn take(&mut self, units: u64, now: u64) {
        self.level += i128::from(units) * i128::from(WINDOW);
        self.used += units;
        self.opened.get_or_insert(now);
        self.log.push_back((now, units));
    }

    fn give_back(&mut self, units: u64, taken_at: u64, now: u64) {
        self.advance(now);
        self.level = (self.level - i128::from(units) * i128::from(WINDOW)).max(0);
        let counts = match self.rule {
            Rule::Sliding => self
                .log
                .iter_mut()
                .find(|(at, _)| *at == taken_at)
                .map(|e| {
                    e.1 -= units.min(e.1);
                }),
            _ => self.opened.filter(|opened| *opened <= taken_at).map(|_| ()),
        };
        if counts.is_some() {
            self.used = self.used.saturating_sub(units);
        }
    }

    fn level_units(&self) -> u64 {
        match self.rule {
            Rule::Bucket { .. } => {
                u64::try_from(self.level.unsigned_abs().div_ceil(u128::from(WINDOW))).unwrap()
            }
            _ => self.used,
        }
    }

    /// Units left and milliseconds until nothing is used.
    fn told(&self, now: u64) -> (u64, u64) {
        let reset = match self.rule {
            Rule::Bucket { .. } => {
                u64::try_from(self.level / i128::from(self.amount.max(1))).unwrap()
            }
            Rule::Fixed | Rule::FirstUse => self.opened.map_or(0, |opened| opened + WINDOW - now),
            Rule::Sliding => self.log.back().map_or(0, |(at, _)| at + WINDOW - now),
        };
        (self.amount.saturating_sub(self.level_units()), reset / MS)
    }

    /// The level that a message states, and the wait.
    fn stated(&self, units: u64, now: u64) -> (u64, u64) {
        match self.rule {
            Rule::Bucket { holds_ns } => {
                let capacity = i128::from(self.amount) * i128::from(holds_ns);
                let need = i128::from(units) * i128::from(WINDOW);
                let excess = self.level - (capacity - need).max(0);
                let brim = u64::try_from(capacity / i128::from(WINDOW)).unwrap();
                let used = (self.level_units() + self.amount - brim).min(self.amount);
                (
                    used,
                    u64::try_from(excess / i128::from(self.amount)).unwrap() + MS,
                )
            }
            Rule::Fixed | Rule::FirstUse => (self.used, self.opened.unwrap() + WINDOW - now),
            Rule::Sliding => (self.used, self.log.front().unwrap().0 + WINDOW - now),
        }
    }
}

/// What happens when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrives(usize),
    Answered(usize),
    /// The provider has sent all of an answer, or it broke.
    Ended(usize),
    Over(usize),
    Foreign,
    Change(u64),
}

#[derive(Clone, Debug)]
struct Call {
    parts: ChargeParts,
    actual: ActualTokens,
    reservation: Option<Reservation>,
    sent: u64,
    processing: u64,
    failed: bool,
    charge: Charge,
    admitted_at: Option<u64>,
    told: Vec<(Metric, u64, u64, u64)>,
    refusal: Option<(Metric, u64, u64, u64, u64)>,
}

/// A run of one gateway against one provider.
struct Run {
    domain: Domain,
    quotas: Vec<Quota>,
    charging: Charging,
    random: Random,
    jitter: (u64, u64),
    calls: Vec<Call>,
    waiting: HashMap<WaiterId, usize>,
    agenda: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    sequence: u64,
    now: u64,
    /// The provider may tell that it worked so much longer than since it looked at its limits.
    overstated_ms: u64,
    foreign_part: f64,
    foreign_taken: Vec<(u64, u64)>,
    /// When refusals happened.
    refusals: Vec<u64>,
    admissions: Vec<(u64, u64)>,
    done: usize,
    /// Calls that are kept waiting or under way at any time; 0: all at once.
    backlog: usize,
    sizes: (u64, u64),
    /// What answers use of the output that they are allowed at most, in percent.
    output_percent: u64,
    /// How long answers go on after their headers.
    streaming: (u64, u64),
    /// How many requests of a hundred fail, and whether they get their charge back.
    failing_percent: u64,
    failures_free: bool,
    /// Whether the provider says how long it worked on a request.
    tells_processing: bool,
}

impl Run {
    fn new(quotas: Vec<Quota>, charging: Charging, jitter: (u64, u64), seed: u64) -> Self {
        let settings = DomainSettings {
            probe_concurrency: Some(1),
            learned_guard: Duration::from_millis(200),
            ..DomainSettings::default()
        };
        let start = 1_000 * MINUTE + seed * 7 * SECOND % MINUTE;
        Self {
            domain: Domain::new(settings, at(start)).unwrap(),
            quotas,
            charging,
            random: Random(seed),
            jitter,
            calls: Vec::new(),
            waiting: HashMap::new(),
            agenda: BinaryHeap::new(),
            sequence: 0,
            now: start,
            overstated_ms: 0,
            foreign_part: 0.0,
            foreign_taken: Vec::new(),
            refusals: Vec::new(),
            admissions: Vec::new(),
            done: 0,
            backlog: 64,
            sizes: (20, 200),
            output_percent: 100,
            streaming: (0, 500 * MS),
            failing_percent: 0,
            failures_free: false,
            tells_processing: true,
        }
    }

    fn plan(&mut self, at: u64, what: Happening) {
        self.sequence += 1;
        self.agenda.push(Reverse((at, self.sequence, what)));
    }

    fn delay(&mut self) -> u64 {
        self.random.within(self.jitter.0, self.jitter.1)
    }

    fn new_call(&mut self) -> usize {
        let (low, high) = self.sizes;
        let input = self.random.within(low, high);
        let output_max = self.random.within(low / 2, high);
        let most = (output_max * self.output_percent / 100).max(1);
        let output = self.random.within(1, most);
        let tokens = match self.charging.combine {
            Combine::Sum => input + output_max,
            Combine::Max => input.max(output_max),
            Combine::Input => input,
        };
        let failed = self.failing_percent > 0 && self.random.within(0, 99) < self.failing_percent;
        let charge = Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, tokens);
        self.calls.push(Call {
            parts: ChargeParts { input, output_max },
            actual: ActualTokens { input, output },
            reservation: None,
            sent: 0,
            processing: 0,
            failed,
            charge,
            admitted_at: None,
            told: Vec::new(),
            refusal: None,
        });
        self.calls.len() - 1
    }

    fn submit(&mut self, index: usize, retry: bool) {
        let request = Request {
            tenant: TenantId(1),
            weight: 1,
            tier: Tier::Standard,
            charge: Charge::ZERO.with(Metric::Requests, 1),
            parts: Some(self.calls[index].parts),
            deadline: None,
            retry,
        };
        match self.domain.submit(request, at(self.now)) {
            Submission::Admitted(reservation) => self.launch(index, reservation),
            Submission::Queued(ticket) => {
                self.waiting.insert(ticket.id, index);
            }
            Submission::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    fn launch(&mut self, index: usize, reservation: Reservation) {
        let call = &mut self.calls[index];
        call.reservation = Some(reservation);
        call.sent = self.now;
        let delay = self.delay();
        self.plan(self.now + delay, Happening::Arrives(index));
    }

    fn arrives(&mut self, index: usize) {
        let now = self.now;
        let charge = self.calls[index].charge;
        let mut refusal = None;
        for quota in &mut self.quotas {
            let units = charge.get(quota.metric);
            if !quota.fits(units, now) {
                let (used, wait) = quota.stated(units, now);
                refusal = Some((quota.metric, quota.amount, used, units, wait));
            }
        }
        if refusal.is_none() {
            for quota in &mut self.quotas {
                quota.take(charge.get(quota.metric), now);
            }
            self.admissions.push((now, charge.get(Metric::Tokens)));
        } else {
            self.refusals.push(now);
        }
        let told = self.quotas.iter().map(|quota| {
            let (left, reset) = quota.told(now);
            (quota.metric, quota.amount, left, reset)
        });
        let told = told.collect();
        let processing = self.random.within(20, 300) * MS;
        let back = self.delay();
        let call = &mut self.calls[index];
        let admitted = refusal.is_none();
        call.told = told;
        call.processing = processing;
        call.admitted_at = admitted.then_some(now);
        call.refusal = refusal;
        let answered = now + processing + back;
        self.plan(answered, Happening::Answered(index));
        if admitted {
            let ended = now + processing + self.random.within(self.streaming.0, self.streaming.1);
            self.plan(ended, Happening::Ended(index));
            let over = answered.max(ended + self.delay());
            self.plan(over, Happening::Over(index));
        }
    }

    fn answered(&mut self, index: usize) {
        let call = self.calls[index].clone();
        let reservation = call.reservation.unwrap();
        let overstated = self.random.within(0, self.overstated_ms) * MS;
        for (metric, limit, left, reset_ms) in &call.told {
            self.domain.observe(
                Observation {
                    metric: *metric,
                    limit: *limit,
                    remaining: i64::try_from(*left).unwrap(),
                    reset: Some(Duration::from_millis(*reset_ms)),
                    as_of: at(call.sent),
                    reservation: call.refusal.is_none().then_some(reservation.id),
                    window: None,
                    processing: self
                        .tells_processing
                        .then(|| Duration::from_nanos(call.processing + overstated)),
                },
                at(self.now),
            );
        }
        if let Some((metric, limit, used, requested, wait)) = call.refusal {
            let level = call.told.iter().find(|told| told.0 == metric).unwrap();
            self.domain.settle(
                reservation.id,
                Settlement {
                    charged: Some(Charge::ZERO),
                    actual: None,
                    outcome: Outcome::Refused,
                },
                at(self.now),
            );
            self.domain.refused(
                ProviderRefusal {
                    metric: Some(metric),
                    limit: Some(limit),
                    used: Some(used),
                    level: Some(limit - level.2),
                    requested: Some(requested),
                    retry_after: Some(Duration::from_nanos(wait)),
                    jitter: Duration::from_millis(self.random.within(0, 50)),
                    penalty: Charge::ZERO,
                    kind: RefusalKind::Quota,
                    window: None,
                    sent_at: at(call.sent),
                    wait_named: true,
                },
                at(self.now),
            );
            self.submit(index, true);
        }
    }

    fn ended(&mut self, index: usize) {
        let call = &self.calls[index];
        let charged = call.charge.get(Metric::Tokens);
        let used = match (call.failed, self.charging.combine) {
            (true, _) if self.failures_free => 0,
            (true, _) => charged,
            (false, _) if !self.charging.refunds => charged,
            (false, Combine::Input) => call.actual.input,
            (false, _) => call.actual.input + call.actual.output,
        };
        let now = self.now;
        for quota in &mut self.quotas {
            if quota.metric == Metric::Tokens {
                quota.give_back(charged.saturating_sub(used), call.admitted_at.unwrap(), now);
                if used > charged {
                    quota.advance(now);
                    quota.take(used - charged, now);
                }
            }
        }
    }

    fn over(&mut self, index: usize) {
        let call = &self.calls[index];
        self.domain.settle(
            call.reservation.unwrap().id,
            Settlement {
                charged: None,
                actual: (!call.failed).then_some(call.actual),
                outcome: if call.failed {
                    Outcome::Failed
                } else {
                    Outcome::Success
                },
            },
            at(self.now),
        );
        self.done += 1;
    }

    fn poll(&mut self) {
        let mut events = Vec::new();
        self.domain.poll(at(self.now), &mut events);
        for event in events {
            match event {
                Event::Admitted {
                    waiter,
                    reservation,
                    ..
                } => {
                    let index = self.waiting.remove(&waiter).unwrap();
                    self.launch(index, reservation);
                }
                Event::Expired { refusal, .. } => panic!("{refusal:?}"),
            }
        }
    }

    fn foreign(&mut self) {
        let now = self.now;
        let quota = self
            .quotas
            .iter_mut()
            .find(|quota| quota.metric == Metric::Tokens);
        let quota = quota.unwrap();
        let every = self.random.within(50, 450) * MS;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a test"
        )]
        let units = (quota.amount as f64 * self.foreign_part * 0.25 / 60.0) as u64;
        if quota.fits(units, now) {
            quota.take(units, now);
            self.foreign_taken.push((now, units));
        }
        self.plan(now + every, Happening::Foreign);
    }

    /// Runs for `minutes` with more work than the quota allows, or until `job` calls are done.
    fn run(&mut self, minutes: u64, job: Option<usize>) {
        if self.foreign_part > 0.0 {
            self.plan(self.now, Happening::Foreign);
        }
        self.run_to(self.now + minutes * MINUTE, job);
    }

    fn run_to(&mut self, end: u64, job: Option<usize>) {
        let mut submitted = self.calls.len();
        loop {
            let under_way = submitted - self.done;
            let most = job.map_or(usize::MAX, |job| job - submitted);
            for _ in 0..self.backlog.saturating_sub(under_way).min(most) {
                let call = self.new_call();
                submitted += 1;
                self.submit(call, false);
            }
            if job.is_some_and(|job| self.done >= job) {
                return;
            }
            self.poll();
            let planned = self.agenda.peek().map(|Reverse((at, ..))| *at);
            let wake = self.domain.next_wake().map(|wake| wake.as_nanos());
            let next = [planned, wake].into_iter().flatten().min().unwrap();
            if next >= end {
                return;
            }
            self.now = self.now.max(next);
            while let Some(Reverse((at, ..))) = self.agenda.peek()
                && *at <= self.now
            {
                let Reverse((_, _, what)) = self.agenda.pop().unwrap();
                match what {
                    Happening::Arrives(index) => self.arrives(index),
                    Happening::Answered(index) => self.answered(index),
                    Happening::Ended(index) => self.ended(index),
                    Happening::Over(index) => self.over(index),
                    Happening::Foreign => self.foreign(),
                    Happening::Change(percent) => {
                        for quota in &mut self.quotas {
                            quota.advance(self.now);
                            quota.amount = quota.amount * percent / 100;
                        }
                    }
                }
            }
        }
    }

    fn refusals_in(&self, start: u64, minutes: std::ops::Range<u64>) -> usize {
        let (low, high) = (start + minutes.start * MINUTE, start + minutes.end * MINUTE);
        self.refusals
            .iter()
            .filter(|at| (low..high).contains(*at))
            .count()
    }

    #[expect(clippy::cast_precision_loss, reason = "a test")]
    fn use_in(&self, start: u64, minutes: std::ops::Range<u64>) -> f64 {
        let (low, high) = (start + minutes.start * MINUTE, start + minutes.end * MINUTE);
        let taken: u64 = self
            .admissions
            .iter()
            .filter(|(at, _)| (low..high).contains(at))
            .map(|(_, units)| units)
            .sum();
        let amount = self.quotas[0].amount;
        taken as f64 / (amount * (minutes.end - minutes.start)) as f64
    }
}

/// What is found out and how it goes: 64 callers with more work than the quota allows.
fn runs(rule: Rule, charging: Charging, jitter_ms: u64) -> Run {
    let quotas = vec![
        Quota::new(Metric::Tokens, 30_000, rule),
        Quota::new(Metric::Requests, 500, rule),
    ];
    let jitter = (5 * MS, jitter_ms * MS);
    Run::new(quotas, charging, jitter, 30_042)
}

const MAX: Charging = Charging {
    combine: Combine::Max,
    refunds: false,
};
const SUM: Charging = Charging {
    combine: Combine::Sum,
    refunds: false,
};

const fn holds(seconds: u64) -> Rule {
    Rule::Bucket {
        holds_ns: seconds * SECOND,
    }
}

#[track_caller]
fn is_found_out(rule: Rule, kind: WindowKind, refused_max: usize, use_min: f64) {
    for charging in [MAX, SUM] {
        for jitter_ms in [10, 100] {
            let mut run = runs(rule, charging, jitter_ms);
            let start = run.now;
            run.run(3, None);
            let told = format!("{rule:?} {charging:?} {jitter_ms}");
            assert!(run.refusals_in(start, 0..1) <= refused_max, "{told}");
            assert_eq!(run.refusals_in(start, 1..3), 0, "{told}");
            // A window that has just begun is spent at once: whole windows are counted.
            let used = run.use_in(start, 1..3);
            assert!(used >= use_min, "{told}: {used}");
            let snapshot = run.domain.snapshot(at(run.now));
            let tokens = |l: &&paceline_limiter::LimitView| l.metric == Metric::Tokens;
            let belief = snapshot.limits.iter().find(tokens).unwrap().belief.unwrap();
            assert_eq!(belief.kind, Some(kind), "{told}");
            let combine = snapshot.charge.formula.combine;
            assert_eq!(combine, charging.combine, "{told}");
        }
    }
}

#[test]
fn a_bucket_is_found_out_and_used() {
    is_found_out(holds(60), WindowKind::Bucket, 0, 0.97);
}

#[test]
fn a_fixed_window_is_found_out_and_used() {
    is_found_out(Rule::Fixed, WindowKind::Fixed, 1, 0.97);
}

#[test]
fn a_window_from_first_use_is_found_out_and_used() {
    is_found_out(Rule::FirstUse, WindowKind::Fixed, 1, 0.97);
}

#[test]
fn a_sliding_window_is_found_out_and_used() {
    is_found_out(Rule::Sliding, WindowKind::Sliding, 1, 0.94);
}

#[test]
fn pieces_are_found_out_with_few_refusals() {
    for seconds in [1, 2] {
        is_found_out(holds(seconds), WindowKind::Bucket, 3, 0.94);
    }
}

/// The first answer of a fixed minute can look like a bucket that takes a day to drain.
#[test]
fn one_answer_that_fits_a_day_by_chance_holds_up_nothing() {
    for rule in [Rule::Fixed, Rule::FirstUse] {
        let quotas = vec![
            Quota::new(Metric::Tokens, 2_000_000, rule),
            Quota::new(Metric::Requests, 33_333, rule),
        ];
        let mut run = Run::new(quotas, MAX, (5 * MS, 100 * MS), 7);
        // A day's bucket of two million drains this much in a minute.
        run.sizes = (1_389, 1_389);
        run.backlog = 192;
        let start = run.now;
        run.run(4, None);
        let used = run.use_in(start, 2..4);
        assert!(used >= 0.9, "{rule:?}: {used}");
        assert_eq!(run.refusals_in(start, 1..4), 0, "{rule:?}");
    }
}

#[test]
fn a_provider_that_looks_at_its_limits_late_ends_no_window_early() {
    for rule in [Rule::Fixed, Rule::FirstUse] {
        let quotas = vec![
            Quota::new(Metric::Tokens, 300_000, rule),
            Quota::new(Metric::Requests, 5_000, rule),
        ];
        let mut run = Run::new(quotas, MAX, (5 * MS, 100 * MS), 7);
        run.overstated_ms = 40;
        let start = run.now;
        run.run(4, None);
        assert_eq!(run.refusals_in(start, 1..4), 0, "{rule:?}");
    }
}

#[test]
fn a_finite_job_spends_a_full_bucket() {
    let mut run = runs(holds(60), MAX, 100);
    let start = run.now;
    // About two windows' worth: the bucket's content and one refill.
    run.run(10, Some(440));
    let total: u64 = run.admissions.iter().map(|(_, tokens)| tokens).sum();
    let best = (total - 30_000) * MINUTE / 30_000;
    let last = run.admissions.last().unwrap().0 - start;
    assert!(last <= best + best / 20 + SECOND, "{last} {best}");
    assert_eq!(run.refusals.len(), 0);
}

#[test]
fn others_are_noticed_and_left_their_part() {
    let mut run = runs(holds(60), MAX, 100);
    run.foreign_part = 0.3;
    let start = run.now;
    run.run(4, None);
    let snapshot = run.domain.snapshot(at(run.now));
    let tokens = |l: &&paceline_limiter::LimitView| l.metric == Metric::Tokens;
    let belief = snapshot.limits.iter().find(tokens).unwrap().belief.unwrap();
    // What is told is about the last half minute.
    let since = run.now - 30 * SECOND;
    let recent = run.foreign_taken.iter().filter(|(at, _)| *at >= since);
    let taken: u64 = recent.map(|(_, units)| units * 2).sum();
    let told = belief.foreign_per_minute;
    assert!(told.abs_diff(taken) <= taken / 4, "{told} of {taken}");
    assert!(
        run.refusals_in(start, 1..4) <= 2,
        "{:?}",
        run.refusals.len()
    );
    assert!(
        run.use_in(start, 1..4) >= 0.65,
        "{}",
        run.use_in(start, 1..4)
    );
}

#[test]
fn a_limit_that_moves_is_followed_within_seconds() {
    for percent in [50, 200] {
        let mut run = runs(holds(60), MAX, 100);
        let start = run.now;
        run.plan(start + 2 * MINUTE, Happening::Change(percent));
        run.run(4, None);
        let after = run.use_in(start, 3..4);
        assert!(after >= 0.95, "{percent}: {after}");
        assert!(run.refusals_in(start, 3..4) == 0, "{percent}");
        assert!(run.refusals_in(start, 2..3) <= 8, "{percent}");
    }
}
