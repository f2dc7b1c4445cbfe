//! Tests of the crate through its public face.

#[cfg(test)]
mod budgets;
mod environment;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod ledger;
mod limits;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod precedence;
#[cfg(test)]
mod prices;
mod providers;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod store;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod upstream;
