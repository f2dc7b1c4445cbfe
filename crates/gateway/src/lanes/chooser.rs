//! What is known of choices between the lanes of one model.

use paceline_config::{Choose, FallBack, ModelRule};
use paceline_routing::{
    Affinity, AffinitySettings, Call, Choice, FallBackOn, Lane, LaneId, Policy, Router,
    RouterSettings, Session, SessionKey, Timestamp,
};

use super::lane::jitter;

/// Chooses between the lanes of one model.
#[derive(Debug)]
pub(crate) struct Chooser {
    router: Router,
    affinity: Affinity,
}

impl Chooser {
    pub(super) fn new(rule: &ModelRule) -> Self {
        Self {
            router: Router::new(router_settings(rule)),
            affinity: Affinity::new(AffinitySettings::default()),
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
            last: self.affinity.last(key, now),
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
    pub(crate) fn answered(&mut self, session: SessionKey, lane: LaneId, now: Timestamp) {
        self.affinity.keep(session, lane, now);
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
