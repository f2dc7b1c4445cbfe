//! Integration tests: the calibrated estimate against exact counts.

mod accuracy;
mod corpus;
mod least_squares;
