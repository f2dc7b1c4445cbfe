//! Patch models.

use super::ImageDetail;
use crate::estimate::scale;

/// Side of a patch in pixels.
const PATCH: f64 = 32.0;
/// Keeps a side that is a whole number of patches from being rounded up to one more.
const ROUNDING: f64 = 1e-6;

/// The largest image that is looked at: larger ones are shrunk.
#[derive(Clone, Copy)]
struct Bounds {
    /// Patches, where they are bounded.
    patches: Option<u32>,
    /// Longer side in pixels, where it is bounded.
    side: Option<u32>,
}

/// How a patch model counts.
pub(super) struct PatchRule {
    low: Bounds,
    high: Bounds,
    auto: Bounds,
    original: Bounds,
    /// Tokens per patch, in hundredths.
    percent: u64,
}

const fn bounds(patches: u32, side: u32) -> Bounds {
    Bounds {
        patches: Some(patches),
        side: Some(side),
    }
}

/// The thumbnail of `low`: within 512 by 512 pixels.
const THUMBNAIL: Bounds = bounds(256, 512);
const UNBOUNDED: Bounds = Bounds {
    patches: None,
    side: None,
};

impl PatchRule {
    /// The rule of the newest models, for names that are not known yet.
    pub(super) const NEWEST: Self = Self::unbounded(120);

    /// Models whose `high` stops at 2,500 patches and `original` at 10,000.
    const fn budgeted(percent: u64) -> Self {
        let high = bounds(2_500, 2_048);
        Self {
            low: THUMBNAIL,
            high,
            auto: high,
            original: bounds(10_000, 6_000),
            percent,
        }
    }

    /// Models that look at the whole image unless told otherwise.
    const fn unbounded(percent: u64) -> Self {
        let high = bounds(2_500, 2_048);
        Self {
            low: THUMBNAIL,
            high,
            auto: UNBOUNDED,
            original: UNBOUNDED,
            percent,
        }
    }

    /// Models with one bound for everything but `low`.
    const fn single(percent: u64) -> Self {
        let high = bounds(6_144, 2_048);
        Self {
            low: THUMBNAIL,
            high,
            auto: high,
            original: high,
            percent,
        }
    }

    pub(super) fn tokens(&self, width: u32, height: u32, detail: ImageDetail) -> u64 {
        let bounds = match detail {
            ImageDetail::Low => self.low,
            ImageDetail::High => self.high,
            ImageDetail::Auto => self.auto,
            ImageDetail::Original => self.original,
        };
        scale(
            bounds.patches_of(f64::from(width), f64::from(height)),
            self.percent,
            100,
        )
    }
}

impl Bounds {
    fn patches_of(self, width: f64, height: f64) -> u64 {
        let side_scale = self
            .side
            .map_or(1.0, |side| f64::from(side) / width.max(height))
            .min(1.0);
        let (width, height) = (width * side_scale, height * side_scale);
        let whole = cover(width) * cover(height);
        let Some(budget) = self.patches.map(u64::from).filter(|&budget| whole > budget) else {
            return whole;
        };
        let shrink = (PATCH * PATCH * budget as f64 / (width * height)).sqrt();
        let (columns, rows) = (width * shrink / PATCH, height * shrink / PATCH);
        // Shrinks a little further, until one side is a whole number of patches, so that rounding
        // up the other stays within the budget.
        let fit = (floor(columns) / columns).min(floor(rows) / rows);
        let patches = cover(columns * fit * PATCH) * cover(rows * fit * PATCH);
        patches.min(budget)
    }
}

/// Patches that it takes to cover a side.
fn cover(pixels: f64) -> u64 {
    ((pixels / PATCH - ROUNDING).ceil() as u64).max(1)
}

/// Whole patches in a side, at least one.
fn floor(patches: f64) -> f64 {
    (patches + ROUNDING).floor().max(1.0)
}

/// Patch models by prefix, where the longest that matches counts.
pub(super) const PATCH_MODELS: [(&str, PatchRule); 9] = [
    ("gpt-4.1-mini", PatchRule::single(162)),
    ("gpt-4.1-nano", PatchRule::single(246)),
    ("o4-mini", PatchRule::single(172)),
    ("gpt-5-mini", PatchRule::single(120)),
    ("gpt-5-nano", PatchRule::single(150)),
    ("gpt-5.2", PatchRule::single(120)),
    ("gpt-5.6", PatchRule::unbounded(120)),
    // GPT-5.4 and 5.5, and the best guess for those without an entry.
    ("gpt-5.*", PatchRule::budgeted(120)),
    ("gpt-6*", PatchRule::unbounded(120)),
];
