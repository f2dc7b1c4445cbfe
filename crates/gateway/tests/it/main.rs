//! The gateway as a whole, over real sockets, in front of a simulated provider.

mod admin;
mod bad_input;
mod batches;
mod budgets;
mod control;
mod estimates;
mod fairness;
mod faults;
mod keys;
mod lifecycle;
mod memory;
mod monitoring;
mod monitoring_events;
mod monitoring_hostile;
mod openapi;
mod pacing;
mod preflight;
mod provider;
mod records;
mod refusals;
mod relay;
mod sharing;
mod store;
mod telemetry;
mod tunnel;
