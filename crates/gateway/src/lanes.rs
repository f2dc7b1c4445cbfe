//! Lanes: the ways to reach models, how well each is, and which one a call takes.
//!
//! The rules are those of `paceline-routing`, which reads no clock; here is what it is told.

mod chooser;
mod drawn;
mod lane;
mod meter;
mod table;

pub(crate) use chooser::Chooser;
pub(crate) use lane::{Lane, Passage, outcome_of, routing_time};
pub(crate) use table::Lanes;
