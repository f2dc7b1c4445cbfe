//! An instance that says the simplest things.

use std::time::{Duration, Instant};

use paceline_coordinator::{
    Answer, Ask, Coordinator, CountKind, Head, InstanceId, LimitId, StoreError, Terms, TicketId,
};
use paceline_coordinator_redis::{RedisCoordinator, Settings};
use paceline_limiter::{Charge, Metric, Tier};

/// Longer than anything takes that is not broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Settings for tests: a time box that a busy machine does not break.
pub(crate) fn settings(url: &str) -> Settings {
    Settings::from_url(url)
        .unwrap()
        .time_box(Duration::from_secs(2))
}

pub(crate) async fn connect(url: &str) -> RedisCoordinator {
    RedisCoordinator::connect(&settings(url)).await.unwrap()
}

pub(crate) struct Talker {
    pub(crate) ask: Ask,
}

impl Talker {
    pub(crate) fn new(id: u64) -> Self {
        let id = InstanceId(id);
        let terms = Terms {
            id: LimitId {
                metric: Metric::Tokens,
                window_ms: 3_600_000,
            },
            amount: 1_000,
            kind: CountKind::Sliding,
            since_us: 1,
            burst: 1_000,
            guard_us: 0,
            reserve: 0,
            ends_us: None,
            used: 0,
            spent: 0,
        };
        let ask = Ask {
            instance: id,
            sequence: 0,
            epoch: None,
            lease_us: 60_000_000,
            pause_us: 0,
            spacing_us: 0,
            in_flight_max: None,
            demand: 1,
            shares_ppm: [500_000, 250_000, 50_000],
            terms: vec![terms],
            closed: Vec::new(),
            corrections: Vec::new(),
            heads: Vec::new(),
            knows: 0,
            teaches: None,
            leaves: false,
        };
        Self { ask }
    }

    /// One more request of so many tokens.
    pub(crate) fn request(&mut self, tokens: u64) {
        self.ask.sequence += 1;
        self.ask.heads = vec![Head {
            id: TicketId(self.ask.sequence),
            tenant: 1,
            weight: 1,
            tier: Tier::Standard,
            charge: Charge::ZERO.with(Metric::Tokens, tokens),
            behind: Charge::ZERO,
        }];
    }

    pub(crate) async fn say(
        &mut self,
        store: &RedisCoordinator,
        domain: &str,
    ) -> Result<Answer, StoreError> {
        let answer = store.exchange(domain, &self.ask).await?;
        self.ask.epoch = Some(answer.epoch);
        self.ask.heads.clear();
        Ok(answer)
    }

    /// Asks for tokens; what is used then.
    pub(crate) async fn take(&mut self, store: &RedisCoordinator, tokens: u64) -> u64 {
        self.request(tokens);
        self.say(store, "one").await.unwrap().levels[0].used
    }

    /// The same until the store answers.
    pub(crate) async fn until_answered(&mut self, store: &RedisCoordinator) -> Answer {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.say(store, "one").await {
                Ok(answer) => return answer,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
