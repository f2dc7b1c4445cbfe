//! The kit itself: real stores, the proxy that misbehaves, child processes.

#![cfg(test)]

mod cluster;
mod echo;
mod fault;
mod lanes;
mod process;
mod redis;
mod replication;
mod sentinel;
mod tls;
