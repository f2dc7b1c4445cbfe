//! The built command from outside: words, exit codes, files and signals.

#![cfg(test)]

mod batch;
mod batch_plan;
mod books;
mod check;
mod clients;
mod command;
mod config;
mod count;
mod dashboard;
mod demo;
mod emulated_batches;
mod help;
mod hostile;
mod keys;
mod ledger;
mod prices;
mod processes;
mod provider;
mod serve;
mod shared_budgets;
mod shared_run;
mod simulate;
mod status;
mod top;
mod usage;
mod validate;
