//! Whatever happens, in whatever order: every unit reserved is settled, refunded or outstanding,
//! and everyone who waits gets exactly one answer.

use std::collections::HashMap;
use std::time::Duration;

use paceline_limiter::{
    CalmSettings, Charge, Domain, DomainSettings, Event, Limit, Metric, Observation, Outcome,
    ProviderRefusal, RefusalKind, Request, Reservation, ReservationId, Settled, Settlement,
    Submission, TenantId, Tier, WaiterId, WindowModel,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::provider::at;
use crate::world::MS;

#[derive(Clone, Debug)]
enum Step {
    Submit {
        tenant: u64,
        tier: usize,
        tokens: u64,
        patience_ms: Option<u64>,
        retry: bool,
    },
    Wait {
        ms: u64,
    },
    Poll,
    Cancel {
        which: usize,
    },
    Settle {
        which: usize,
        percent: u64,
        outcome: usize,
    },
    SettleAgain {
        which: usize,
    },
    Abandon {
        which: usize,
    },
    Observe {
        metric: usize,
        limit: u64,
        remaining: i64,
        reset_ms: Option<u64>,
    },
    Refuse {
        used: Option<u64>,
        retry_ms: Option<u64>,
        kind: usize,
    },
    Reconfigure {
        amount: u64,
        model: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4u64, 0..3usize, 0..130u64, prop::option::weighted(0.3, 0..3_000u64), prop::bool::weighted(0.1))
            .prop_map(|(tenant, tier, tokens, patience_ms, retry)| {
                Step::Submit { tenant, tier, tokens, patience_ms, retry }
            }),
        4 => (0..1_500u64).prop_map(|ms| Step::Wait { ms }),
        4 => Just(Step::Poll),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        4 => (any::<usize>(), 0..250u64, 0..3usize)
            .prop_map(|(which, percent, outcome)| Step::Settle { which, percent, outcome }),
        1 => any::<usize>().prop_map(|which| Step::SettleAgain { which }),
        1 => any::<usize>().prop_map(|which| Step::Abandon { which }),
        1 => (0..5usize, 0..300u64, -50..400i64, prop::option::of(0..90_000u64))
            .prop_map(|(metric, limit, remaining, reset_ms)| {
                Step::Observe { metric, limit, remaining, reset_ms }
            }),
        1 => (prop::option::of(0..200u64), prop::option::of(0..2_000u64), 0..3usize)
            .prop_map(|(used, retry_ms, kind)| Step::Refuse { used, retry_ms, kind }),
        1 => (0..200u64, 0..6usize)
            .prop_map(|(amount, model)| Step::Reconfigure { amount, model }),
    ]
}

const KINDS: [RefusalKind; 3] = [
    RefusalKind::Quota,
    RefusalKind::Overload,
    RefusalKind::Acceleration,
];

fn settings(amount: u64, model: usize, slots: Option<u32>, probe: Option<u32>) -> DomainSettings {
    let burst = (amount / 3).max(1);
    let models = [
        WindowModel::Bucket { burst },
        WindowModel::Fixed { phase: at(123) },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
        WindowModel::Quantised {
            quantum: Duration::from_millis(500),
        },
        WindowModel::Unknown { burst },
    ];
    let limit = |metric, amount, seconds| Limit {
        metric,
        amount,
        window: Duration::from_secs(seconds),
        model: models[model],
        guard: Duration::from_millis(20),
    };
    let limits = vec![
        limit(Metric::Tokens, amount, 2),
        limit(Metric::Tokens, amount.saturating_mul(5), 20),
        limit(Metric::Requests, 8, 1),
    ];
    let mut settings = DomainSettings {
        limits,
        calm: CalmSettings {
            stabilisation: Duration::from_secs(3),
            growth_period: Duration::from_secs(2),
            ..CalmSettings::default()
        },
        concurrency_max: slots,
        spacing: Duration::from_millis(amount % 3),
        reservation_lifetime: Duration::from_secs(4),
        probe_concurrency: probe,
        ..DomainSettings::default()
    };
    settings.queue.waiting_max = 12;
    settings.queue.waiting_per_tenant_max = 6;
    settings
}

/// The same books, kept naively.
#[derive(Default)]
struct Books {
    open: HashMap<ReservationId, (Charge, u64)>,
    closed: Vec<ReservationId>,
    waiting: Vec<(WaiterId, Option<u64>)>,
    reserved: u64,
    settled: u64,
    refunded: u64,
    debt: u64,
}

struct Run {
    domain: Domain,
    now: u64,
    books: Books,
}

const METRIC: Metric = Metric::Tokens;

