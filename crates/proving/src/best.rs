//! What the best of all senders could do: one next door to the provider who knows everything.

use crate::random::Dice;
use crate::scenario::{Arrivals, Prompt, Scenario};
use crate::time::seconds;
use crate::upstream::Upstream;

/// When a sender who loses no time and is never refused has its last request admitted, since the
/// start of the run, if it sends the prompts of a finite job one after the other. `None` where the
/// workload has no end, or where it cannot be done in the time.
pub(crate) fn last_admission_ns(
    scenario: &Scenario,
    prompts: impl Iterator<Item = (u64, Prompt)>,
    start_ns: u64,
) -> Option<u64> {
    let finite = |arrivals: &Arrivals| matches!(arrivals, Arrivals::Job { .. });
    let jobs = scenario.workload.iter().map(|stream| &stream.arrivals);
    if !jobs.clone().all(finite) {
        return None;
    }
    let mut ideal = scenario.clone();
    ideal.fault.clear();
    ideal.provider.max_in_flight = None;
    ideal.provider.ramp = None;
    ideal.provider.refusals_count = false;
    let end_ns = start_ns + seconds(scenario.duration_s + scenario.drain_s);
    let mut upstream = Upstream::new(&ideal, Dice::new(0), start_ns, false);
    let mut changes: Vec<(u64, usize)> = (0..)
        .zip(&ideal.provider.change)
        .map(|(index, change)| (start_ns + seconds(change.at_s), index))
        .collect();
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut now_ns = start_ns;
    for (since_ns, prompt) in prompts {
        // A job with a bound on what runs at once could have asked sooner.
        let bounded = jobs.clone().any(|arrivals| {
            matches!(
                arrivals,
                Arrivals::Job {
                    concurrency: Some(_),
                    ..
                }
            )
        });
        if !bounded {
            now_ns = now_ns.max(start_ns + since_ns);
        }
        loop {
            while let Some((_, index)) = changes.next_if(|(at_ns, _)| *at_ns <= now_ns) {
                upstream.change(index, now_ns);
            }
            match upstream.try_admit(&prompt, now_ns) {
                None => break,
                Some(wait_ns) => {
                    let then_ns = now_ns.saturating_add(wait_ns.max(1));
                    let changed_ns = changes.peek().map_or(u64::MAX, |(at_ns, _)| *at_ns);
                    now_ns = then_ns.min(changed_ns);
                }
            }
            if now_ns > end_ns {
                return None;
            }
        }
    }
    Some(now_ns - start_ns)
}
