//! Lanes, breakers and choices together, in virtual time.

mod choosing;
mod faults;
mod health;
mod quotas;
mod world;