impl Run {
    fn admitted(&mut self, reservation: Reservation) {
        self.books.reserved += reservation.charge.get(METRIC);
        let ends = self.now + 4_000 * MS;
        assert!(
            self.books
                .open
                .insert(reservation.id, (reservation.charge, ends))
                .is_none()
        );
        assert!(
            !self.books.closed.contains(&reservation.id),
            "ids are never reused"
        );
    }

    fn poll(&mut self) {
        let mut events = Vec::new();
        let due = self
            .domain
            .next_wake()
            .is_some_and(|wake| wake <= at(self.now));
        self.domain.poll(at(self.now), &mut events);
        assert!(
            due || events.is_empty(),
            "nothing happens before the announced time"
        );
        let now = self.now;
        let expired: Vec<_> = self
            .books
            .open
            .iter()
            .filter(|(_, (_, ends))| *ends <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            let (charge, _) = self.books.open.remove(&id).unwrap();
            self.books.settled += charge.get(METRIC);
            self.books.closed.push(id);
        }
        for event in events {
            let (Event::Admitted { waiter, .. } | Event::Expired { waiter, .. }) = event;
            let index = self
                .books
                .waiting
                .iter()
                .position(|(id, _)| *id == waiter)
                .unwrap();
            let (_, deadline) = self.books.waiting.swap_remove(index);
            if let Event::Admitted { reservation, .. } = event {
                assert!(
                    deadline.is_none_or(|deadline| deadline >= now),
                    "not after its deadline"
                );
                self.admitted(reservation);
            }
        }
        assert!(self.domain.next_wake().is_none_or(|wake| wake > at(now)));
    }

    fn pick(&self, which: usize) -> Option<ReservationId> {
        let mut ids: Vec<_> = self.books.open.keys().copied().collect();
        ids.sort_unstable();
        (!ids.is_empty()).then(|| ids[which % ids.len()])
    }

    fn close(&mut self, id: ReservationId, charged: Charge) -> (u64, u64) {
        let (charge, _) = self.books.open.remove(&id).unwrap();
        self.books.closed.push(id);
        let (reserved, charged) = (charge.get(METRIC), charged.get(METRIC));
        self.books.settled += reserved.min(charged);
        self.books.refunded += reserved.saturating_sub(charged);
        self.books.debt += charged.saturating_sub(reserved);
        (
            reserved.saturating_sub(charged),
            charged.saturating_sub(reserved),
        )
    }

    fn settle(&mut self, id: ReservationId, percent: u64, outcome: usize) {
        let tokens = self.books.open[&id].0.get(METRIC) * percent / 100;
        let charged = Charge::ZERO.with(METRIC, tokens).with(Metric::Requests, 1);
        let outcome = [Outcome::Success, Outcome::Failed, Outcome::Refused][outcome];
        let settlement = Settlement {
            actual: None,
            charged: Some(charged),
            outcome,
        };
        let settled = self.domain.settle(id, settlement, at(self.now));
        let (refund, debt) = self.close(id, charged);
        let Settled::Applied {
            refunded,
            debt: owed,
        } = settled
        else {
            panic!("was open")
        };
        assert_eq!((refunded.get(METRIC), owed.get(METRIC)), (refund, debt));
    }

    fn submit(&mut self, request: Request) {
        match self.domain.submit(request, at(self.now)) {
            Submission::Admitted(reservation) => self.admitted(reservation),
            Submission::Queued(ticket) => {
                assert!(self.domain.outlook(ticket.id, at(self.now)).is_some());
                let deadline = request.deadline.map(|deadline| deadline.as_nanos());
                self.books.waiting.push((ticket.id, deadline));
            }
            Submission::Refused(_) => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Submit {
                tenant,
                tier,
                tokens,
                patience_ms,
                retry,
            } => self.submit(Request {
                tenant: TenantId(tenant),
                weight: u32::try_from(tenant).unwrap(),
                tier: Tier::ALL[tier],
                charge: Charge::ZERO.with(METRIC, tokens).with(Metric::Requests, 1),
                parts: (tokens % 3 == 0).then_some(paceline_limiter::ChargeParts {
                    input: tokens / 3,
                    output_max: tokens,
                }),
                deadline: patience_ms.map(|ms| at(self.now + ms * MS)),
                retry,
            }),
            Step::Wait { ms } => self.now += ms * MS,
            Step::Poll => self.poll(),
            Step::Cancel { which } => {
                if !self.books.waiting.is_empty() {
                    let index = which % self.books.waiting.len();
                    let (waiter, _) = self.books.waiting.swap_remove(index);
                    assert!(self.domain.cancel(waiter, at(self.now)));
                    assert!(!self.domain.cancel(waiter, at(self.now)));
                }
            }
            Step::Settle {
                which,
                percent,
                outcome,
            } => {
                if let Some(id) = self.pick(which) {
                    self.settle(id, percent, outcome);
                }
            }
            Step::SettleAgain { which } => {
                if !self.books.closed.is_empty() {
                    let id = self.books.closed[which % self.books.closed.len()];
                    let settlement = Settlement {
                        actual: None,
                        charged: None,
                        outcome: Outcome::Success,
                    };
                    let before = *self.domain.totals();
                    assert_eq!(
                        self.domain.settle(id, settlement, at(self.now)),
                        Settled::Already
                    );
                    assert_eq!(self.domain.abandon(id, at(self.now)), Settled::Already);
                    assert_eq!(*self.domain.totals(), before);
                }
            }
            Step::Abandon { which } => {
                if let Some(id) = self.pick(which) {
                    self.domain.abandon(id, at(self.now));
                    self.close(id, Charge::ZERO);
                }
            }
            ref other => self.hear(other),
        }
    }

