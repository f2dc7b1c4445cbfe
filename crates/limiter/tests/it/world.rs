//! Virtual time around a domain: an agenda of submissions and settlements, and a log.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use paceline_limiter::{
    Binding, Charge, Domain, DomainSettings, Event, Limit, Metric, Outcome, ProviderRefusal,
    QueueSettings, Refusal, RefusalKind, Request, Reservation, ReservationId, Settlement,
    Submission, TenantId, Tier, Timestamp, WaiterId, WindowModel,
};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;
pub(crate) const MINUTE: u64 = 60 * SECOND;

/// Small, seeded, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}

pub(crate) fn tokens(units: u64) -> Charge {
    Charge::ZERO.with(Metric::Tokens, units)
}

pub(crate) fn request(tenant: u64, charge: Charge) -> Request {
    Request {
        tenant: TenantId(tenant),
        weight: 1,
        tier: Tier::Standard,
        charge,
        parts: None,
        deadline: None,
        retry: false,
    }
}

pub(crate) fn limit(amount: u64, window_ns: u64, model: WindowModel) -> Limit {
    let window = Duration::from_nanos(window_ns);
    Limit {
        metric: Metric::Tokens,
        amount,
        window,
        model,
        guard: Duration::ZERO,
    }
}

pub(crate) fn bucket(amount: u64, window_ns: u64) -> Limit {
    limit(amount, window_ns, WindowModel::Bucket { burst: amount })
}

pub(crate) fn settings(limits: &[Limit]) -> DomainSettings {
    DomainSettings {
        limits: limits.to_vec(),
        queue: QueueSettings {
            waiting_max: 100_000,
            waiting_per_tenant_max: 100_000,
            ..QueueSettings::default()
        },
        ..DomainSettings::default()
    }
}

/// A refusal for tokens, of a request sent at `sent_at`.
pub(crate) fn refusal(sent_at: u64, retry_after_ms: Option<u64>) -> ProviderRefusal {
    ProviderRefusal {
        metric: Some(Metric::Tokens),
        limit: None,
        used: None,
        level: None,
        requested: None,
        window: None,
        sent_at: Timestamp::from_nanos(sent_at),
        retry_after: retry_after_ms.map(Duration::from_millis),
        wait_named: retry_after_ms.is_some(),
        jitter: Duration::ZERO,
        penalty: Charge::ZERO,
        kind: RefusalKind::Quota,
    }
}

pub(crate) fn spent(charged: Option<Charge>) -> Settlement {
    Settlement {
        charged,
        actual: None,
        outcome: Outcome::Success,
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Submit {
        tag: u64,
        request: Request,
    },
    Settle {
        id: ReservationId,
        settlement: Settlement,
    },
    /// The provider refuses; the request is submitted again.
    Refuse(Box<(Launch, ProviderRefusal)>),
}

/// One admission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub(crate) tag: u64,
    pub(crate) at: u64,
    pub(crate) submitted: u64,
    pub(crate) request: Request,
    pub(crate) reservation: Reservation,
    pub(crate) binding: Option<Binding>,
}

impl Launch {
    pub(crate) fn waited(&self) -> u64 {
        self.at - self.submitted
    }

    pub(crate) fn units(&self) -> u64 {
        self.request.charge.get(Metric::Tokens)
    }
}

/// What follows from a launch: an action so many nanoseconds later.
type Follow = Box<dyn FnMut(&Launch) -> Vec<(u64, Action)>>;

pub(crate) struct World {
    pub(crate) domain: Domain,
    pub(crate) now: u64,
    pub(crate) launches: Vec<Launch>,
    pub(crate) expired: Vec<(u64, u64, Refusal)>,
    pub(crate) refused: Vec<(u64, u64, Refusal)>,
    pub(crate) waiting: HashMap<WaiterId, (u64, u64, Request)>,
    pub(crate) polls: u64,
    agenda: BTreeMap<(u64, u64), Action>,
    follow: Follow,
    sequence: u64,
}

impl World {
    pub(crate) fn new(settings: DomainSettings) -> Self {
        Self::starting_at(settings, 0)
    }

    pub(crate) fn starting_at(settings: DomainSettings, now: u64) -> Self {
        Self {
            domain: Domain::new(settings, Timestamp::from_nanos(now)).unwrap(),
            now,
            launches: Vec::new(),
            expired: Vec::new(),
            refused: Vec::new(),
            waiting: HashMap::new(),
            polls: 0,
            agenda: BTreeMap::new(),
            follow: Box::new(|_| Vec::new()),
            sequence: 0,
        }
    }

