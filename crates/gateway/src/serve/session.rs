//! The way that a session takes, and its turn there.

use super::Call;
use super::attempt::take;
use super::choose::choose;
use super::turn::{self, NoTurn};
use crate::lanes::Passage;
use crate::pace::Lease;
use crate::respond::Problem;

/// What a session holds.
pub(crate) struct Admitted {
    /// The way's place in the plan.
    pub(crate) way: usize,
    pub(crate) lease: Lease,
    pub(crate) passage: Passage,
}

/// Waits until a session may be opened over one of its ways.
///
/// # Errors
/// When no lane takes it in the time that it may wait, or its limits never let it go.
pub(crate) async fn admit(call: &mut Call) -> Result<Admitted, Problem> {
    let deadline = call.deadline;
    loop {
        let way = choose(call).await.map_err(|problem| *problem)?;
        let (exchange, plan) = (&mut call.exchange, &mut call.plan);
        take(exchange, plan, way);
        let may_leave = plan.ways.len() > 1;
        let taken = plan.ways.get(way).ok_or_else(Problem::internal)?;
        let paced = taken.paced.as_ref().ok_or_else(Problem::internal)?;
        let lease = match turn::wait(exchange, paced, (deadline, may_leave), None).await {
            Ok(lease) => lease,
            Err(NoTurn::Left) => continue,
            Err(NoTurn::Refused(refusal)) => {
                return Err(Problem::refusal(&refusal, paced.pool.watch().name()));
            }
        };
        // The lane may have become ill while the session waited; what was reserved goes back whole.
        if let Ok(passage) = taken.lane.begin() {
            return Ok(Admitted {
                way,
                lease,
                passage,
            });
        }
    }
}
