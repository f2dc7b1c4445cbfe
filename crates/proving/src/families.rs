//! Many scenarios at once: every way of keeping a limit, with everything that can lie in its way.
//!
//! Each seed draws one value of each trait below, so that a few hundred seeds see every pair of them.

use paceline_simulator::Metric;

use crate::random::Dice;
use crate::scenario::{
    Arrivals, Change, Delay, Expect, Fault, FaultKind, FixedRate, Foreign, ForeignBurst, Formula,
    Gateway, Headers, Kind, Knowledge, Priority, Provider, QuotaRule, RampRule, RetriesOnly, Retry,
    Scenario, Sender, Settle, Size, Workload,
};
use crate::time::Span;

/// Tokens per minute of every family's limit.
const TOKENS_PER_MINUTE: u64 = 120_000;
/// Requests per minute; seldom the tighter limit.
const REQUESTS_PER_MINUTE: u64 = 600;
/// How long a run is: long enough to see what was learned at work.
const DURATION_S: u64 = 360;

/// One trait of a scenario: what it is, and which value it has.
pub type Trait = (&'static str, &'static str);

/// A scenario and the traits that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The scenario; its seed is set.
    pub scenario: Scenario,
    /// Which families it belongs to.
    pub traits: Vec<Trait>,
}

const KINDS: [(&str, Kind); 7] = [
    ("bucket", Kind::Bucket),
    (
        "bucket of 10 s",
        Kind::BucketBurst {
            burst: TOKENS_PER_MINUTE / 6,
        },
    ),
    ("fixed", Kind::Fixed),
    ("from first use", Kind::FixedFromFirstUse),
    ("sliding", Kind::Sliding),
    ("quantised 1 s", Kind::Quantised { quantum_ms: 1_000 }),
    ("quantised 5 s", Kind::Quantised { quantum_ms: 5_000 }),
];
const FORMULAS: [(&str, Formula); 3] = [
    ("max", Formula::Max),
    ("sum", Formula::Sum),
    ("input only", Formula::InputOnly),
];
const REFUNDS: [(&str, bool); 2] = [("no", false), ("yes", true)];
const JITTERS: [(&str, Span); 2] = [("20-60 ms", Span(20, 60)), ("20-400 ms", Span(20, 400))];
const FOREIGN: [(&str, f64); 4] = [("0 %", 0.0), ("10 %", 10.0), ("30 %", 30.0), ("50 %", 50.0)];
const CHANGES: [(&str, f64); 3] = [("none", 0.0), ("-50 %", -50.0), ("+100 %", 100.0)];
const ANSWERS: [(&str, Option<FaultKind>); 5] = [
    ("as they come", None),
    ("some lost", Some(FaultKind::AnswerLost)),
    ("some late", Some(FaultKind::Late)),
    ("some cut", Some(FaultKind::Cut)),
    ("some 500", Some(FaultKind::ServerError)),
];
const LOADS: [(&str, Arrivals); 3] = [
    (
        "job",
        Arrivals::Job {
            requests: 1_000_000,
            concurrency: Some(200),
        },
    ),
    (
        "steady 80 %",
        Arrivals::Steady {
            percent_of_quota: 80.0,
        },
    ),
    (
        "bursts",
        Arrivals::Bursts {
            requests: 150,
            every_s: 60,
        },
    ),
];

/// The member of the families with this seed.
#[must_use]
pub fn member(seed: u64) -> Member {
    let mut dice = Dice::new(seed).fork(u64::MAX);
    let mut traits = Vec::new();
    let kind = pick(&mut dice, &KINDS, "kind", &mut traits);
    let formula = pick(&mut dice, &FORMULAS, "formula", &mut traits);
    let refund = pick(&mut dice, &REFUNDS, "refund", &mut traits);
    let jitter = pick(&mut dice, &JITTERS, "delay", &mut traits);
    let foreign = pick(&mut dice, &FOREIGN, "others", &mut traits);
    let change = pick(&mut dice, &CHANGES, "change", &mut traits);
    let answers = pick(&mut dice, &ANSWERS, "answers", &mut traits);
    let load = pick(&mut dice, &LOADS, "load", &mut traits);
    let provider = Provider {
        quota: quotas(kind),
        formula,
        default_max_tokens: 0,
        refund,
        failures_are_free: seed.is_multiple_of(2),
        refusals_count: seed.is_multiple_of(3),
        max_in_flight: None,
        ramp: None,
        headers: Headers::All,
        retry_after: Retry::Milliseconds,
        foreign: others(foreign),
        foreign_burst: Vec::new(),
        change: changes(change),
    };
    let scenario = Scenario {
        name: format!("family-{seed}"),
        about: String::new(),
        seed,
        duration_s: DURATION_S,
        drain_s: 0,
        senders: vec![Sender::Gateway],
        gateway: Gateway::default(),
        retries_only: RetriesOnly::default(),
        fixed_rate: FixedRate::default(),
        delay: Delay {
            to_provider_ms: jitter,
            ..Delay::default()
        },
        provider,
        workload: vec![workload(load, seed)],
        fault: answers.map(fault).into_iter().collect(),
        expect: Expect::default(),
    };
    Member { scenario, traits }
}

