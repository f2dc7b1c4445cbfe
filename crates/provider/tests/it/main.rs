//! Tests of the crate through its public face.

mod checks;
mod goldens;
mod life;
mod mutations;
#[cfg(test)]
mod page;
#[cfg(test)]
mod readings;
