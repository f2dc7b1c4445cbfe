//! Integration tests: the calibrated estimate against exact counts, and costs against tables.

mod accuracy;
mod corpus;
mod least_squares;
#[cfg(test)]
mod prices;
