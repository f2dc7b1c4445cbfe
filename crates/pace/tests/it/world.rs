//! Processes with callers, around one provider and one store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use paceline_coordinator::{InProcess, InstanceId};
use paceline_limiter::{
    Charge, ChargeFormula, ChargeParts, Combine, DomainSettings, Limit, Metric, Observation,
    Outcome, ProviderRefusal, RefusalKind, Request, TenantId, Tier, Timestamp, WindowModel,
};
use paceline_pace::{
    Acquired, Clock, Lease, Pool, SharingMode, Store, StoreSettings, Turn, WhenAway, keep_time,
};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::provider::{Kind, Provider};
use crate::store::Way;

const MINUTE: Duration = Duration::from_secs(60);
const GUARD: Duration = Duration::from_millis(50);

/// Whom a process's callers call for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) callers: u64,
    pub(crate) tenant: u64,
    pub(crate) weight: u32,
    pub(crate) tier: Tier,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            callers: 12,
            tenant: 0,
            weight: 1,
            tier: Tier::Standard,
        }
    }
}

/// One process.
pub(crate) struct Process {
    pub(crate) pool: Arc<Pool<()>>,
    pub(crate) way: Way,
    store: Store,
    served: Arc<AtomicU64>,
}

impl Process {
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn mode(&self) -> SharingMode {
        self.pool.sharing().unwrap().mode
    }

    pub(crate) async fn leave(&self) {
        self.store.leave(Duration::from_secs(1)).await;
    }
}

/// All there is.
pub(crate) struct World {
    pub(crate) provider: Arc<Provider>,
    pub(crate) store: InProcess,
    kind: Kind,
    is_learned: bool,
    combine: Option<Combine>,
    when_away: WhenAway,
    count: u64,
}

impl World {
    pub(crate) fn new(kind: Kind, amount: u64) -> Self {
        Self {
            provider: Arc::new(Provider::new(kind, amount)),
            store: InProcess::new(),
            kind,
            is_learned: false,
            combine: None,
            when_away: WhenAway::Share,
            count: 0,
        }
    }

    /// Nothing is known of the limits but what answers tell.
    pub(crate) fn learned(mut self) -> Self {
        self.is_learned = true;
        self
    }

    /// Requests tell what their charge is made from, and the provider charges by this formula.
    pub(crate) fn charging(mut self, combine: Combine) -> Self {
        self.combine = Some(combine);
        self
    }

    pub(crate) fn when_away(mut self, when_away: WhenAway) -> Self {
        self.when_away = when_away;
        self
    }

    fn settings(&self, clock: &Clock) -> DomainSettings {
        let amount = self.provider.amount;
        let model = match self.kind {
            Kind::Bucket => WindowModel::Bucket { burst: amount },
            Kind::Fixed => WindowModel::Fixed { phase: clock.now() },
            Kind::Sliding => WindowModel::Sliding,
        };
        let limit = Limit {
            metric: Metric::Tokens,
            amount,
            window: MINUTE,
            model,
            guard: GUARD,
        };
        DomainSettings {
            limits: if self.is_learned { vec![] } else { vec![limit] },
            probe_concurrency: self.is_learned.then_some(2),
            ..DomainSettings::default()
        }
    }

    /// A process with callers that never stop. Fixed windows start with the world, so that processes
    /// have to as well.
    pub(crate) fn start(&mut self, load: Load) -> Process {
        let clock = Clock::start();
        let pool = Arc::new(Pool::new(self.settings(&clock), clock, ()).unwrap());
        keep_time(&pool).unwrap();
        self.count += 1;
        let way = Way::to(&self.store);
        let coordinator = Arc::new(way.clone());
        let settings = StoreSettings::default();
        let store = Store::new(
            coordinator,
            InstanceId(self.count),
            settings,
            &Handle::current(),
        );
        pool.share(&store, "d", self.when_away, &Handle::current());
        let served = Arc::new(AtomicU64::new(0));
        for caller in 0..load.callers {
            let caller = Caller {
                pool: Arc::clone(&pool),
                provider: Arc::clone(&self.provider),
                served: Arc::clone(&served),
                load,
                combine: self.combine,
                state: self.count << 32 | caller,
            };
            tokio::spawn(caller.run());
        }
        Process {
            pool,
            way,
            store,
            served,
        }
    }
}

struct Caller {
    pool: Arc<Pool<()>>,
    provider: Arc<Provider>,
    served: Arc<AtomicU64>,
    load: Load,
    combine: Option<Combine>,
    state: u64,
}

impl Caller {
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    async fn run(mut self) {
        loop {
            let parts = ChargeParts {
                input: 50 + self.below(400),
                output_max: 50 + self.below(400),
            };
            let formula = ChargeFormula {
                combine: self.combine.unwrap_or(Combine::Input),
                ..ChargeFormula::CAUTIOUS
            };
            let tokens = formula.tokens(&parts);
            let request = Request {
                tenant: TenantId(self.load.tenant),
                weight: self.load.weight,
                tier: self.load.tier,
                charge: Charge::ZERO.with(Metric::Tokens, tokens),
                parts: self.combine.map(|_| parts),
                deadline: None,
                retry: false,
            };
            let lease = match self.pool.acquire(request, ()) {
                Acquired::Now(lease) => lease,
                Acquired::Later(wait, _) => match wait.await {
                    Turn::Go { lease, .. } => lease,
                    Turn::Refused(_) => return,
                },
                Acquired::Refused(_) => return,
            };
            self.call(lease, tokens).await;
        }
    }

    async fn call(&mut self, mut lease: Lease<()>, tokens: u64) {
        let pool = Arc::clone(lease.pool());
        let sent = pool.clock().now();
        lease.dispatched();
        sleep(Duration::from_micros(5_000 + self.below(30_000))).await;
        let counted = self.provider.ask(tokens);
        let work = Duration::from_millis(50 + self.below(400));
        sleep(work).await;
        sleep(Duration::from_micros(5_000 + self.below(10_000))).await;
        if counted.is_admitted {
            pool.observe(&[Observation {
                metric: Metric::Tokens,
                limit: self.provider.amount,
                remaining: self.provider.amount as i64 - counted.used as i64,
                reset: Some(counted.reset),
                as_of: sent,
                reservation: Some(lease.id()),
                window: None,
                processing: Some(work),
            }]);
            self.served.fetch_add(tokens, Ordering::Relaxed);
            lease.settle(None, None, Outcome::Success);
        } else {
            pool.refused(self.refusal(sent, tokens), "too many tokens");
            let nothing = Charge::ZERO;
            lease.settle(Some(nothing), None, Outcome::Refused);
        }
    }

    fn refusal(&self, sent_at: Timestamp, tokens: u64) -> ProviderRefusal {
        ProviderRefusal {
            metric: Some(Metric::Tokens),
            limit: Some(self.provider.amount),
            used: None,
            level: None,
            requested: Some(tokens),
            window: None,
            sent_at,
            retry_after: None,
            wait_named: false,
            jitter: Duration::ZERO,
            penalty: Charge::ZERO,
            kind: RefusalKind::Quota,
        }
    }
}

/// Lets virtual time pass.
pub(crate) async fn pass(seconds: u64) -> Instant {
    sleep(Duration::from_secs(seconds)).await;
    Instant::now()
}
