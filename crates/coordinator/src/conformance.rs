//! What every store of shared state has to do: one test each, by topic, for any [`Coordinator`].
//!
//! `coordinator_conformance!` makes a test of each for a store. Domains are named anew every
//! time, so that all can run at once on one store. Times are the store's own, and short.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]
#![expect(missing_docs, reason = "the names say it")]

mod actor;
mod beliefs;
pub mod budgets;
mod fairness;
mod limits;
mod presence;
mod settlement;

pub use beliefs::*;
pub use fairness::*;
pub use limits::*;
pub use presence::*;
pub use settlement::*;

#[expect(unused_imports, reason = "for the links above")]
use crate::store::Coordinator;

/// Makes a test of each case for the store that the expression makes, which may be awaited.
#[macro_export]
macro_rules! coordinator_conformance {
    ($store:expr) => {
        $crate::coordinator_conformance! { $store;
            no_kind_of_limit_is_passed
            a_request_beyond_every_window_waits_for_nothing
            what_was_not_used_is_given_back
            what_was_used_beyond_is_owed
            a_request_that_was_never_sent_takes_nothing
            a_repeated_message_changes_nothing_and_grants_the_same
            an_older_message_lets_nobody_in
            a_head_that_was_let_in_and_asks_again_is_let_in_again
            closing_twice_is_closing_once
            closing_what_was_never_let_in_changes_nothing
            a_silent_instance_has_spent_what_it_held
            who_leaves_leaves_nothing_but_what_it_spent
            instances_are_told_of_room_that_comes_sooner
            a_correction_that_two_find_is_made_once
            younger_beliefs_replace_older_ones
            what_is_used_survives_a_change_of_kind
            a_lost_state_is_no_full_quota
            what_one_learns_the_others_know
            a_pause_holds_for_all
            launches_are_spaced_over_all
            requests_in_flight_are_bounded_over_all
            what_is_urgent_elsewhere_goes_first
            tenants_share_by_weight_over_instances
            shares_follow_demand
        }
    };
    ($store:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let store = $store;
                $crate::conformance::$case(&store).await;
            }
        )*
    };
}
