//! The simulated provider over real sockets.

#![cfg(test)]

mod book;
mod client;
mod connections;
mod control;
mod dialects;
mod endpoints;
mod faults;
mod files;
mod golden;
mod limits;
mod realtime;
mod refusals;
mod responses;
mod streams;