/// The member with this seed, and with everything in its way that the families leave out: several
/// gateways, clocks that jump, bursts of others, bounds on growth and on requests in flight, poor
/// headers, streams. What such a run uses or is refused says little; that it breaks no rule says a
/// lot.
#[must_use]
pub fn wild(seed: u64) -> Scenario {
    let mut scenario = member(seed).scenario;
    let mut dice = Dice::new(seed).fork(u64::MAX - 1);
    scenario.name = format!("wild-{seed}");
    scenario.drain_s = dice.within(0, 600);
    scenario.delay.streaming_ms = Span(0, dice.within(0, 5_000));
    scenario.delay.timeout_s = dice.within(2, 60);
    scenario.gateway.count = usize::try_from(dice.within(1, 4)).unwrap_or(1);
    scenario.gateway.knows = one_of(
        &mut dice,
        &[
            Knowledge::Nothing,
            Knowledge::Amounts,
            Knowledge::Everything,
        ],
    );
    scenario.gateway.settle = one_of(
        &mut dice,
        &[Settle::AtAdmission, Settle::Actual, Settle::Highest],
    );
    scenario.gateway.concurrency = dice.happens(30.0).then_some(20);
    let provider = &mut scenario.provider;
    provider.headers = one_of(
        &mut dice,
        &[
            Headers::All,
            Headers::WholeSeconds,
            Headers::NoReset,
            Headers::None,
        ],
    );
    provider.retry_after = one_of(
        &mut dice,
        &[Retry::Milliseconds, Retry::Seconds, Retry::Absent],
    );
    provider.max_in_flight = dice.happens(30.0).then(|| dice.within(5, 100));
    provider.ramp = dice.happens(30.0).then_some(RampRule {
        metric: Metric::InputTokens,
        floor: TOKENS_PER_MINUTE / 4,
        growth_percent: 50,
        step_s: 10,
        period_s: 60,
    });
    if dice.happens(30.0) {
        provider.foreign_burst.push(ForeignBurst {
            requests: 30,
            tokens: 1_000,
            start_s: 40,
            every_s: dice.within(20, 120),
        });
    }
    for stream in &mut scenario.workload {
        stream.patience_s = dice.happens(30.0).then(|| dice.within(1, 120));
    }
    let jump_ms = dice.within(0, 60_000).cast_signed() - 30_000;
    let kinds = [
        (FaultKind::ClockJump, jump_ms, 100.0),
        (FaultKind::Overloaded, 0, 30.0),
        (FaultKind::SlowDown, 0, 10.0),
        (FaultKind::Unreachable, 0, 10.0),
        (FaultKind::NoHeaders, 0, 50.0),
    ];
    for (kind, by_ms, percent) in kinds {
        if dice.happens(40.0) && (kind != FaultKind::ClockJump || by_ms != 0) {
            let from_s = dice.within(0, DURATION_S);
            scenario.fault.push(Fault {
                kind,
                percent,
                from_s,
                to_s: Some(from_s + 60),
                by_ms,
                gateway: None,
            });
        }
    }
    scenario
}

fn one_of<T: Copy>(dice: &mut Dice, values: &[T]) -> T {
    let last = values.len().saturating_sub(1);
    let index = usize::try_from(dice.within(0, last as u64)).unwrap_or(0);
    values[index]
}

fn pick<T: Copy>(
    dice: &mut Dice,
    values: &[(&'static str, T)],
    name: &'static str,
    traits: &mut Vec<Trait>,
) -> T {
    let (label, value) = one_of(dice, values);
    traits.push((name, label));
    value
}

fn quotas(kind: Kind) -> Vec<QuotaRule> {
    let rule = |metric, amount, kind| QuotaRule {
        metric,
        amount,
        window_s: 60,
        kind,
    };
    // A burst is one of tokens; requests are kept in the plain way then.
    let requests_kind = match kind {
        Kind::BucketBurst { .. } => Kind::Bucket,
        other => other,
    };
    vec![
        rule(Metric::Requests, REQUESTS_PER_MINUTE, requests_kind),
        rule(Metric::Tokens, TOKENS_PER_MINUTE, kind),
    ]
}

fn others(percent: f64) -> Vec<Foreign> {
    let foreign = Foreign {
        metric: Metric::Tokens,
        percent,
        every_ms: 500,
    };
    (percent > 0.0).then_some(foreign).into_iter().collect()
}

fn changes(percent: f64) -> Vec<Change> {
    let change = Change {
        at_s: DURATION_S / 2,
        percent,
        metric: None,
    };
    (percent != 0.0).then_some(change).into_iter().collect()
}

fn fault(kind: FaultKind) -> Fault {
    Fault {
        kind,
        percent: 5.0,
        from_s: 0,
        to_s: None,
        by_ms: if kind == FaultKind::Late { 8_000 } else { 0 },
        gateway: None,
    }
}

fn workload(arrivals: Arrivals, seed: u64) -> Workload {
    Workload {
        tenant: "all".to_owned(),
        tenants: 3,
        weight: 1,
        priority: Priority::Standard,
        start_s: 0,
        arrivals,
        prompt_tokens: Size::Lognormal {
            mean: 800,
            max: 6_000,
        },
        max_tokens: (!seed.is_multiple_of(4)).then_some(600),
        output_tokens: Size::Lognormal {
            mean: 250,
            max: 2_000,
        },
        characters_per_token: 4.0,
        patience_s: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_few_hundred_seeds_see_every_pair_of_traits_and_hold_what_scenarios_must_hold() {
        let mut pairs = BTreeSet::new();
        for seed in 0..400 {
            let member = member(seed);
            for (index, first) in member.traits.iter().enumerate() {
                let others = member.traits.get(index + 1..).unwrap();
                pairs.extend(others.iter().map(|second| (*first, *second)));
            }
            let text = member.scenario.to_toml().unwrap();
            assert_eq!(Scenario::parse("family", &text).unwrap(), member.scenario);
        }
        let sizes = [7_usize, 3, 2, 2, 4, 3, 5, 3];
        let squares: usize = sizes.iter().map(|size| size * size).sum();
        let sum: usize = sizes.iter().sum();
        assert_eq!(pairs.len(), (sum * sum - squares) / 2);
    }
}
