//! Measures how well tokens are known beforehand: the estimates of the input against exact counts,
//! on texts that the estimates were not fitted to, and the learned length of answers on synthetic
//! traffic. Prints the tables of the benchmarks page.
//!
//! The prose in `texts/` is the beginning of the Universal Declaration of Human Rights as the
//! United Nations publish it in each language; code and Markdown are this repository's own.

#![expect(clippy::print_stdout, reason = "the result goes to the terminal")]

mod input;
mod output;
mod random;
mod texts;

fn main() {
    input::print();
    output::print();
}
