//! The crate's lists beside what is made of them.

#[cfg(test)]
mod dashboard;
