//! Counting and estimating tokens, and what they cost.
//!
//! Three ways to know how many tokens a text is, from the cheapest to the dearest:
//!
//! - [`TextProfile`] counts the bytes of a text by class, at memory speed, and an [`Estimator`]
//!   turns that into an [`Estimate`] with integer arithmetic. This is what every request gets.
//! - [`Calibrations`] and [`OutputLengths`] learn from the usage that answers report: how far the
//!   estimates of each model are off, and how long its answers are. What they have learned can be
//!   taken out as plain data and put back in, so that it survives a restart.
//! - `count` and `count_chat` run the real tokeniser, where an exact count is worth the time, and
//!   its tables the size: they come with the feature `exact`.
//!
//! `prices` turns what an answer was billed for into exact costs, by dated prices that come with
//! the crate and that a user's file overrides; they come with the feature `prices`.
//!
//! This crate deliberately does not know what a request or an answer looks like on the wire, what
//! a provider deducts at admission, which limits exist, or what time it is. It does no I/O.

mod calibration;
mod estimate;
mod exact;
mod image;
mod output_length;
#[cfg(feature = "prices")]
pub mod prices;
mod profile;
mod state;

pub use calibration::{Calibrations, CalibrationsState, CorrectionPpm, ErrorStats, ModelAccuracy};
pub use estimate::{
    COARSE_FEATURES, Estimate, EstimateInput, Estimator, Family, NOTHING_KNOWN_INPUT_TOKENS,
    SHAPED_FEATURES, coarse_features, shaped_features,
};
#[cfg(feature = "exact")]
pub use exact::{ChatMessage, count, count_chat, count_tools};
pub use exact::{Listing, ModelVocabulary, Vocabulary};
pub use image::{ImageDetail, image_tokens, image_tokens_of_unknown_size};
pub use output_length::{
    BoundClass, OutputAccuracy, OutputEntry, OutputKey, OutputLengths, OutputLengthsState,
    OutputPrediction, PredictionSource,
};
pub use profile::{TextProfile, TextShape};
pub use state::StateError;
