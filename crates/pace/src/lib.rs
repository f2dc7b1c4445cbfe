//! One limit pool at work: the limiter's decisions with a clock, waiters and a timer.
//!
//! `paceline-limiter` decides and takes the time as an argument; somebody has to hold its state,
//! read a clock, wake those who wait, sleep until the next moment at which something can happen, and
//! see to it that every reservation is settled. That is a [`Pool`], with [`Lease`]s for what was
//! admitted and [`Wait`]s for what was not. The gateway and the library both stand on it.
//!
//! What a provider's answers tell is turned here into what the limiter takes ([`observation`],
//! [`pool_kind`]). It deliberately knows no connections and no tokens, has no names, metrics or logs,
//! and does not know which requests share a pool: whoever owns one is told by a [`Watch`].

#![forbid(unsafe_code)]

mod clock;
mod keep;
mod lease;
mod pool;
mod remembered;
mod shared;
mod timer;
mod told;
mod watch;
mod window;

pub use clock::Clock;
pub use keep::{TimerError, own_runtime, present_runtime};
pub use lease::Lease;
pub use pool::{Acquired, NotNow, Pool, Turn, Wait};
pub use remembered::{Nonsense, Remembered};
pub use shared::{Sharing, SharingMode, Store, StoreSettings, WhenAway};
pub use timer::keep_time;
pub use told::{
    Answered, charged_although_refused, is_quota, level, limiter_metric, observation, pool_kind,
    processing,
};
pub use watch::{SharingChange, Watch};
pub use window::unknown_window;
