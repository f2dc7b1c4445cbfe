//! Who sends in a run.

use paceline_limiter::SettingsError;

use crate::client::Paced;
use crate::random::Dice;
use crate::rivals::Library;
use crate::scenario::{Scenario, Sender as Kind};
use crate::sender::Sender;

/// One sender and when it will be polled.
pub(super) struct Seat {
    pub(super) sender: Box<dyn Sender>,
    pub(super) wake_ns: Option<u64>,
}

/// All senders of one kind. Only gateways can be several.
pub(super) fn seats(
    scenario: &Scenario,
    kind: Kind,
    root: &Dice,
    start_ns: u64,
) -> Result<Vec<Seat>, SettingsError> {
    let provider = &scenario.provider;
    let count = match kind {
        Kind::Gateway => scenario.gateway.count,
        Kind::RetriesOnly | Kind::FixedRate => 1,
    };
    let seat = |index: u64| {
        let dice = root.fork(100 + index);
        let sender: Box<dyn Sender> = match kind {
            Kind::Gateway => {
                let quotas = &provider.quota;
                Box::new(Paced::new(&scenario.gateway, quotas, dice, start_ns)?)
            }
            Kind::RetriesOnly => {
                let rules = &scenario.retries_only;
                Box::new(Library::retries_only(rules, provider, dice))
            }
            Kind::FixedRate => {
                let rules = &scenario.fixed_rate;
                Box::new(Library::fixed_rate(rules, provider, dice))
            }
        };
        Ok(Seat {
            sender,
            wake_ns: None,
        })
    };
    (0..count as u64).map(seat).collect()
}
