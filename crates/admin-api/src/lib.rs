//! Request and response types of the admin plane.
//!
//! Shared by the gateway that answers and the programs that ask. Knows no web framework and no
//! store. Durations are whole milliseconds, amounts whole units; names end in their unit.

mod control;
mod estimates;
mod limits;
mod queue;

pub use control::{
    Alerts, BudgetAlert, BudgetStanding, BudgetStandings, Cancelled, ResetAnswer, ResetRequest,
};
pub use estimates::{Estimates, EstimatorError, InputEstimate, OutputEstimate};
pub use limits::{
    BeliefState, ChargeState, ClockState, CoolDown, EpisodeState, LimitState, PoolState,
    RateLimits, SharingState, ThrottleState, TokenTotals,
};
pub use queue::{QueueStatus, TierDepth, WaitingCall};
