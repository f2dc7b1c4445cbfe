//! Request and response types of the admin plane, and its description as an OpenAPI document.
//!
//! Shared by the gateway that answers and the programs that ask. Knows no web framework and no
//! store. Durations are whole milliseconds, amounts whole units; names end in their unit.

mod changes;
mod control;
mod cost;
mod dashboard;
mod error;
mod estimates;
mod events;
mod forecasts;
mod history;
mod lanes;
mod ledger;
mod limits;
mod openapi;
mod performance;
mod prompts;
mod queue;
mod requests;
mod simulation;
mod suggestions;
mod usage;

pub use changes::{Change, ChangeKind, Changes};
pub use control::{
    Alerts, BudgetAlert, BudgetStanding, BudgetStandings, Cancelled, ResetAnswer, ResetRequest,
};
pub use cost::{CostBreakdown, CostGroup, CostPoint, CostSums};
pub use dashboard::{ChatSetup, DashboardSession, DashboardTicket, LimitsOrigin, SignIn};
pub use error::{AdminError, AdminErrorBody};
pub use estimates::{Estimates, EstimatorError, InputEstimate, OutputEstimate};
pub use events::{EpisodeNow, LaneNow, LanesNow, LedgerNow, LimitNow, Now, PoolNow};
pub use forecasts::{Forecasts, LimitForecast, PoolForecast, SpendForecast};
pub use history::{History, LimitHistory, PoolHistory};
pub use lanes::{LaneCause, LaneLimit, LanePool, LaneState, LaneWindow, Lanes, ProviderState};
pub use ledger::LedgerState;
pub use limits::{
    BeliefState, ChargeState, ClockState, CoolDown, EpisodeState, LimitState, PoolState,
    RateLimits, SharingState, ThrottleState, TokenTotals,
};
pub use openapi::document;
pub use performance::{
    AddedLatency, Performance, PerformanceGroup, PerformancePoint, PerformanceSums, Score,
    ScorePart, Times,
};
pub use prompts::{PromptSize, PromptSizes};
pub use queue::{QueueStatus, TierDepth, WaitingCall};
pub use requests::{CallRecord, RequestsPage};
pub use simulation::{
    PresetSetting, SenderResult, SettingsPreset, SimulatedBursts, SimulatedGateway, SimulatedJob,
    SimulatedKind, SimulatedMetric, SimulatedPoint, SimulatedPriority, SimulatedQuota,
    SimulatedSender, SimulatedTenant, SimulatedWaits, SimulatedWorkload, Simulation,
    SimulationProposal, SimulationRequest, StepLimit,
};
pub use suggestions::{Suggestion, SuggestionKind, Suggestions};
pub use usage::{EstimateAccuracy, SessionUsage, TokenUsage, UsageGroup, UsagePoint, UsageSums};