    fn hear(&mut self, step: &Step) {
        let now = at(self.now);
        match *step {
            Step::Observe {
                metric,
                limit,
                remaining,
                reset_ms,
            } => {
                let reset = reset_ms.map(Duration::from_millis);
                let metric = Metric::ALL[metric];
                self.domain.observe(
                    Observation {
                        metric,
                        limit,
                        remaining,
                        reset,
                        as_of: now,
                        reservation: None,
                        window: None,
                        processing: None,
                    },
                    now,
                );
            }
            Step::Refuse {
                used,
                retry_ms,
                kind,
            } => {
                let refusal = ProviderRefusal {
                    metric: used.map(|_| METRIC),
                    limit: None,
                    used,
                    level: used,
                    requested: retry_ms,
                    window: None,
                    sent_at: now,
                    retry_after: retry_ms.map(Duration::from_millis),
                    wait_named: true,
                    jitter: Duration::from_millis(3),
                    penalty: Charge::ZERO,
                    kind: KINDS[kind],
                };
                self.domain.refused(refusal, now);
            }
            Step::Reconfigure { amount, model } => {
                self.domain
                    .reconfigure(settings(amount, model, Some(5), None), now)
                    .unwrap();
            }
            _ => {}
        }
    }

    fn check(&self) {
        let (totals, books) = (self.domain.totals(), &self.books);
        let of = |sum: &paceline_limiter::Sum| u64::try_from(sum.get(METRIC)).unwrap();
        assert_eq!(of(&totals.reserved), books.reserved);
        assert_eq!(of(&totals.settled), books.settled);
        assert_eq!(of(&totals.refunded), books.refunded);
        assert_eq!(of(&totals.debt), books.debt);
        let open: u64 = books
            .open
            .values()
            .map(|(charge, _)| charge.get(METRIC))
            .sum();
        assert_eq!(of(totals.outstanding()), open);
        assert_eq!(books.reserved, books.settled + books.refunded + open);
        let snapshot = self.domain.snapshot(at(self.now));
        assert_eq!(snapshot.in_flight, books.open.len());
        assert_eq!(snapshot.waiting.iter().sum::<usize>(), books.waiting.len());
    }

    fn check_list(&self) {
        let views = self.domain.waiting(at(self.now), 1_000);
        assert_eq!(views.len(), self.books.waiting.len());
        assert!(
            views
                .iter()
                .zip(1..)
                .all(|(view, position)| view.position == position)
        );
    }

    /// Lets everything come to its end: whoever waits goes, expires, or is cancelled.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            self.poll();
            while let Some(id) = self.pick(0) {
                self.settle(id, 90, 0);
            }
            self.poll();
            let Some(wake) = self.domain.next_wake() else {
                break;
            };
            self.now = wake.as_nanos();
        }
        assert!(
            self.books.waiting.is_empty(),
            "nobody is forgotten: {:?}",
            self.books.waiting
        );
        self.check();
        assert_eq!(self.domain.snapshot(at(self.now)).in_flight, 0);
        assert_eq!(self.domain.totals().outstanding().get(METRIC), 0);
        assert_eq!(self.domain.next_wake(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn units_are_conserved_and_everyone_is_answered(
        steps in vec(step(), 1..40),
        amount in 1..200u64,
        model in 0..6usize,
        slots in prop::option::of(1..5u32),
        probe in prop::option::of(1..4u32),
    ) {
        let domain = Domain::new(settings(amount, model, slots, probe), at(0)).unwrap();
        let mut run = Run { domain, now: 0, books: Books::default() };
        for step in &steps {
            run.step(step);
            run.check();
        }
        run.check_list();
        run.finish();
    }
}
