//! Tile models.

use super::ImageDetail;

/// Side of a tile in pixels.
const TILE: f64 = 512.0;
/// Images are first shrunk to fit a square of this side.
const LONGEST_SIDE: f64 = 2_048.0;
/// Keeps a side that is a whole number of tiles from being rounded up to one more.
const ROUNDING: f64 = 1e-6;

/// How a tile model counts.
pub(super) struct TileRule {
    base: u64,
    per_tile: u64,
    /// The shorter side is shrunk to this many pixels.
    shortest_side: f64,
    /// What high fidelity adds for a square image, and for any other.
    fidelity: (u64, u64),
}

impl TileRule {
    /// GPT-4o, the best guess for a name that is not known.
    pub(super) const GPT_4O: Self = Self::new(85, 170);

    const fn new(base: u64, per_tile: u64) -> Self {
        Self {
            base,
            per_tile,
            shortest_side: 768.0,
            fidelity: (0, 0),
        }
    }

    pub(super) fn tokens(&self, width: u32, height: u32, detail: ImageDetail) -> u64 {
        if detail == ImageDetail::Low {
            return self.base;
        }
        let fidelity = match detail {
            ImageDetail::High | ImageDetail::Original if width == height => self.fidelity.0,
            ImageDetail::High | ImageDetail::Original => self.fidelity.1,
            ImageDetail::Low | ImageDetail::Auto => 0,
        };
        let (width, height) = (f64::from(width), f64::from(height));
        let fit = (LONGEST_SIDE / width.max(height)).min(1.0);
        let shrink = fit * (self.shortest_side / (width.min(height) * fit)).min(1.0);
        let tiles = cover(width * shrink) * cover(height * shrink);
        self.base + self.per_tile * tiles + fidelity
    }
}

/// Tiles that it takes to cover a side.
fn cover(pixels: f64) -> u64 {
    ((pixels / TILE - ROUNDING).ceil() as u64).max(1)
}

/// Tile models by prefix, where the longest that matches counts.
pub(super) const TILE_MODELS: [(&str, TileRule); 10] = [
    ("gpt-4o", TileRule::GPT_4O),
    ("chatgpt-4o", TileRule::GPT_4O),
    ("gpt-4o-mini", TileRule::new(2_833, 5_667)),
    ("gpt-4.1", TileRule::GPT_4O),
    ("gpt-4.5", TileRule::GPT_4O),
    ("gpt-5", TileRule::new(70, 140)),
    ("gpt-5.1", TileRule::new(70, 140)),
    ("o1", TileRule::new(75, 150)),
    ("o3", TileRule::new(75, 150)),
    (
        "gpt-image-1",
        TileRule {
            base: 65,
            per_tile: 129,
            shortest_side: 512.0,
            fidelity: (4_160, 6_240),
        },
    ),
];
