//! How a limit is kept of which only amount and window are known.

use std::time::Duration;

use paceline_limiter::WindowModel;

/// What may go at once where nothing is known: as much as is refilled in half a second. With the
/// refill of the guard, which is kept free for late arrivals, that stays below what a provider that
/// enforces in pieces of one second holds; no shorter ones are known of.
const UNKNOWN_BURST: Duration = Duration::from_millis(500);

/// A window that is safe however the provider counts.
#[must_use]
pub fn unknown_window(amount: u64, window: Duration, guard: Duration) -> WindowModel {
    let time_ns = (UNKNOWN_BURST + guard).as_nanos();
    let burst = u128::from(amount).saturating_mul(time_ns) / window.as_nanos().max(1);
    let burst = u64::try_from(burst).unwrap_or(u64::MAX);
    WindowModel::Unknown {
        burst: burst.clamp(1, amount.max(1)),
    }
}