    pub(crate) fn following(
        mut self,
        follow: impl FnMut(&Launch) -> Vec<(u64, Action)> + 'static,
    ) -> Self {
        self.follow = Box::new(follow);
        self
    }

    /// Settles each launch as reserved after `latency`.
    pub(crate) fn settling_after(self, latency: u64) -> Self {
        self.following(move |launch| {
            let (id, settlement) = (launch.reservation.id, spent(None));
            vec![(latency, Action::Settle { id, settlement })]
        })
    }

    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }

    pub(crate) fn plan(&mut self, at: u64, action: Action) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), action);
    }

    pub(crate) fn submit_at(&mut self, at: u64, tag: u64, request: Request) {
        self.plan(at, Action::Submit { tag, request });
    }

    fn launched(&mut self, launch: Launch) {
        for (delay, action) in (self.follow)(&launch) {
            self.plan(self.now + delay, action);
        }
        self.launches.push(launch);
    }

    pub(crate) fn act(&mut self, action: Action) {
        let now = self.time();
        match action {
            Action::Submit { tag, request } => match self.domain.submit(request, now) {
                Submission::Admitted(reservation) => {
                    let (at, submitted) = (self.now, self.now);
                    let binding = None;
                    self.launched(Launch {
                        tag,
                        at,
                        submitted,
                        request,
                        reservation,
                        binding,
                    });
                }
                Submission::Queued(ticket) => {
                    self.waiting.insert(ticket.id, (tag, self.now, request));
                }
                Submission::Refused(refusal) => self.refused.push((tag, self.now, refusal)),
            },
            Action::Settle { id, settlement } => {
                self.domain.settle(id, settlement, now);
                self.poll();
            }
            Action::Refuse(refused) => {
                let (launch, refusal) = *refused;
                let settlement = Settlement {
                    actual: None,
                    charged: Some(Charge::ZERO),
                    outcome: Outcome::Refused,
                };
                self.domain.settle(launch.reservation.id, settlement, now);
                self.domain.refused(refusal, now);
                self.poll();
                let (tag, request) = (launch.tag, launch.request);
                self.act(Action::Submit { tag, request });
            }
        }
    }

    pub(crate) fn poll(&mut self) {
        let mut events = Vec::new();
        self.polls += 1;
        self.domain.poll(self.time(), &mut events);
        for event in events {
            match event {
                Event::Admitted {
                    waiter,
                    reservation,
                    waited,
                    binding,
                } => {
                    let (tag, submitted, request) = self.waiting.remove(&waiter).unwrap();
                    assert_eq!(Duration::from_nanos(self.now - submitted), waited);
                    let (at, binding) = (self.now, Some(binding));
                    self.launched(Launch {
                        tag,
                        at,
                        submitted,
                        request,
                        reservation,
                        binding,
                    });
                }
                Event::Expired { waiter, refusal } => {
                    let (tag, ..) = self.waiting.remove(&waiter).unwrap();
                    self.expired.push((tag, self.now, refusal));
                }
            }
        }
        let wake = self.domain.next_wake();
        assert!(
            wake.is_none_or(|wake| wake > self.time()),
            "a poll leaves nothing to do at once"
        );
    }

    /// Lets time pass until nothing is left to do, or until `end`.
    pub(crate) fn run_until(&mut self, end: u64) {
        loop {
            let action = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let wake = self.domain.next_wake().map(Timestamp::as_nanos);
            let Some(next) = [action, wake].into_iter().flatten().min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            match self.agenda.first_entry() {
                Some(entry) if entry.key().0 <= self.now && wake.is_none_or(|w| w > self.now) => {
                    let action = entry.remove();
                    self.act(action);
                }
                _ => self.poll(),
            }
        }
    }

    /// Lets time pass until nobody waits and nothing is planned.
    pub(crate) fn run(&mut self) {
        self.run_until(u64::MAX);
    }

    pub(crate) fn launch_of(&self, tag: u64) -> &Launch {
        self.launches
            .iter()
            .find(|launch| launch.tag == tag)
            .unwrap()
    }

    pub(crate) fn sizes(&self) -> Vec<(u64, u64)> {
        self.launches
            .iter()
            .map(|launch| (launch.at, launch.units()))
            .collect()
    }
}
