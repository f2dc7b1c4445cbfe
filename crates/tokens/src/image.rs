//! Tokens of images in the input (see OpenAI's guide to image input).
//!
//! Two kinds of model exist. *Patch* models count patches of 32 by 32 pixels, times a factor;
//! *tile* models take a base price and a price per tile of 512 by 512.

mod patch;
#[cfg(test)]
mod tests;
mod tile;

use crate::exact::{base_model, matches_prefix};
use patch::{PATCH_MODELS, PatchRule};
use tile::{TILE_MODELS, TileRule};

/// How closely the model looks at an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ImageDetail {
    /// A thumbnail.
    Low,
    /// The usual resolution. For `gpt-image-1` this means high input fidelity.
    High,
    /// The provider chooses.
    #[default]
    Auto,
    /// As large as the model can take.
    Original,
}

/// How a model counts.
#[derive(Clone, Copy)]
enum Rule {
    Patches(&'static PatchRule),
    Tiles(&'static TileRule),
}

/// Tokens of one image of `width` by `height` pixels.
///
/// A dimension of zero counts as one pixel. For a model that is in no table, the answer is the
/// higher of what the newest patch model and the GPT-4o tiles give. An image of more than 30,000
/// patches is counted here, although the provider refuses it.
#[must_use]
pub fn image_tokens(model: &str, width: u32, height: u32, detail: ImageDetail) -> u64 {
    let (width, height) = (width.max(1), height.max(1));
    match rule(model) {
        Some(Rule::Patches(rule)) => rule.tokens(width, height, detail),
        Some(Rule::Tiles(rule)) => rule.tokens(width, height, detail),
        None => {
            let patches = PatchRule::NEWEST.tokens(width, height, detail);
            patches.max(TileRule::GPT_4O.tokens(width, height, detail))
        }
    }
}

/// Tokens to allow for an image of which only the address is known: those of a 12-megapixel
/// photograph, which is the most that most rules can reach.
#[must_use]
pub fn image_tokens_of_unknown_size(model: &str, detail: ImageDetail) -> u64 {
    image_tokens(model, 4_032, 3_024, detail)
}

fn rule(model: &str) -> Option<Rule> {
    let base = base_model(model);
    let patches = PATCH_MODELS
        .iter()
        .map(|(prefix, rule)| (prefix, Rule::Patches(rule)));
    let tiles = TILE_MODELS
        .iter()
        .map(|(prefix, rule)| (prefix, Rule::Tiles(rule)));
    patches
        .chain(tiles)
        .filter(|(prefix, _)| matches_prefix(base, prefix))
        .max_by_key(|(prefix, _)| prefix.trim_end_matches('*').len())
        .map(|(_, rule)| rule)
}
