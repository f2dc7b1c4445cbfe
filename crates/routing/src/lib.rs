//! Which lane a call takes, and which lanes are ill.
//!
//! A *lane* is a way to reach a model: a provider entry with its key, and the model's name there.
//! Each lane has a [`Breaker`], which hears how its calls went and says whether the lane is fit
//! for use; a [`Router`] puts the lanes of a model into the order in which a call tries them;
//! [`Affinity`] remembers which lane has a session's prompt cache; a [`Hedge`] says when a second
//! attempt beside a slow first one is worth its cost.
//!
//! The crate deliberately does not know clocks, sockets, providers, quotas or HTTP: `now` and
//! randomness are arguments, what a lane's quota allows is told by the caller, and so is what an
//! answer meant. The same calls always give the same answers. Nothing grows without bound.
//!
//! ```
//! use std::time::Duration;
//! use paceline_routing::{
//!     Breaker, BreakerSettings, Call, Fault, FaultKind, Lane, LaneId, LaneKey, Outcome, Router,
//!     RouterSettings, Timestamp,
//! };
//!
//! let mut breakers = [(); 2].map(|()| Breaker::new(BreakerSettings::default()));
//! let keys = [LaneKey::of("openai", "gpt-4o-mini"), LaneKey::of("azure", "mini")];
//! let mut router = Router::new(RouterSettings::default());
//! let (now, random) = (Timestamp::from_nanos(1), 0.5);
//!
//! let lanes: Vec<Lane> = (0..2)
//!     .map(|index| Lane {
//!         health: breakers[index].health(now, random),
//!         wait: Some(Duration::from_millis(40 * index as u64)),
//!         ..Lane::new(LaneId(index as u32), keys[index])
//!     })
//!     .collect();
//! let call = Call { session: None, may_probe: true, draw: random };
//! for placed in router.choose(&call, &lanes).order {
//!     let breaker = &mut breakers[placed.lane.0 as usize];
//!     // Another call may have become the lane's probe meanwhile.
//!     let Ok(pass) = breaker.begin(now) else { continue };
//!     // Here the call is sent: no connection to the first lane, an answer from the second.
//!     if placed.lane == LaneId(0) {
//!         let fault = Fault::new(FaultKind::Connect).with_message("connection refused");
//!         breaker.end(pass, &Outcome::Fault(fault), now, random);
//!     } else {
//!         breaker.first_byte(&pass, now, random);
//!         breaker.end(pass, &Outcome::Whole, now, random);
//!         break;
//!     }
//! }
//! assert_eq!(breakers[0].view(now).faults_in_a_row, 1);
//! assert_eq!(breakers[1].view(now).ends, 1);
//! ```

#![forbid(unsafe_code)]

mod affinity;
mod breaker;
mod choice;
mod fault;
mod hash;
mod hedge;
mod lane;
mod latency;
mod time;

pub use affinity::{Affinity, AffinitySettings, SessionKey, rendezvous};
pub use breaker::{
    Breaker, BreakerSettings, BreakerView, Hang, Health, Pass, Refused, Slow, StateView,
};
pub use choice::{
    Call, Choice, FallBackOn, Out, Placed, Policy, Reason, Router, RouterSettings, Session, Trigger,
};
pub use fault::{Cause, Fault, FaultKind, Outcome};
pub use hedge::{Hedge, HedgeDelay, HedgeRefusal, HedgeSettings};
pub use lane::{Fit, Lane, LaneId, LaneKey};
pub use latency::Latency;
pub use time::Timestamp;

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}; {remedy}")]
pub struct SettingsError {
    /// The field.
    pub setting: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
    /// What to write instead.
    pub remedy: &'static str,
}
