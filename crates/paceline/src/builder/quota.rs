//! From what a program says of a limit to what is kept.

use std::time::Duration;

use paceline_limiter::{Limit, Metric, WindowModel};
use paceline_pace::{Clock, unknown_window};

use crate::Window;

/// A limit as it is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) metric: Metric,
    pub(super) amount: u64,
    pub(super) window: Duration,
}

impl Quota {
    /// The limit to keep.
    pub(super) fn limit(
        &self,
        headroom: f64,
        counted: Window,
        guard: Duration,
        clock: &Clock,
    ) -> Limit {
        let amount = less(self.amount, headroom);
        let model = match counted {
            Window::Unknown => unknown_window(amount, self.window, guard),
            Window::Bucket => WindowModel::Bucket { burst: amount },
            Window::Fixed => WindowModel::Fixed {
                phase: clock.wall_clock_phase(self.window),
            },
            Window::FixedFromFirstUse => WindowModel::FixedFromFirstUse,
            Window::Sliding => WindowModel::Sliding,
            Window::Pieces(quantum) => WindowModel::Quantised { quantum },
        };
        Limit {
            metric: self.metric,
            amount,
            window: self.window,
            model,
            guard,
        }
    }
}

/// `amount * (1 - headroom)`, rounded down and 1 at the least.
///
/// The headroom is rounded to a millionth first, so that 0.1 of 1,000 is 100 and not a little more.
fn less(amount: u64, headroom: f64) -> u64 {
    const WHOLE: u128 = 1_000_000;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1"
    )]
    let held_back = (headroom.clamp(0.0, 1.0) * 1e6).round() as u128;
    let kept = u128::from(amount) * (WHOLE - held_back) / WHOLE;
    u64::try_from(kept).unwrap_or(amount).max(1)
}
