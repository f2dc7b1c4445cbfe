//! What is known of choices between the lanes of one model.

use std::sync::Arc;
use std::time::Duration;

use paceline_config::{Choose, FallBack, HedgeRule, ModelRule};
use paceline_routing::{
    Affinity, AffinitySettings, Call, Choice, FallBackOn, Hedge, HedgeDelay, HedgeSettings, Lane,
    LaneId, LaneKey, Policy, Router, RouterSettings, Session, SessionKey, Timestamp,
};
use parking_lot::Mutex;

use super::lane::jitter;

/// Chooses between the lanes of one model.
#[derive(Debug)]
pub(crate) struct Chooser {
    router: Router,
    /// Where sessions were, which outlives a change of the rule.
    affinity: Arc<Mutex<Affinity>>,
    /// `None`: calls are not sent a second time.
    hedge: Option<Hedge>,
}

impl Chooser {
    pub(super) fn new(rule: &ModelRule) -> Self {
        let affinity = Affinity::new(AffinitySettings::default());
        Self::with(rule, Arc::new(Mutex::new(affinity)))
    }

    /// One that goes by another rule, and knows where sessions were.
    pub(super) fn under(&self, rule: &ModelRule) -> Self {
        Self::with(rule, Arc::clone(&self.affinity))
    }

    fn with(rule: &ModelRule, affinity: Arc<Mutex<Affinity>>) -> Self {
        Self {
            router: Router::new(router_settings(rule)),
            affinity,
            hedge: rule.hedge.map(|hedge| Hedge::new(hedge_settings(hedge))),
        }
    }

    /// The order in which a call tries these lanes.
    pub(crate) fn choose(
        &mut self,
        session: Option<SessionKey>,
        lanes: &[Lane],
        now: Timestamp,
    ) -> Choice {
        let session = session.map(|key| Session {
            key,
            last: self.affinity.lock().last(key, now),
        });
        let call = Call {
            session,
            may_probe: true,
            // Below 1 always.
            draw: jitter().min(1.0 - f64::EPSILON),
        };
        self.router.choose(&call, lanes)
    }

    /// A call of the session was answered over a lane.
    pub(crate) fn answered(&mut self, session: SessionKey, lane: LaneKey, now: Timestamp) {
        self.affinity.lock().keep(session, lane, now);
    }

    /// A call begins that could be sent a second time: how long after the first time, where that is
    /// known. `p95` is what 95 % of the answers of its lane keep to.
    pub(crate) fn late_after(&mut self, p95: Option<Duration>) -> Option<Duration> {
        let hedge = self.hedge.as_mut()?;
        hedge.earn();
        hedge.due_after(p95)
    }

    /// Where a call goes a second time that is late at `first`.
    pub(crate) fn second(
        &mut self,
        first: LaneId,
        mut lanes: Vec<Lane>,
        now: Timestamp,
    ) -> Option<LaneId> {
        lanes.retain(|lane| lane.id != first);
        let order = self.choose(None, &lanes, now).order;
        let place = |lane: &Lane| order.iter().position(|placed| placed.lane == lane.id);
        lanes.sort_by_key(|lane| place(lane).unwrap_or(usize::MAX));
        self.hedge.as_mut()?.take(first, &lanes).ok()
    }

    /// The call did not go there after all.
    pub(crate) fn not_second(&mut self) {
        if let Some(hedge) = &mut self.hedge {
            hedge.give_back();
        }
    }
}

fn hedge_settings(rule: HedgeRule) -> HedgeSettings {
    let usual = HedgeSettings::default();
    HedgeSettings {
        delay: rule.after.map_or(usual.delay, HedgeDelay::Fixed),
        share: rule.share_max,
        ..usual
    }
}

fn router_settings(rule: &ModelRule) -> RouterSettings {
    let has = |reason| rule.fall_back_on.contains(&reason);
    RouterSettings {
        policy: match rule.choose {
            Choose::Soonest => Policy::Soonest,
            Choose::Weighted => Policy::Weighted,
            Choose::InOrder => Policy::InOrder,
            Choose::Cheapest => Policy::Cheapest,
            Choose::Fastest => Policy::Fastest,
        },
        fall_back_on: FallBackOn {
            quota: has(FallBack::Quota),
            overload: has(FallBack::Overload),
            error: has(FallBack::Error),
            context_length: has(FallBack::ContextLength),
        },
        fall_back_after: rule.fall_back_after,
        affinity_wait: (!rule.session_patience.is_zero()).then_some(rule.session_patience),
        cheapest_wait_max: rule.fall_back_after,
    }
}
