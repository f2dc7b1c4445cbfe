//! Pure pacing decisions: quotas, windows, reservations, settlement and the fair queue.
//!
//! A [`Domain`] stands for one pool of limits at a provider. Requests are submitted to it with
//! the charge that the provider will deduct; it admits them at the moment they fit every limit
//! at once, in a fair order, and tells those that wait what to expect.
//!
//! The crate deliberately does not know clocks, threads, sockets, providers or tokens: `now` is
//! an argument of every call, and the caller sleeps until [`Domain::next_wake`] and then calls
//! [`Domain::poll`]. The same calls always give the same answers.

#![forbid(unsafe_code)]

mod belief;
mod charge;
mod course;
mod crowd;
mod cut;
mod domain;
mod elsewhere;
mod episode;
mod expected;
mod formula;
mod gate;
mod learning;
mod limits;
mod meter;
mod queue;
mod ramp;
mod request;
mod reservation;
mod settings;
mod settlement;
mod slab;
mod snapshot;
mod throttle;
mod time;
mod totals;
mod window;

pub use belief::{
    Change, ChangeReason, ChargeBelief, LimitBelief, LimitMemory, Memory, WindowKind,
};
pub use charge::{Charge, Metric};
pub use domain::{Domain, Prospect};
pub use elsewhere::{Admission, Bounds, Closing, Granted, Level, News, Offer, Step, Terms, Told};
pub use formula::{ActualTokens, ChargeFormula, ChargeParts, Combine};
pub use request::{
    Binding, Event, Outlook, Refusal, Request, Reservation, ReservationId, Submission, TenantId,
    Ticket, Tier, WaiterId,
};
pub use settings::{
    CalmSettings, DomainSettings, Limit, QueueSettings, SettingsError, TierSettings, WINDOW_MAX,
    WindowModel,
};
pub use settlement::{Observation, Outcome, ProviderRefusal, RefusalKind, Settled, Settlement};
pub use snapshot::{
    DomainSnapshot, Episode, LimitSource, LimitView, RampView, ThrottleKind, ThrottleView,
    WaitingView,
};
pub use time::Timestamp;
pub use totals::{Sum, Totals};
