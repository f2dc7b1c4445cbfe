//! An instance as cases play it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use paceline_limiter::{Charge, Metric, Tier};

use crate::message::{
    Answer, Ask, Closed, CountKind, End, Epoch, Head, InstanceId, LimitId, Terms, TicketId,
};
use crate::store::Coordinator;

/// A number that nobody else draws.
pub(super) fn drawn() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    RandomState::new().hash_one(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A name that no other domain has.
pub(super) fn fresh_domain() -> String {
    format!("case {:016x}", drawn())
}

pub(super) const TOKENS_A_SECOND: LimitId = LimitId {
    metric: Metric::Tokens,
    window_ms: 1_000,
};

/// A limit that all of the window may be used of at once, by everything but small print.
pub(super) const fn limit(id: LimitId, kind: CountKind, amount: u64) -> Terms {
    Terms {
        id,
        amount,
        kind,
        since_us: 1,
        burst: amount,
        guard_us: 0,
        reserve: 0,
        ends_us: None,
        used: 0,
        spent: 0,
    }
}

/// A limit that does not bind within a case: 1,000 tokens an hour.
pub(super) const fn hourly(kind: CountKind) -> Terms {
    let id = LimitId {
        metric: Metric::Tokens,
        window_ms: 3_600_000,
    };
    limit(id, kind, 1_000)
}

pub(super) struct Actor<'a> {
    store: &'a dyn Coordinator,
    pub(super) domain: String,
    pub(super) id: InstanceId,
    pub(super) ask: Ask,
    next: u64,
}

impl<'a> Actor<'a> {
    pub(super) fn new(store: &'a dyn Coordinator, domain: &str, terms: &[Terms]) -> Self {
        let id = InstanceId(drawn());
        let ask = Ask {
            instance: id,
            sequence: 0,
            epoch: None,
            lease_us: 60_000_000,
            pause_us: 0,
            spacing_us: 0,
            in_flight_max: None,
            demand: 100,
            shares_ppm: [500_000, 250_000, 50_000],
            terms: terms.to_vec(),
            closed: Vec::new(),
            corrections: Vec::new(),
            heads: Vec::new(),
            knows: 0,
            teaches: None,
            leaves: false,
        };
        let domain = domain.to_owned();
        Self {
            store,
            domain,
            id,
            ask,
            next: 0,
        }
    }

    /// Someone of a tenant comes and waits.
    pub(super) fn queue(&mut self, tokens: u64, tenant: u64, weight: u32, tier: Tier) -> TicketId {
        self.next += 1;
        let id = TicketId(self.next);
        self.ask.heads.push(Head {
            id,
            tenant,
            weight,
            tier,
            charge: Charge::ZERO
                .with(Metric::Tokens, tokens)
                .with(Metric::Requests, 1),
            behind: Charge::ZERO,
        });
        id
    }

    /// Someone comes and waits.
    pub(super) fn request(&mut self, tokens: u64) -> TicketId {
        self.queue(tokens, 1, 1, Tier::Standard)
    }

    pub(super) fn close(&mut self, id: TicketId, end: End) {
        self.ask.closed.push(Closed { id, end });
    }

    pub(super) fn charged(&mut self, id: TicketId, tokens: u64) {
        let charge = Charge::ZERO
            .with(Metric::Tokens, tokens)
            .with(Metric::Requests, 1);
        self.close(id, End::Charged(charge));
    }

    /// Says what there is to say; who is let in waits no longer.
    pub(super) async fn say(&mut self) -> Answer {
        self.ask.sequence += 1;
        let answer = self.repeat().await;
        let granted = granted(&answer);
        self.ask.heads.retain(|head| !granted.contains(&head.id));
        self.ask.closed.clear();
        self.ask.corrections.clear();
        self.ask.pause_us = 0;
        self.ask.teaches = None;
        answer
    }

    /// Says the same as it stands, with the number of the last message.
    pub(super) async fn repeat(&mut self) -> Answer {
        let answer = self.store.exchange(&self.domain, &self.ask).await.unwrap();
        self.ask.epoch = Some(answer.epoch);
        answer
    }

    /// Someone comes; whether it may go at once.
    pub(super) async fn try_one(&mut self, tokens: u64) -> Option<TicketId> {
        let id = self.request(tokens);
        let answer = self.say().await;
        granted(&answer).contains(&id).then_some(id)
    }

    pub(super) const fn was_in(&mut self, epoch: Epoch) {
        self.ask.epoch = Some(epoch);
    }
}

pub(super) fn granted(answer: &Answer) -> Vec<TicketId> {
    answer.grants.iter().map(|grant| grant.id).collect()
}

pub(super) fn used(answer: &Answer) -> u64 {
    answer.levels.first().map_or(0, |level| level.used)
}
